"""How fast the models read, in the report: by length, packed beside padded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from common.errors import UserError
from common.files import read_json
from recipe.needs import speed_encoders
from recipe.reading import read_recipe


def tables(results: Path) -> list[dict[str, Any]]:
    """Return a table for each model whose speed was measured: `model`, `machine`, `rows`; or why it was not.

    A row has `length`, `lengths`, and the lines of the result for `packed`, None for an encoder from elsewhere, and
    `padded`.

    Raises:
        UserError: a file is no such result.
    """
    encoders = speed_encoders(read_recipe(results / "recipe" / "recipe.json"))
    paths = [results / "evaluation" / encoder / "speed.json" for encoder in encoders]
    return [_table(path, read_json(path)) for path in paths if path.is_file()]


def _table(path: Path, content: Mapping[str, Any]) -> dict[str, Any]:
    try:
        if "unmeasured" in content:
            return {"model": content["run"], "unmeasured": content["unmeasured"]}
        found: dict[tuple[int, str], dict[str, Any]] = {}
        for row in content["rows"]:
            found.setdefault((row["length"], row["lengths"]), {})[row["way"]] = row
        rows = [
            {"length": length, "lengths": lengths, "packed": ways.get("packed"), "padded": ways["padded"]}
            for (length, lengths), ways in sorted(found.items())
        ]
        return {"model": content["run"], "machine": content["machine"], "rows": rows, "unmeasured": ""}
    except (KeyError, TypeError):
        raise UserError(f"{path} is no result of python -m evaluation.speed; delete it and run again.") from None
