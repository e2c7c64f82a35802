"""EuroEval in the report and in the cards: read from one JSON per encoder and data set, and from nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from common.errors import UserError
from common.iterations import paired
from recipe.reading import read_recipe
from workflow.euroeval import EuroEvalTasks
from workflow.report.retrieval import shown_name
from workflow.report.systems import model_index, read_systems

METRICS = {
    "mcc": "Matthews correlation",
    "macro_f1": "macro F1",
    "micro_f1": "F1 of entities",
    "micro_f1_no_misc": "F1 of entities, without MISC",
    "f1": "F1 of words",
    "em": "exact match",
}
"""Metric by EuroEval's name -> what a reader is told."""
FACTS = {"system", "task"}
RESULT = FACTS | {
    "kind",
    "language",
    "metric",
    "value",
    "interval",
    "confidence",
    "values",
    "iterations",
    "examples",
    "also",
    "how",
}
HUB_TYPES = {
    "named-entity-recognition": "token-classification",
    "reading-comprehension": "question-answering",
}
"""Kind of task -> what the hub calls it, where that is not classification."""


def read_results(results: Path) -> list[dict[str, Any]]:
    """Return what EuroEval measured for the recipe that is there, data sets by name, of each the best first.

    A result with `unmeasured`, the reason, has no `value`; those come last of their data set. What an earlier recipe
    left of others is not read.

    Raises:
        UserError: a file is no such result.
    """
    asked = EuroEvalTasks(read_recipe(results / "recipe" / "recipe.json")).results()
    return read_systems(results, asked, (RESULT, FACTS | {"unmeasured"}), "EuroEval")


def tables(found: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return one table a data set: a row a system, with whether it is surely the best, and the absent ones.

    Raises:
        UserError: systems were measured differently.
    """
    made = []
    for task in dict.fromkeys(one["task"] for one in found):
        named = [{**one, "name": shown_name(one["system"])} for one in found if one["task"] == task]
        own = [one for one in named if "value" in one]
        best = surely_best(task, own)
        absent: dict[str, list[str]] = {}
        for one in named:
            if "unmeasured" in one:
                absent.setdefault(one["unmeasured"], []).append(one["name"])
        made.append({"task": task, "rows": [{**one, "best": one["system"] == best} for one in own], "absent": absent})
    return made


def surely_best(task: str, own: Sequence[Mapping[str, Any]]) -> str | None:
    """Return the system that is better than every other, sure by the interval of the difference over iterations.

    An iteration draws the same examples for every encoder, so scores are compared iteration by iteration: Student's
    interval of the mean difference, which for few iterations is wider than EuroEval's 1.96 standard errors.

    Raises:
        UserError: the systems have other metrics, examples or numbers of iterations.
    """
    if len({(one["metric"], one["examples"], one["iterations"]) for one in own}) > 1:
        raise UserError(f"the results of {task} were not made alike; delete them and run Snakemake again.")
    if len(own) < 2 or own[0]["iterations"] < 2:
        return None
    best, *others = sorted(own, key=lambda one: -one["value"])
    surely = all(paired([best], [other]).low > 0 for other in others)
    return str(best["system"]) if surely else None


def indexed(run: str, found: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return a run's results as the `model-index` of its card has them."""

    def told(one: Mapping[str, Any]) -> str:
        return (
            f"{METRICS[one['metric']]} by EuroEval {one['how']['euroeval']}, mean of "
            f"{one['iterations']} iterations on {one['examples']} examples, {one['confidence']:.0%} interval "
            f"{one['interval'][0]:.2f} to {one['interval'][1]:.2f}"
        )

    own = (dict(one) for one in found if "value" in one)  # one that is absent is of no kind
    typed = [one | {"hub_type": HUB_TYPES.get(one["kind"], "text-classification")} for one in own]
    return model_index(run, typed, told, digits=3)
