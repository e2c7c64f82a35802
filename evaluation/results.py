"""What an evaluation leaves: one JSON of rows, with what they were measured on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from common.files import write_json

FORMAT = 1


def write_result(path: Path, run: str, rows: Sequence[Mapping[str, Any]], **facts: Any) -> None:
    """Write the rows measured on a run and whatever else is to be said of them, each fact under its own key."""
    write_json(path, {"format": FORMAT, "run": run, "rows": rows, **facts})
