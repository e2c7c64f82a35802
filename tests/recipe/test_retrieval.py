"""The retrieval of a recipe: mistakes told by key, and slices that change with what they decide alone."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from common.errors import UserError
from recipe.needs import retrieval_encoders
from recipe.reading import load_recipe
from recipe.slices.making import retrieval_slice, retrieval_task_slice

DEMO = Path(__file__).parents[2] / "config" / "demo.yaml"


def retrieval(**changed: Any) -> dict[str, Any]:
    """The demo's recipe with another retrieval."""
    content = {"train": ["pairs.jsonl"], "dev": "task", "tasks": {"one": {"folder": "task"}}} | changed
    config: dict[str, Any] = yaml.safe_load(DEMO.read_text(encoding="utf-8"))
    config["evaluation"]["retrieval"] = content
    return config


@pytest.mark.parametrize(
    ("changed", "key", "sentence"),
    [
        ({"tasks": {"one": {}}}, "tasks.one", "give either the folder of local files or the name of a task of mteb."),
        ({"tasks": {"one": {"folder": "a", "mteb": "SciFact"}}}, "tasks.one", "give either the folder"),
        ({"tasks": {"one": {"folder": "a", "subset": "fi"}}}, "tasks.one.subset", "only tasks of mteb have subsets"),
        ({"runs": ["smal"]}, "runs[0]", "the recipe has no run smal; did you mean small?"),
        ({"train": []}, "train", "is empty, but tasks are to be measured; give files of pairs."),
        ({"train": ["a", {"file": "b", "hub": "c"}]}, "train[1]", "give either a file or the name of a data set"),
        ({"train": [{"file": "b", "subset": "fi"}]}, "train[0].subset", "only data sets of the hub have subsets"),
        ({"train": [{"files": "b"}]}, "train[0].files", "is no key of a recipe here; did you mean file?"),
        ({"dev": ""}, "dev", "give either the folder of local files or the name of a task of mteb."),
        ({"dev": {"folder": "a", "mteb": "b"}}, "dev", "give either the folder of local files or the name of a task"),
        ({"dev": {"foldr": "a"}}, "dev.foldr", "is no key of a recipe here; did you mean folder?"),
        ({"tasks": {"one": {"mteb": "a", "length": 257}}}, "tasks.one.length", "257 tokens are more than a run is"),
        (
            {"dev": {"folder": "a", "length": 9999}},
            "dev.length",
            "9999 tokens are more than a run is trained for; give",
        ),
        ({"learning_rates": [1e-4, 1e-4]}, "learning_rates", "names a rate twice; give each once."),
        ({"learning_rates": [0]}, "learning_rates[0]", "must be more than 0.0"),
        ({"tests": {}}, "tests", "is no key of a recipe here; did you mean tasks?"),
    ],
)
def test_a_mistake_in_a_retrieval_is_told(changed: dict[str, Any], key: str, sentence: str):
    with pytest.raises(UserError) as told:
        load_recipe(retrieval(**changed), "here")
    assert f"here: evaluation.retrieval.{key}: {sentence}" in str(told.value)


def test_another_task_changes_neither_the_training_nor_the_other_tasks():
    one = load_recipe(retrieval(), "here")
    two = load_recipe(retrieval(tasks={"one": {"folder": "task"}, "two": {"mteb": "SciFact"}}), "here")
    assert retrieval_slice(one) == retrieval_slice(two)
    assert retrieval_task_slice(one, "one") == retrieval_task_slice(two, "one")
    assert retrieval_encoders(one) == ["small", "small-fi", "small-theta", "small.untrained"]
