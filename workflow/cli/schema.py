"""`alasin schema`: the recipe's JSON Schema, from the types in `recipe.schema`, for editors to complete and check.

It says no to less than the reader does: names that must exist and sums that must hold are for `alasin check`.
"""

from __future__ import annotations

import json
from typing import Any

from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema

from recipe.extending import EXTENDS
from recipe.schema import Recipe
from workflow.cli.parser import Parser

_DIGITS = "_*[0-9][0-9_]*"
_INTEGER = rf"{_DIGITS}(\.[0_]*)?|[0-9_]*\.?[0-9_]*[eE][-+]?[0-9_]+|_*\.[0_]+"
"""With an exponent a fraction may make a whole number: 1.5e3."""
_FLOAT = rf"({_DIGITS}\.?[0-9_]*|_*\.{_DIGITS})([eE][-+]?[0-9_]+)?"


class _Generator(GenerateJsonSchema):
    """Takes numbers in every form that the reader takes: to YAML 1.1 `3e-4` is text, to YAML 1.2 `10_000` is."""

    def int_schema(self, schema: core_schema.IntSchema) -> dict[str, Any]:
        """Take a whole number, or text that is one."""
        return _or_text(super().int_schema(schema), _INTEGER)

    def float_schema(self, schema: core_schema.FloatSchema) -> dict[str, Any]:
        """Take a number, or text that is one."""
        return _or_text(super().float_schema(schema), _FLOAT)

    def dict_schema(self, schema: core_schema.DictSchema) -> dict[str, Any]:
        """Allow no other names than those of the pattern, where there is one."""
        content = super().dict_schema(schema)
        return content | {"additionalProperties": False} if "patternProperties" in content else content

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Leave out titles that only repeat the key."""
        return False


def _or_text(number: dict[str, Any], form: str) -> dict[str, Any]:
    least = number.get("minimum", number.get("exclusiveMinimum", -1))
    sign = r"\+?" if least >= 0 else "[-+]?"
    return {"anyOf": [number, {"type": "string", "pattern": rf"^\s*{sign}({form})\s*$"}]}


def recipe_schema() -> str:
    """Return the JSON Schema (draft 2020-12) of a recipe, as text."""
    content = Recipe.model_json_schema(by_alias=True, schema_generator=_Generator)
    other = {"type": "string", "description": "Path of a recipe from which all comes that is not said here."}
    content["properties"] = {EXTENDS: other, **content["properties"]}
    content["anyOf"] = [{"required": [EXTENDS]}, {"required": content.pop("required")}]
    return json.dumps({"$schema": _Generator.schema_dialect, **content}, indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    """Print the schema."""
    Parser(
        prog="alasin schema",
        description="Print the recipe's JSON Schema (draft 2020-12), by which editors complete and check a recipe. Put "
        "it beside the recipe (alasin schema > recipe.schema.json), and let the recipe's first line be "
        "# yaml-language-server: $schema=recipe.schema.json",
    ).parse_args()
    print(recipe_schema(), end="")
