"""`alasin schema`: what the reader accepts the schema accepts, and what is broken in form it marks."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from common.errors import UserError
from recipe.reading import load_recipe
from tests.workflow.cli.typed import ROOT, alasin

SCHEMA = json.loads(alasin("schema").stdout)
VALIDATOR = Draft202012Validator(SCHEMA)
DEMO = (ROOT / "config/demo.yaml").read_text(encoding="utf-8")


def errors(content: Any) -> list[str]:
    return [error.json_path for error in VALIDATOR.iter_errors(content)]


def test_it_is_a_schema_of_the_draft_that_it_names() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == Draft202012Validator.META_SCHEMA["$id"]


@pytest.mark.parametrize("recipe", ["demo", "finnish"])
def test_the_recipes_that_come_with_alasin_are_valid(recipe: str) -> None:
    assert errors(yaml.safe_load((ROOT / f"config/{recipe}.yaml").read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("    layers: 4\n", "    layers: many\n", "$.models.small.layers"),
        ("    layers: 4\n", "    layers: -4\n", "$.models.small.layers"),
        ("    layers: 4\n", "    leyers: 4\n", "$.models.small"),
        ("    layers: 4\n", "    layers: true\n", "$.models.small.layers"),
        ("title: Alasin's demo in five languages\n", "", "$"),
        ("language: fi", "language: finnish", "$.sources['udhr-fi'].language"),
        ("seed: 42", "sede: 42", "$"),
        ("seed: 42", 'seed: "-1"', "$.seed"),
        ("seed: 42", 'seed: "1.5"', "$.seed"),
        ("  small:\n    tokenizer: demo", "  Small one:\n    tokenizer: demo", "$.models"),
    ],
)
def test_a_broken_recipe_is_marked_where_it_is_broken(old: str, new: str, place: str) -> None:
    assert old in DEMO
    assert place in errors(yaml.safe_load(DEMO.replace(old, new, 1)))


def keys(part: Any) -> list[dict[str, Any]]:
    """All descriptions of keys in the schema."""
    found = list(part.get("properties", {}).values())
    return found + [key for definition in part.get("$defs", {}).values() for key in keys(definition)]


def test_every_key_is_described() -> None:
    assert len(keys(SCHEMA)) > 60
    assert [key for key in keys(SCHEMA) if not key.get("description", "").endswith((".", "`"))] == []


NUMBERS = st.from_regex(r"\A\s?[-+]?[0-9_]{0,4}\.?[0-9_]{0,3}([eE][-+]?[0-9]{1,2})?\s?\Z")


@settings(max_examples=50)
@given(NUMBERS)
@example("3e-4")
@example("350e9")
@example("10_000")
@example("1.5e3")
@example(".5e1")
def test_a_number_that_the_reader_takes_as_text_is_not_marked(text: str) -> None:
    for key, number in (("seed", text), ("optimizer", {"eps": text})):
        recipe = yaml.safe_load(DEMO) | {key: number}
        try:
            load_recipe(recipe, "recipe")
        except UserError:
            continue
        assert errors(recipe) == []
