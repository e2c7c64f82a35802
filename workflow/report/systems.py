"""Results of systems on tasks, one JSON each, as retrieval and understanding leave them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from common.errors import UserError
from common.files import read_json


def read_systems(results: Path, asked: Iterable[str], kinds: Sequence[set[str]], what: str) -> list[dict[str, Any]]:
    """Return the results that are there of those that are asked for, tasks by name, of a task the best first.

    One with `unmeasured`, the reason, has no `value`; those come last of their task.

    Args:
        results: the directory `results`.
        asked: paths of results, that directory among them.
        kinds: keys of which a result has all of one set.
        what: a result is of, for the error.

    Raises:
        UserError: a file is no such result.
    """
    found = []
    for path in filter(Path.is_file, (results / file.removeprefix("results/") for file in asked)):
        content = read_json(path)
        if not isinstance(content, dict) or not any(content.keys() >= kind for kind in kinds):
            raise UserError(f"{path} is no result of {what}; delete it and run Snakemake again.")
        found.append(content)
    return sorted(found, key=lambda one: (one["task"], -one.get("value", -1.0), one["system"]))


def model_index(
    run: str, found: Iterable[Mapping[str, Any]], told: Callable[[Mapping[str, Any]], str], digits: int = 5
) -> list[dict[str, Any]]:
    """Return a run's results as the `model-index` of its card has them; those without a value are left out.

    The format is https://github.com/huggingface/hub-docs/blob/main/modelcard.md.

    Args:
        run: whose results.
        found: results of systems, each with `hub_type`, what the hub calls its kind of task.
        told: what is said of a result's value.
        digits: of the value after the point.
    """
    return [
        {
            "task": {"type": one["hub_type"]},
            "dataset": {"name": one["task"], "type": one["task"], "split": one.get("split", "test")},
            "metrics": [{"type": one["metric"], "value": round(one["value"], digits), "name": told(one)}],
        }
        for one in found
        if one["system"] == run and "value" in one
    ]
