"""What parts of a recipe need of one another."""

from __future__ import annotations

from pathlib import Path

import yaml

from recipe.needs import (
    Rows,
    Shards,
    all_phases,
    evaluation_shards,
    previous_phase,
    rows_of,
    shards_of,
    tokenizer_sources,
    whole_recipe,
)
from recipe.reading import load_recipe
from recipe.slices.making import evaluation_slice, held_out_rows_slice, phase_slice, train_rows_slice

ROOT = Path(__file__).parents[2]
STAGE = {
    "length": 64,
    "tokens": 30_000,
    "batch": {"tokens": 512},
    "learning_rate": {"peak": 3e-3},
    "rope_theta": 10_000,
}
RECIPE = load_recipe(
    {
        "title": "Needs",
        "sources": {name: {"language": "en", "files": [f"{name}.jsonl"]} for name in ("a", "b", "c", "unused")},
        "tokenizers": {
            name: {"vocabulary": 600, "sample_bytes": 200_000, "mixture": "all"} for name in ("t", "unused")
        },
        "models": {"m": {"tokenizer": "t", "layers": 2, "hidden": 32, "heads": 2, "intermediate": 48}},
        "mixtures": {
            "all": {"factors": {"c": 1, "a": 1}},
            "first": {"factors": {"a": 1, "b": 1}},
            "late": {
                "factors": {"b": 1},
                "word_bins": [{"max_words": 9, "share": 0.5}, {"min_words": 9, "share": 0.5}],
            },
        },
        "phases": {
            "stable": {"stages": [STAGE | {"mixture": "first"}, STAGE | {"mixture": "first"}]},
            "late": {"stages": [STAGE | {"mixture": "late"}]},
        },
        "runs": {"one": {"model": "m", "phases": ["stable", "late"]}, "two": {"from": "one", "after": "stable"}},
        "evaluation": {"lengths": [64, 32]},
    },
    "needs",
)


def train(source: str, rowset: str = "64") -> Rows:
    return Rows("t", source, "train", rowset)


def held_out(source: str, rowset: str) -> Rows:
    return Rows("t", source, "validation", rowset)


def test_a_phase_needs_the_rows_of_its_stages_each_once() -> None:
    assert rows_of(train_rows_slice(phase_slice(RECIPE, "one", "stable"))) == [train("a"), train("b")]
    assert rows_of(train_rows_slice(phase_slice(RECIPE, "one", "late"))) == [
        train("b", "64-words-0-9"),
        train("b", "64-words-9-"),
    ]


def test_a_phase_begins_from_the_one_before_it() -> None:
    assert previous_phase(RECIPE, "one", "stable") is None
    assert previous_phase(RECIPE, "one", "late") == ("one", "stable")


def test_an_evaluation_needs_held_out_rows_of_its_lengths_and_the_shards_of_all_its_sources() -> None:
    content = evaluation_slice(RECIPE, "one")
    assert rows_of(held_out_rows_slice(content)) == [
        held_out(source, rowset) for source in "ab" for rowset in ("64", "32")
    ]
    assert evaluation_shards(content) == [Shards("t", "a"), Shards("t", "b")]


def test_rows_of_any_length_and_bin_are_over_the_same_shards() -> None:
    assert shards_of([train("b", "64-words-9-"), train("a"), train("b"), held_out("a", "32")]) == [
        Shards("t", "a"),
        Shards("t", "b"),
    ]


def test_a_tokenizer_needs_the_sources_of_its_mixture() -> None:
    assert tokenizer_sources(RECIPE, "t") == ["c", "a"]


def test_a_recipe_needs_what_its_runs_need_each_thing_once() -> None:
    needs = whole_recipe(RECIPE)
    assert needs.sources == ["a", "b", "c"]
    assert needs.tokenizers == ["t", "unused"], "all are compared"
    assert needs.phases == all_phases(RECIPE) == [("one", "stable"), ("one", "late")]
    assert needs.shards == [Shards("t", "a"), Shards("t", "b")]


def test_what_is_needed_does_not_depend_on_the_order_of_the_recipe() -> None:
    content = yaml.safe_load((ROOT / "config" / "demo.yaml").read_text(encoding="utf-8"))
    turned = content | {key: dict(reversed(content[key].items())) for key in ("sources", "mixtures", "phases")}
    assert whole_recipe(load_recipe(turned, "turned")) == whole_recipe(load_recipe(content, "demo"))
