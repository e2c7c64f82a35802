"""Understanding in the report and in the cards: read from one JSON per encoder and task, and from nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from common.errors import UserError
from common.summed_scores import scored, surely_best_of_sums
from recipe.reading import read_recipe
from workflow.report.retrieval import shown_name
from workflow.report.systems import model_index, read_systems
from workflow.understanding import Understanding

METRICS = {
    "macro_f1": "macro F1",
    "micro_f1": "micro F1",
    "macro_f1_of_labels": "macro F1",
    "r_precision": "mean R-precision",
    "accuracy": "accuracy",
    "span_f1": "F1 of entities",
    "token_f1": "F1 of words",
    "exact_match": "exact match",
}
"""Metric -> what a reader is told."""
FACTS = {"system", "task", "kind", "language"}
RESULT = FACTS | {
    "metric",
    "value",
    "interval",
    "confidence",
    "values",
    "seeds",
    "examples",
    "baseline",
    "baseline_is",
    "also",
    "how",
    "counts",
}
HUB_TYPES = {
    "classification": "text-classification",
    "pairs": "text-classification",
    "multilabel": "text-classification",
    "tagging": "token-classification",
    "qa": "question-answering",
}
"""Kind of task -> what the hub calls it."""


def read_results(results: Path) -> list[dict[str, Any]]:
    """Return what was measured on understanding for the recipe that is there, tasks by name, of a task the best first.

    A result with `unmeasured`, the reason, has no `value`; those come last of their task. What an earlier recipe left
    of other tasks and systems is not read.

    Raises:
        UserError: a file is no such result.
    """
    asked = Understanding(read_recipe(results / "recipe" / "recipe.json")).results()
    return read_systems(results, asked, (RESULT, FACTS | {"unmeasured"}), "a task")


def tables(found: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return one table a task: what it is, a row a system, with whether it is surely the best, and the absent ones.

    Bold is only what is better than every other system on these examples, sure by the interval of the difference.

    Raises:
        UserError: systems were measured on different examples.
    """
    made = []
    for task in dict.fromkeys(one["task"] for one in found):
        named = [{**one, "name": shown_name(one["system"])} for one in found if one["task"] == task]
        own = [one for one in named if "value" in one]
        best = _best(task, own)
        absent: dict[str, list[str]] = {}
        for one in named:
            if "unmeasured" in one:
                absent.setdefault(one["unmeasured"], []).append(one["name"])
        rows = [{**one, "best": one["system"] == best} for one in own]
        made.append({"task": task, "rows": rows, "absent": absent, **_by_tokens(rows)})
    return made


def _by_tokens(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what systems reach by tokens given and by distance: (columns, name -> column -> score), as far as known.

    Another system's tokens are other ones, so that one may have a column that another has not.
    """
    made = {}
    for key, column in (("given", _tokens), ("distance", _stretch)):
        named = {row["name"]: {column(one): one for one in row.get(key, [])} for row in rows}
        if columns := sorted({one for own in named.values() for one in own}, key=lambda shown: shown[-1]):
            made[key] = {"columns": columns, "rows": named}
    return made


def _tokens(one: Mapping[str, Any]) -> tuple[int]:
    return (one["tokens"],)


def _stretch(one: Mapping[str, Any]) -> tuple[int, int]:
    return one["from"], one["below"] - 1


def _best(task: str, own: Sequence[Mapping[str, Any]]) -> str | None:
    if len({one["metric"] for one in own}) > 1:
        raise UserError(f"the results of {task} have different metrics; delete them and run Snakemake again.")
    systems = {one["system"]: scored(one["metric"], one["counts"]) for one in own}
    try:
        return surely_best_of_sums(systems, own[0]["seeds"][0]) if own else None
    except ValueError as error:
        raise UserError(f"{task}: {error}; delete its results and run Snakemake again.") from None


def indexed(run: str, found: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return a run's results as the `model-index` of its card has them."""

    def told(one: Mapping[str, Any]) -> str:
        return (
            f"{METRICS[one['metric']]} after fine-tuning, mean of {len(one['seeds'])} seeds on "
            f"{one['examples']} examples, {one['confidence']:.0%} interval "
            f"{one['interval'][0]:.4f} to {one['interval'][1]:.4f}"
        )

    typed = [one | {"hub_type": HUB_TYPES[one["kind"]]} for one in map(dict, found)]
    return model_index(run, typed, told)
