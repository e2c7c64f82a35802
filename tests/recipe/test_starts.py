"""Starts of models: what a recipe may say, and what of it is wrong before any job."""

import json
from types import SimpleNamespace

import pytest

from common.errors import UserError
from recipe.needs import start_of, started_models, tokenizer_sources
from recipe.reading import load_recipe
from recipe.schema import adopted_tokenizers
from recipe.slices.files import to_json
from recipe.slices.making import adopted_tokenizer_slice, phase_slice, start_slice
from workflow.dag import Dag
from workflow.plan.stages import count_jobs
from workflow.starting import Starts

STAGE = {"length": 64, "tokens": 3000, "batch": {"tokens": 512}, "learning_rate": {"peak": 3e-3}}
SHAPE = {"tokenizer": "t", "layers": 2, "hidden": 32, "heads": 2, "intermediate": 48}


def written(**models):
    return {
        "title": "test",
        "sources": {"one": {"language": "fi", "files": ["one.jsonl"]}},
        "tokenizers": {"t": {"vocabulary": 600, "sample_bytes": 1000, "mixture": "m"}},
        "models": {"small": SHAPE} | models,
        "mixtures": {"m": {"factors": {"one": 1}}},
        "phases": {name: {"stages": [STAGE | {"rope_theta": 1e4, "mixture": "m"}]} for name in ("a", "b")},
        "runs": {"base": {"model": "small", "phases": ["a", "b"]}}
        | {name: {"model": name, "phases": ["a", "b"]} for name in models}
        | {f"{name}-on": {"from": name, "after": "a", "phases": ["b"]} for name in models},
        "evaluation": {"lengths": [64]},
    }


def recipe(**models):
    return load_recipe(written(**models), "test")


LARGER = SHAPE | {"layers": 4, "hidden": 64, "heads": 4, "start": {"run": "base"}}


def test_a_start_is_of_the_first_phase_alone_and_no_part_of_a_phase():
    read = recipe(large=LARGER)
    assert [start_of(read, *owned) for owned in (("large", "a"), ("large", "b"), ("large-on", "b"), ("base", "a"))] == [
        "large",
        None,
        None,
        None,
    ]
    assert started_models(read) == ["large"]
    plain = recipe(large={key: value for key, value in LARGER.items() if key != "start"})
    assert phase_slice(read, "large", "a") == phase_slice(plain, "large", "a")
    assert start_slice(read, "large").run == "base"
    with pytest.raises(KeyError):
        start_slice(read, "small")


@pytest.mark.parametrize(
    ("start", "told"),
    [
        ({}, "models.mine.start: give either the directory"),
        ({"run": "base", "directory": "there"}, "models.mine.start: give either the directory"),
        ({"run": "bse"}, "models.mine.start.run: the recipe has no run bse; did you mean base"),
        ({"run": "mine"}, "models.mine.start.run: the models begin with each other's end in a circle: mine -> mine"),
        ({"directory": ["there"]}, "models.mine.start.directory: needs text"),
        ({"folder": "there"}, "models.mine.start.folder: is no key of a recipe here"),
    ],
)
def test_a_mistake_is_one_sentence(start, told):
    with pytest.raises(UserError, match=told):
        recipe(mine=SHAPE | {"start": start})


def test_models_that_begin_with_each_others_end_are_told():
    one, two = SHAPE | {"start": {"run": "two-on"}}, SHAPE | {"start": {"run": "one"}}
    with pytest.raises(UserError, match="in a circle: one -> two -> one"):
        recipe(one=one, two=two)


@pytest.mark.parametrize(
    ("shape", "told"),
    [
        ({"layers": 1}, "the model of base has layers 2, more than the 1 here"),
        ({"hidden": 64, "heads": 2}, "has 16 dimensions in a head, and the model here 32"),
    ],
)
def test_a_run_that_cannot_be_tiled_into_the_shape_is_told(shape, told):
    with pytest.raises(UserError, match=told):
        recipe(mine=LARGER | shape)


@pytest.mark.parametrize(
    ("tokenizer", "told"),
    [
        ({"vocabulary": 600, "mixture": "m"}, "tokenizers.t.sample_bytes: is missing"),
        ({"vocabulary": 600, "sample_bytes": 10}, "tokenizers.t.mixture: is missing"),
        (
            {"vocabulary": 600, "from": "there", "mixture": "m"},
            "tokenizers.t.mixture: has no effect on",
        ),
        ({"vocabulary": 600, "from": "there", "objective": "parity"}, "tokenizers.t.objective: has no effect"),
        ({"from": "there"}, "tokenizers.t.vocabulary: is missing"),
    ],
)
def test_a_tokenizer_is_either_trained_or_taken_from_a_directory(tokenizer, told):
    with pytest.raises(UserError, match=told):
        load_recipe(written() | {"tokenizers": {"t": tokenizer}}, "test")


def test_a_tokenizer_from_a_directory_is_read_again_from_the_whole_recipe_and_trained_on_nothing():
    read = load_recipe(written() | {"tokenizers": {"t": {"from": "there", "vocabulary": 700}}}, "test")
    assert load_recipe(json.loads(to_json(read)), "test") == read
    assert adopted_tokenizers(read) == ["t"]
    assert tokenizer_sources(read, "t") == []
    assert adopted_tokenizer_slice(read, "t").directory == "there"
    counts = count_jobs(read)
    assert (counts["words"], counts["tokenizer"], counts["adopted_tokenizer"]) == (0, 0, 1)
    dag = Dag(read)
    assert json.loads(dag.slices["tokenizer/t"])["vocabulary"] == 700
    assert not [name for name in dag.slices if name.startswith("sample/")]


def test_a_tokenizer_that_is_not_there_or_has_other_entries_is_told_before_any_job(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    read = load_recipe(written() | {"tokenizers": {"t": {"from": "there", "vocabulary": 700}}}, "test")
    told = "tokenizers.t.from: there has no tokenizer.json; put it there or mend the path."
    assert Starts(read).problems() == [told]
    (tmp_path / "there").mkdir()
    content = {
        "model": {"type": "BPE", "vocab": {"a": 0, "b": 1}},
        "added_tokens": [{"content": "b"}, {"content": "c"}],
    }
    (tmp_path / "there" / "tokenizer.json").write_text(json.dumps(content))
    assert Starts(read).problems() == ["tokenizers.t.vocabulary: there/tokenizer.json has 3 entries; write 3."]


def test_a_directory_that_is_not_there_is_told_before_any_job(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    read = recipe(mine=SHAPE | {"start": {"directory": "pretrained"}})
    assert Starts(read).problems() == [
        "models.mine.start.directory: pretrained has no config.json; give a directory as transformers' "
        "save_pretrained writes it."
    ]
    assert Starts(read).files(SimpleNamespace(model="mine")) == []
