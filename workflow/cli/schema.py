"""`alasin schema`: the recipe's JSON Schema, from the types in `recipe.schema`, for editors to complete and check."""

from __future__ import annotations

import argparse
import json
from typing import Any

from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema

from recipe.schema import Recipe

_DIGITS = r"[0-9](_?[0-9])*"
_NUMBER = rf"^[-+]?({_DIGITS}\.?({_DIGITS})?|\.{_DIGITS})([eE][-+]?[0-9]+)?$"


class _WithNumbersAsText(GenerateJsonSchema):
    """Takes a number in any form that the reader takes: to YAML 1.1 `3e-4` is text, to YAML 1.2 `10_000` is."""

    def int_schema(self, schema: core_schema.IntSchema) -> dict[str, Any]:
        return _or_text(super().int_schema(schema))

    def float_schema(self, schema: core_schema.FloatSchema) -> dict[str, Any]:
        return _or_text(super().float_schema(schema))


def _or_text(number: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [number, {"type": "string", "pattern": _NUMBER}]}


def recipe_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a recipe."""
    content = Recipe.model_json_schema(by_alias=True, schema_generator=_WithNumbersAsText)
    return {"$schema": _WithNumbersAsText.schema_dialect, **content}


def main() -> None:
    """Print the schema."""
    argparse.ArgumentParser(
        prog="alasin schema",
        description="Print the recipe's JSON Schema (draft 2020-12), by which editors complete and check a recipe: "
        "alasin schema > recipe.schema.json, and as the recipe's first line "
        "`# yaml-language-server: $schema=recipe.schema.json`.",
    ).parse_args()
    print(json.dumps(recipe_schema(), indent=1, ensure_ascii=False))
