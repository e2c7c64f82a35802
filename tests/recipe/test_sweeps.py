"""Seeds and grids: runs spelt out with all that names them, nothing else changed, mistakes told by key."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from common.errors import UserError
from recipe.needs import understanding_encoders
from recipe.reading import load_recipe
from recipe.schema import Recipe, lineage
from recipe.slices.files import to_json
from recipe.slices.making import average_slice, evaluation_slice, keeping_slice, phase_slice
from recipe.sweeps import slug

DEMO = yaml.safe_load((Path(__file__).parents[2] / "config" / "demo.yaml").read_text(encoding="utf-8"))
STAGE = {
    "length": 64,
    "tokens": 30_000,
    "batch": {"tokens": 512},
    "learning_rate": {"peak": 3e-3, "shape": "1-sqrt"},
    "rope_theta": 10_000,
    "mixture": "all",
}
SMALL: dict[str, Any] = {
    "title": "Sweeps",
    "sources": {name: {"language": "en", "files": [f"{name}.jsonl"]} for name in ("a", "b")},
    "tokenizers": {"t": {"vocabulary": 600, "sample_bytes": 200_000, "mixture": "all"}},
    "models": {"m": {"tokenizer": "t", "layers": 2, "hidden": 32, "heads": 2, "intermediate": 48}},
    "mixtures": {"all": {"factors": {"a": 1, "b": 1}}, "late": {"factors": {"b": 1}}},
    "phases": {"stable": {"stages": [STAGE]}, "late": {"stages": [STAGE | {"mixture": "late"}, STAGE]}},
    "evaluation": {"lengths": [64], "understanding": {"length": 64}},
}
ONE = {"model": "m", "phases": ["stable"]}


def recipe(**runs: Any) -> Recipe:
    return load_recipe(copy.deepcopy(SMALL) | {"runs": runs}, "here")


def test_a_recipe_without_either_is_not_touched() -> None:
    demo = load_recipe(DEMO, "demo")
    assert list(demo.runs) == list(DEMO["runs"])
    assert list(demo.phases) == list(DEMO["phases"])


def test_seeds_are_runs_that_differ_in_nothing_else_and_the_first_is_the_run_itself() -> None:
    alone, three = recipe(one=ONE), recipe(one=ONE | {"seeds": 3})
    assert list(three.runs) == ["one", "one-seed2", "one-seed3"]
    assert [run.seed_of for run in three.runs.values()] == [None, "one", "one"]
    phases = [phase_slice(three, run, "stable") for run in three.runs]
    assert [phase.seed for phase in phases] == [42, 43, 44]
    assert phases[0] == phase_slice(alone, "one", "stable")
    assert {to_json(phase.model_copy(update={"seed": 0, "run": ""})) for phase in phases} == {
        to_json(phases[0].model_copy(update={"seed": 0, "run": ""}))
    }
    assert {evaluation_slice(three, run).seed for run in three.runs} == {42}, "all are measured on the same rows"
    assert [run.seed for run in recipe(one=ONE | {"seeds": 2, "seed": 7}).runs.values()] == [7, 8]


def test_a_run_that_continues_seeds_continues_each() -> None:
    found = recipe(one=ONE | {"seeds": 2}, more={"from": "one", "after": "stable", "phases": ["late"]})
    assert list(found.runs) == ["one", "one-seed2", "more", "more-seed2"]
    assert lineage(found, "more-seed2") == [("one-seed2", "stable"), ("more-seed2", "late")]
    assert found.runs["more-seed2"].seed_of == "more"
    assert [phase_slice(found, run, "late").seed for run in ("more", "more-seed2")] == [42, 43]


def test_a_grid_is_a_run_for_each_point_with_phases_of_its_own() -> None:
    grid = {"rope_theta": ["1e4", 160_000], "learning_rate.peak": [1e-3], "optimizer.weight_decay": [0.1]}
    found = recipe(one=ONE, far={"from": "one", "phases": ["late"], "grid": {"rope_theta": ["1e4", 160_000]}})
    assert list(found.runs) == ["one", "far-10k", "far-160k"]
    assert lineage(found, "far-160k") == [("one", "stable"), ("far-160k", "late-160k")]
    assert [stage.rope_theta for stage in phase_slice(found, "far-160k", "late-160k").stages] == [160_000] * 2
    assert "late" not in found.phases, "no run has it as it was"
    whole = recipe(one=ONE | {"grid": grid, "seeds": 2}, more={"from": "one", "after": "stable", "phases": ["late"]})
    assert list(whole.runs) == [
        *("one-10k", "one-10k-seed2", "one-160k", "one-160k-seed2"),
        *("more-10k", "more-10k-seed2", "more-160k", "more-160k-seed2"),
    ]
    assert lineage(whole, "more-160k-seed2") == [("one-160k-seed2", "stable-160k-1e-3"), ("more-160k-seed2", "late")]
    assert whole.runs["more-160k-seed2"].seed_of == "more-160k"
    phase = phase_slice(whole, "more-160k-seed2", "stable-160k-1e-3")
    assert (phase.seed, phase.optimizer.weight_decay, phase.stages[0].learning_rate.peak) == (43, 0.1, 1e-3)


def test_models_and_mixtures_make_a_grid_too_and_one_value_adds_no_name() -> None:
    content = copy.deepcopy(SMALL)
    content["models"]["wide"] = content["models"]["m"] | {"hidden": 64}
    content["runs"] = {"one": ONE | {"grid": {"model": ["m", "wide"], "mixture": ["late"]}}}
    found = load_recipe(content, "here")
    assert [(name, run.model, run.phases) for name, run in found.runs.items()] == [
        ("one-m", "m", ["stable-late"]),
        ("one-wide", "wide", ["stable-late"]),
    ]
    assert found.phases["stable-late"].stages[0].mixture == "late"
    assert recipe(one=ONE | {"grid": {"model": ["m"]}}).runs["one"].phases == ["stable"]


def test_what_names_a_run_that_stands_for_several_names_them_all() -> None:
    content = copy.deepcopy(SMALL) | {"runs": {"one": ONE | {"seeds": 2}, "two": ONE}}
    content["models"]["begun"] = content["models"]["m"] | {"start": {"run": "one"}}
    content["evaluation"] |= {"test": ["one"], "understanding": {"runs": ["one"], "length": 64}}
    found = load_recipe(content, "here")
    assert found.evaluation.test == ["one", "one-seed2"]
    assert understanding_encoders(found) == ["one", "one-seed2", "one.untrained"]
    start = found.models["begun"].start
    assert start is not None
    assert start.run == "one"


def test_checkpoints_to_be_averaged_are_kept_and_belong_to_the_phase_that_ends_the_run() -> None:
    average = {"checkpoints": 3, "every_tokens": 1024}
    found = recipe(one=ONE | {"average": average}, more={"from": "one", "after": "stable", "phases": ["late"]})
    slots = 30_208  # whole batches of 512
    asked = average_slice(found, "one")
    assert asked is not None
    assert asked.at_tokens == [slots - 2048, slots - 1024, slots]
    assert keeping_slice(found, "one", "stable").at_tokens == [slots - 2048, slots - 1024]
    assert average_slice(found, "more") is None
    named = recipe(one=ONE, mean={"from": "one", "average": average})
    assert keeping_slice(named, "one", "stable").at_tokens == [slots - 2048, slots - 1024]
    assert phase_slice(named, "mean", "stable") == phase_slice(named, "one", "stable")


def test_what_was_spelt_out_is_read_again_as_it_is() -> None:
    found = recipe(one=ONE | {"seeds": 2, "grid": {"masking_rate": [0.2, 0.3]}})
    assert load_recipe(found.model_dump(mode="json", by_alias=True), "again") == found


@pytest.mark.parametrize(
    ("runs", "key", "sentence"),
    [
        ({"one": ONE | {"grid": {"theta": [1, 2]}}}, "one.grid.theta", "is no key of a stage, nor `model` or"),
        ({"one": ONE | {"grid": {"learning_rate.peek": [1]}}}, "one.grid.learning_rate.peek", "is no key of a stage"),
        ({"one": ONE | {"grid": {"masking_rate": [0.3, 2]}}}, "one.grid.masking_rate", "Input should be less than 1"),
        ({"one": ONE | {"grid": {"optimizer.name": ["sgd"]}}}, "one.grid.optimizer.name", "Input should be 'adamw'"),
        ({"one": ONE | {"grid": {"masking_rate": []}}}, "one.grid.masking_rate", ""),
        ({"one": ONE | {"grid": {"masking_rate": [0.3, 0.3]}}}, "one.grid", "has two values that make one name"),
        (
            {"one": ONE | {"grid": {"mixture": ["gone"]}}},
            "",
            "phases.stable-gone.stages[0].mixture: the recipe has no mixture",
        ),
        ({"one": ONE | {"grid": {"model": ["m", "gone"]}}}, "one-gone.model", "the recipe has no model gone"),
        ({"one": ONE, "two": {"from": "one", "phases": ["late"], "seeds": 2}}, "two.seeds", "the run goes on with the"),
        ({"one": ONE, "two": {"from": "one", "phases": ["late"], "seed": 2}}, "two.seed", "the run goes on with the"),
        ({"one": ONE | {"seeds": 2}, "one-seed2": ONE}, "one", "would be called one-seed2, as another; give one a new"),
        ({"one": ONE | {"average": {"checkpoints": 1, "every_tokens": 9}}}, "one.average.checkpoints", ""),
        ({"one": ONE | {"average": {"checkpoints": 5, "every_tokens": 9000}}}, "one.average", "36000 slots before its"),
        ({"one": ONE | {"average": {"checkpoints": 2, "every_tokens": 9}}}, "one.average.every_tokens", "a batch has"),
        ({"one": ONE | {"seed_of": "gone"}}, "one.seed_of", "the recipe has no run gone; did you mean one?"),
        ({"one": {"from": "two", "seeds": 2}, "two": {"from": "one"}}, "one.from", "the runs continue each other in"),
    ],
)
def test_a_mistake_is_told_by_its_key(runs: dict[str, Any], key: str, sentence: str) -> None:
    with pytest.raises(UserError) as told:
        recipe(**runs)
    assert f"runs.{key}: {sentence}" in str(told.value) if key else sentence in str(told.value)


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (10_000, "10k"),
        (160_000.0, "160k"),
        (1_000_000, "1m"),
        (350_000_000_000, "350b"),
        (2218, "2218"),
        (0, "0"),
        (0.3, "0p3"),
        (3e-4, "3e-4"),
        (3.2e-2, "0p032"),
        (1.5e-5, "1p5e-5"),
        ("1-sqrt", "1-sqrt"),
        ("Edu mix", "edu-mix"),
    ],
)
def test_a_value_is_a_name_that_a_person_reads(value: Any, name: str) -> None:
    assert slug(value) == name
