"""EuroEval in a recipe: mistakes told by key, and slices that change with what they decide alone."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from common.errors import UserError
from recipe.euroeval_checks import NAMES
from recipe.needs import euroeval_datasets, euroeval_encoders
from recipe.reading import load_recipe, read_recipe
from recipe.slices.making import euroeval_slice

CONFIG = Path(__file__).parents[2] / "config"
LOCAL = {"kind": "classification", "language": "fi", "train": "a.jsonl", "test": "b.csv"}


def euroeval(**asked: Any) -> dict[str, Any]:
    """The demo's recipe with data sets of EuroEval."""
    config: dict[str, Any] = yaml.safe_load((CONFIG / "demo.yaml").read_text(encoding="utf-8"))
    config["evaluation"]["euroeval"] = asked
    return config


@pytest.mark.parametrize(
    ("asked", "key", "sentence"),
    [
        ({"datasets": ["scala-if"]}, "datasets[0]", "EuroEval 16.11.0 has no data set scala-if for encoders; did you"),
        (
            {"datasets": ["zzz"]},
            "datasets[0]",
            "EuroEval 16.11.0 has no data set zzz for encoders; files of your own go",
        ),
        ({"datasets": ["squad", "squad"]}, "datasets[1]", "squad is there before; name each once."),
        ({"iterations": 1}, "iterations", "one iteration does not tell how sure a score is; give at least 2."),
        ({"runs": ["smal"]}, "runs[0]", "the recipe has no run smal; did you mean small?"),
        ({"local": {"squad": LOCAL}}, "local.squad", "is the name of a data set of EuroEval's own"),
        ({"local": {"one": LOCAL | {"columns": ["text"]}}}, "local.one.columns", "names 1 fields, but classification"),
        ({"local": {"one": LOCAL | {"kind": "qa"}}}, "local.one.test", "CSV holds no lists, which qa needs"),
        ({"local": {"one": LOCAL | {"test": "b.conllu"}}}, "local.one.test", "is a treebank"),
        ({"local": {"one": LOCAL | {"dve": "b"}}}, "local.one.dve", "is no key of a recipe here; did you mean dev?"),
    ],
)
def test_a_mistake_in_what_euroeval_shall_measure_is_told(asked: dict[str, Any], key: str, sentence: str) -> None:
    with pytest.raises(UserError) as told:
        load_recipe(euroeval(**asked), "here")
    assert f"here: evaluation.euroeval.{key}: {sentence}" in str(told.value)


def test_a_data_set_has_its_own_slice_and_another_one_changes_it_not() -> None:
    alone = load_recipe(euroeval(datasets=["scala-fi"]), "here")
    both = load_recipe(euroeval(datasets=["scala-fi"], local={"mine": LOCAL}, runs=["small"]), "here")
    assert euroeval_slice(alone, "scala-fi") == euroeval_slice(both, "scala-fi")
    assert euroeval_slice(both, "scala-fi").local is None
    mine = euroeval_slice(both, "mine")
    assert mine.local is not None
    assert (mine.seed, mine.iterations, mine.local.test) == (42, 10, "b.csv")
    with pytest.raises(KeyError):
        euroeval_slice(both, "other")
    assert euroeval_datasets(both) == ["scala-fi", "mine"]
    assert euroeval_encoders(both) == ["small", "small.untrained"]


def test_nothing_is_measured_where_nothing_is_named() -> None:
    assert euroeval_datasets(read_recipe(CONFIG / "demo.yaml")) == []


def test_the_papers_data_sets_are_euroevals() -> None:
    paper = (
        "scandisent-fi turku-ner-fi scala-fi tydiqa-fi swerec suc3 scala-sv scandiqa-sv sst5 conll-en scala-en squad"
    )
    assert set(paper.split()) <= NAMES
