"""`alasin schema`: what the reader accepts the schema accepts, and what is broken in form it marks."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

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
    ],
)
def test_a_broken_recipe_is_marked_where_it_is_broken(old: str, new: str, place: str) -> None:
    assert old in DEMO
    assert place in errors(yaml.safe_load(DEMO.replace(old, new, 1)))
