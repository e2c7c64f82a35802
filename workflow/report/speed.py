"""How fast the models read, in the report: by length, packed beside padded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from common.errors import UserError
from common.files import read_json


def tables(results: Path, runs: Sequence[str]) -> list[dict[str, Any]]:
    """Return a table for each model of runs whose speed was measured: `model`, `machine`, and `rows`.

    A row has `length`, `lengths`, and the lines of the result for `packed` and `padded`.

    Raises:
        UserError: a file is no such result.
    """
    paths = [results / "evaluation" / run / "speed.json" for run in runs]
    return [_table(path, read_json(path)) for path in paths if path.is_file()]


def _table(path: Path, content: Mapping[str, Any]) -> dict[str, Any]:
    try:
        found: dict[tuple[int, str], dict[str, Any]] = {}
        for row in content["rows"]:
            found.setdefault((row["length"], row["lengths"]), {})[row["way"]] = row
        rows = [
            {"length": length, "lengths": lengths, "packed": ways["packed"], "padded": ways["padded"]}
            for (length, lengths), ways in sorted(found.items())
        ]
        return {"model": content["run"], "machine": content["machine"], "rows": rows}
    except (KeyError, TypeError):
        raise UserError(f"{path} is no result of python -m evaluation.speed; delete it and run again.") from None
