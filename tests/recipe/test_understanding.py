"""The understanding of a recipe: mistakes told by key, and slices that change with what they decide alone."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from common.errors import UserError
from recipe.needs import understanding_encoders
from recipe.reading import load_recipe
from recipe.slices.making import understanding_slice

DEMO = Path(__file__).parents[2] / "config" / "demo.yaml"
TASK = {"kind": "classification", "language": "fi", "train": "a.jsonl", "test": "b.jsonl"}
MADE = {"kind": "qa", "language": "fi", "made": {"source": "interface-fi"}}


def understanding(**changed: Any) -> dict[str, Any]:
    """The demo's recipe with other tasks."""
    config: dict[str, Any] = yaml.safe_load(DEMO.read_text(encoding="utf-8"))
    config["evaluation"]["understanding"] = {"tasks": {"one": TASK}, "length": 64} | changed
    return config


@pytest.mark.parametrize(
    ("changed", "key", "sentence"),
    [
        ({"tasks": {"one": {}}}, "tasks.one.kind", "is missing"),
        ({"tasks": {"one": TASK | {"kind": "guessing"}}}, "tasks.one.kind", ""),
        ({"tasks": {"one": TASK | {"tset": "b"}}}, "tasks.one.tset", "is no key of a recipe here; did you mean test?"),
        ({"tasks": {"one": TASK | {"subset": "fi"}}}, "tasks.one.subset", "only data sets of the hub have subsets"),
        (
            {"tasks": {"one": TASK | {"columns": ["text"]}}},
            "tasks.one.columns",
            "names 1 fields, but classification has 2; name them all.",
        ),
        (
            {"tasks": {"one": TASK | {"test": "b.conllu.gz"}}},
            "tasks.one.test",
            "b.conllu.gz is a treebank, which only tagging reads; give JSON Lines or Parquet.",
        ),
        ({"tasks": {"one": TASK | {"length": 257}}}, "tasks.one.length", "257 tokens are more than a run is trained"),
        ({"tasks": {"one": {"kind": "qa", "language": "fi", "test": "b"}}}, "tasks.one.train", "is missing."),
        ({"tasks": {"one": MADE | {"train": "a"}}}, "tasks.one.train", "has no effect on questions that are made"),
        (
            {"tasks": {"one": MADE | {"kind": "tagging"}}},
            "tasks.one.kind",
            "only questions are made from a source; let",
        ),
        (
            {"tasks": {"one": MADE | {"language": "sv"}}},
            "tasks.one.language",
            "is sv, but the source interface-fi is fi.",
        ),
        (
            {"tasks": {"one": MADE | {"made": {"source": "nowhere"}}}},
            "tasks.one.made.source",
            "the recipe has no source nowhere; there are:",
        ),
        ({"tasks": {"one": TASK | {"given": [64, 32]}}}, "tasks.one.given", "must rise from number to number."),
        ({"tasks": {"one": TASK | {"given": [8, 32]}}}, "tasks.one.given", "8 tokens are too few for a task"),
        ({"tasks": {"one": TASK | {"kind": "pairs", "given": [32]}}}, "tasks.one.given", "the first tokens of which"),
        (
            {"tasks": {"one": TASK | {"kind": "tagging", "given": [32]}}},
            "tasks.one.given",
            "words that are cut off have no answer to be right",
        ),
        ({"length": 257}, "length", "257 tokens are more than a run is trained for; give at most 256."),
        ({"length": 8}, "length", "8 tokens are too few for a task; give at least 16."),
        ({"runs": ["smal"]}, "runs[0]", "the recipe has no run smal; did you mean small?"),
        ({"learning_rates": [1e-4, 1e-4]}, "learning_rates", "names a rate twice; give each once."),
        ({"learning_rates": []}, "learning_rates", ""),
        ({"seeds": 0}, "seeds", "must be more than 0"),
    ],
)
def test_a_mistake_in_what_is_to_be_understood_is_told(changed: dict[str, Any], key: str, sentence: str) -> None:
    with pytest.raises(UserError) as told:
        load_recipe(understanding(**changed), "here")
    assert f"here: evaluation.understanding.{key}: {sentence}" in str(told.value)


def test_a_length_that_no_task_takes_is_not_held_against_a_recipe() -> None:
    load_recipe(understanding(length=512, tasks={"one": TASK | {"length": 64}}), "here")
    load_recipe(understanding(length=512, tasks={}), "here")


def test_a_task_has_its_own_settings_or_those_of_all_and_another_task_changes_it_not() -> None:
    tasks = {"one": TASK, "two": TASK | {"epochs": 9, "length": 128}}
    alone, both = (load_recipe(understanding(tasks=one), "here") for one in ({"one": TASK}, tasks))
    assert understanding_slice(alone, "one") == understanding_slice(both, "one")
    one, two = (understanding_slice(both, name) for name in ("one", "two"))
    assert (one.name, one.seed, one.epochs, one.length, one.batch, one.seeds) == ("one", 42, 5, 64, 32, 5)
    assert (two.epochs, two.length, two.batch) == (9, 128, 32)
    assert understanding_encoders(both) == ["small", "small-fi", "small-theta", "small.untrained"]
