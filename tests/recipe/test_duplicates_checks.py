"""What a recipe may say of duplicates and contamination, and how mistakes are told."""

import copy
from pathlib import Path

import pytest
import yaml

from common.errors import UserError
from recipe.needs import compared, looked_for
from recipe.reading import load_recipe, missing_files
from recipe.slices.making import compared_sources, duplicates_slice, fingerprint_slice, source_slice

DEMO = yaml.safe_load((Path(__file__).parents[2] / "config" / "demo.yaml").read_text())


def demo(**changes):
    return load_recipe(copy.deepcopy(DEMO) | changes, "mine.yaml")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"duplicates": {"prefer": ["wiki"]}}, "duplicates.prefer[0]: the recipe has no source wiki"),
        ({"duplicates": {"prefer": ["udhr-fi", "udhr-fi"]}}, "duplicates.prefer[1]: udhr-fi stands there twice"),
        ({"duplicates": {"near": {"keep": {2: 3}}}}, "duplicates.near.keep.2: keeps 3 of 2 documents"),
        ({"duplicates": {"near": {"keep": {}}}}, "duplicates.near.keep"),
        ({"contamination": {"sets": {"a b": {"files": ["x"]}}}}, "contamination.sets: the name 'a b' may hold letters"),
        ({"contamination": {"sets": {"a": {"files": []}}}}, "contamination.sets.a.files"),
        ({"contamination": {"max_share": 1.5}}, "contamination.max_share"),
    ],
)
def test_a_mistake_is_told_by_its_key(changes, told):
    with pytest.raises(UserError) as error:
        demo(**changes)
    assert told in str(error.value)


def test_absent_files_of_a_set_are_told_before_any_job():
    recipe = demo(contamination={"sets": {"scifact": {"files": ["sets/scifact/*.jsonl"]}}})
    told = [sentence for sentence in missing_files(recipe, set()) if sentence.startswith("contamination")]
    assert len(told) == 1
    assert "contamination.sets.scifact.files[0]: no file matches sets/scifact/*.jsonl in " in told[0]


def test_copies_stay_in_the_preferred_sources_then_as_the_recipe_has_them():
    recipe = demo(duplicates={"prefer": ["words-la", "udhr-sv"]})
    names = ["udhr-fi", "udhr-sv", "words-la", "faq-en"]
    assert compared_sources(recipe, names) == ["words-la", "udhr-sv", "udhr-fi", "faq-en"]


def test_how_duplicates_are_found_changes_no_sampled_source_and_how_many_are_kept_no_fingerprint():
    before, after = demo(), demo(duplicates={"near": {"keep": {1: 1}}}, contamination={"remove": False})
    assert source_slice(before, "udhr-fi") == source_slice(after, "udhr-fi")
    assert fingerprint_slice(before, "udhr-fi") == fingerprint_slice(after, "udhr-fi")
    assert duplicates_slice(before, ["udhr-fi"]) != duplicates_slice(after, ["udhr-fi"])


def test_nothing_is_compared_where_a_recipe_asks_for_nothing():
    sources = {
        name: source | {"held_out": 0, "duplicates": {"exact": False, "near": False}}
        for name, source in copy.deepcopy(DEMO["sources"]).items()
    }
    recipe = demo(sources=sources)
    assert not compared(recipe, recipe.sources)
    assert not looked_for(recipe, recipe.sources)
    assert compared(demo(), ["udhr-fi"])
