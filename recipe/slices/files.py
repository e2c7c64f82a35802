"""Slices as files of JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from common.errors import UserError
from recipe.types import Strict

Slice = TypeVar("Slice", bound=Strict)


def to_json(content: Strict) -> str:
    """Return a slice as one line of JSON: equal slices give equal text, whatever order the recipe is written in."""
    fields = content.model_dump(mode="json", by_alias=True)
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n"


def read_slice(path: Path, kind: type[Slice]) -> Slice:
    """Read a slice of the given kind. Raises `UserError` naming the file if it is absent or not such a slice."""
    try:
        return kind.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise UserError(
            f"{path} does not exist; Snakemake writes it from the recipe, and so does python -m recipe.slices."
        ) from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise UserError(
            f"{path} is not a {kind.__name__} ({key or 'file'}: {first['msg']}); delete it and run again to remake it."
        ) from None
