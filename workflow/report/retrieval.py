"""Retrieval in the report and in the cards: read from one JSON per system and task, and from nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from common.intervals import surely_best
from recipe.needs import UNTRAINED
from recipe.reading import read_recipe
from workflow.dag import Dag
from workflow.report.systems import model_index, read_systems

RESULT = {
    "system",
    "task",
    "split",
    "metric",
    "value",
    "interval",
    "confidence",
    "chance",
    "queries",
    "documents",
    "seed",
    "how",
}
UNMEASURED = {"system", "task", "unmeasured"}


def read_results(results: Path) -> list[dict[str, Any]]:
    """Return what was measured on retrieval for the recipe that is there, tasks by name, of a task the best first.

    A result with `unmeasured`, the reason, has no `value`; those come last of their task. What an earlier recipe left
    of other tasks and systems is not read.

    Raises:
        UserError: a file is no such result.
    """
    asked = Dag(read_recipe(results / "recipe" / "recipe.json")).retrieval_results()
    return read_systems(results, asked, (RESULT | {"scores"}, UNMEASURED), "a retrieval")


def tables(found: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return one table a task: its name, size, a row a system, with whether it is surely the best, and the absent ones.

    Bold is only what is better than every other system on these queries, sure by the interval of the difference.
    """
    made = []
    for task in dict.fromkeys(one["task"] for one in found):
        named = [{**one, "name": shown_name(one["system"])} for one in found if one["task"] == task]
        own = [one for one in named if "value" in one]
        best = surely_best({one["system"]: one["scores"] for one in own}, own[0]["seed"]) if own else None
        absent: dict[str, list[str]] = {}
        for one in named:
            if "unmeasured" in one:
                absent.setdefault(one["unmeasured"], []).append(one["name"])
        rows = [{**one, "best": one["system"] == best} for one in own]
        made.append({"task": task, "rows": rows, "absent": absent})
    return made


def shown_name(system: str) -> str:
    """Return the name of a system for a reader."""
    run = system.removesuffix(UNTRAINED)
    return system if run == system else f"untrained, the shape of {run}"


def indexed(run: str, found: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return a run's results as the `model-index` of its card has them."""

    def told(one: Mapping[str, Any]) -> str:
        return (
            f"nDCG@10 after fine-tuning, {one['queries']} queries, {one['confidence']:.0%} interval "
            f"{one['interval'][0]:.4f} to {one['interval'][1]:.4f}"
        )

    typed = [one | {"hub_type": "retrieval"} for one in map(dict, found)]
    return model_index(run, typed, told)
