"""Retrieval, understanding and EuroEval of runs beside a reference's, on the same queries and examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from common.errors import UserError
from common.files import read_json
from common.iterations import paired
from common.paired import Estimate, Sampled, difference, sampled
from common.summed_scores import sampled_scores, scored
from evaluation.comparison.losses import told, verdict

Result = Mapping[str, Any]
WANTED = {
    "retrieval": {"metric", "scores", "queries"},
    "understanding": {"metric", "counts", "examples"},
    "euroeval": {"metric", "value", "values", "iterations", "examples"},
}
"""Kind of task -> what a result of it holds."""


def task_differences(
    kind: str, task: str, groups: Mapping[str, Sequence[str]], reference: str, results: Path, seed: int
) -> list[dict[str, Any]]:
    """Return how each group's score on a task differs from the reference's, as far as both were measured.

    Args:
        kind: `retrieval`, `understanding` or `euroeval`.
        task: name of the task.
        groups: name -> runs that are seeds of one another, of those that the recipe measures on it.
        reference: name of a group.
        results: the directory `results`.
        seed: of the bootstrap.

    Raises:
        UserError: a result is no result of such a task.
    """
    measured = {
        name: [one for run in runs if (one := _read(results / "evaluation" / kind / task / f"{run}.json", kind))]
        for name, runs in groups.items()
    }
    found: list[dict[str, Any]] = []
    for name, own in measured.items():
        other = measured.get(reference, [])
        if name == reference or not own or not other:
            continue
        try:
            value, against, estimate = _compared(kind, own, other, seed)
        except ValueError as error:
            found.append({"kind": kind, "task": task, "run": name, "incomparable": str(error)})
            continue
        found.append(
            {
                "kind": kind,
                "task": task,
                "run": name,
                "metric": own[0]["metric"],
                "examples": own[0]["queries" if kind == "retrieval" else "examples"],
                "value": round(value, 6),
                "reference_value": round(against, 6),
                **told(estimate),
                "verdict": verdict(estimate, lower_is_better=False),
            }
        )
    return found


def _compared(kind: str, own: Sequence[Result], other: Sequence[Result], seed: int) -> tuple[float, float, Estimate]:
    """Return the mean score of each of two groups, and their difference; `ValueError` where they do not compare."""
    if kind == "euroeval":
        found = paired(own, other)
        return fmean(one["value"] for one in own), fmean(one["value"] for one in other), found
    both = (_retrieval if kind == "retrieval" else _understanding)([*own, *other], seed)
    system, against = both.of(range(len(own))), both.of(range(len(own), len(own) + len(other)))
    return float(system.values.mean()), float(against.values.mean()), difference(system, against, seed)


def _read(path: Path, kind: str) -> Result | None:
    """Return a result, or None if it tells that it was not measured."""
    content = read_json(path)
    if isinstance(content, dict) and "unmeasured" in content:
        return None
    if not isinstance(content, dict) or WANTED[kind] - content.keys():
        raise UserError(f"{path} is no result of {kind}; delete it and run Snakemake again.")
    return content


def _retrieval(every: Sequence[Result], seed: int) -> Sampled:
    """Return means over the queries that all systems were asked; `ValueError` if there are none."""
    queries = sorted(set.intersection(*(set(one["scores"]) for one in every)))
    if not queries or len({one["metric"] for one in every}) > 1:
        raise ValueError("measured on other queries, or by another metric")
    sums = np.array([[one["scores"][query] for query in queries] for one in every], dtype=np.float64)
    return sampled(sums, np.ones(len(queries)), seed)


def _understanding(every: Sequence[Result], seed: int) -> Sampled:
    """Return mean scores over the seeds of fine-tuning; `ValueError` if the systems were asked different things."""
    if len({(one["metric"], one["examples"]) for one in every}) > 1:
        raise ValueError("measured on other examples, or by another metric")
    return sampled_scores([scored(one["metric"], one["counts"]) for one in every], seed)
