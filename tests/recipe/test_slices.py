"""Slices: each holds exactly what changes its stage's result, and reads back as it was written."""

import copy
import json
import sys
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from common.errors import UserError
from recipe.branches import branched_from
from recipe.needs import trained_phases
from recipe.reading import load_recipe
from recipe.schedule import steps
from recipe.schema import Recipe, WordBin
from recipe.slices.__main__ import main
from recipe.slices.files import read_slice, to_json
from recipe.slices.making import (
    evaluation_slice,
    held_out_rows_slice,
    keeping_slice,
    phase_slice,
    sample_slice,
    source_slice,
    tokenizer_slice,
    train_rows_slice,
)
from recipe.slices.rowsets import parse_rowset, rowset
from recipe.slices.types import EvaluationSlice, PhaseSlice, RowsSlice, SampleSlice, SourceSlice, TokenizerSlice

CONFIG = Path(__file__).parents[2] / "config" / "demo.yaml"
DEMO = yaml.safe_load(CONFIG.read_text())


def demo() -> dict[str, Any]:
    """The demo's recipe without shared parts, free to be changed."""
    return json.loads(json.dumps(DEMO))


def slices(recipe: Recipe) -> dict[str, str]:
    """Every slice of a recipe by the name of its file."""
    made = {f"source/{name}": to_json(source_slice(recipe, name)) for name in recipe.sources}
    made |= {f"tokenizer/{name}": to_json(tokenizer_slice(recipe, name)) for name in recipe.tokenizers}
    for name, run in recipe.runs.items():
        phases = {f"{name}.{phase}": phase_slice(recipe, name, phase) for phase in run.phases}
        made |= {f"phase/{phase}": to_json(content) for phase, content in phases.items()}
        made |= {f"rows/{phase}": to_json(train_rows_slice(content)) for phase, content in phases.items()}
        made[f"evaluation/{name}"] = to_json(evaluation_slice(recipe, name))
        made[f"held_out_rows/{name}"] = to_json(held_out_rows_slice(evaluation_slice(recipe, name)))
    return made


def changed_slices(change: Callable[[dict[str, Any]], None]) -> set[str]:
    """Names of the demo's slices that are another, or gone, once the recipe is changed."""
    config = demo()
    before = slices(load_recipe(demo(), "demo"))
    change(config)
    after = slices(load_recipe(config, "demo"))
    return {name for name, text in before.items() if after.get(name) != text}


def set_at(*keys: Any, to: Any) -> Callable[[dict[str, Any]], None]:
    def change(config: dict[str, Any]) -> None:
        part: Any = config
        for key in keys[:-1]:
            part = part.setdefault(key, {}) if isinstance(part, dict) else part[key]
        part[keys[-1]] = to

    return change


ALL = set(slices(load_recipe(demo(), "demo")))
SOURCES = {name for name in ALL if name.startswith("source/")}
TOKENIZERS = {name for name in ALL if name.startswith("tokenizer/")}
PHASES = {name for name in ALL if name.startswith("phase/")}
EVALUATIONS = {name for name in ALL if name.startswith("evaluation/")}


@pytest.mark.parametrize(
    "change",
    [
        set_at("title", to="Another title"),
        set_at("runs", "more", to={"from": "small", "phases": ["annealing-fi"]}),
        set_at("mixtures", "unused", to={"factors": {"udhr-fi": 3}}),
        set_at("sources", "new", to={"language": "et", "files": ["et.jsonl"]}),
        set_at("tokenizers", "new", to={"vocabulary": 500, "sample_bytes": 10, "mixture": "baseline"}),
        set_at("warnings", "max_epochs", to=30),
    ],
    ids=["title", "run", "mixture", "source", "tokenizer", "warnings"],
)
def test_what_is_added_leaves_every_slice_alone(change: Callable[[dict[str, Any]], None]):
    assert changed_slices(change) == set()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (set_at("seed", to=43), SOURCES | TOKENIZERS | PHASES | EVALUATIONS),
        (set_at("sources", "udhr-fi", "held_out", to=0.05), {"source/udhr-fi"}),
        # No other source may train on what this one now holds out.
        (set_at("sources", "udhr-fi", "held_out", to=0.2), SOURCES),
        (set_at("sources", "udhr-fi", "note", to="other"), set()),
        (set_at("tokenizers", "demo", "vocabulary", to=5000), TOKENIZERS),
        (set_at("models", "small", "layers", to=5), PHASES | EVALUATIONS),
        (set_at("optimizer", "beta2", to=0.95), PHASES),
        (set_at("evaluation", "rows", to=7), EVALUATIONS),
        (set_at("evaluation", "prompts", "fi", to="[MASK]"), EVALUATIONS),
        (set_at("mixtures", "annealing-fi", "factors", "udhr-fi", to=41), {"phase/small-fi.annealing-fi"}),
        (
            set_at("phases", "extension-theta", "stages", 1, "rope_theta", to=170_000),
            {"phase/small-theta.extension-theta"},
        ),
        (
            set_at("phases", "annealing-theta", "stages", 0, "rope_theta", to=170_000),
            {"phase/small-theta.annealing-theta", "evaluation/small-theta"},
        ),
        (
            set_at("mixtures", "long", "word_bins", 0, "share", to=0.4),
            {"phase/small.extension", "phase/small-theta.extension-theta"},
        ),
        (
            set_at("mixtures", "baseline", "factors", "udhr-fi", to=9),
            TOKENIZERS | {"phase/small.stable"} | EVALUATIONS,
        ),
    ],
)
def test_a_change_reaches_the_slices_whose_result_it_changes_and_no_other(
    change: Callable[[dict[str, Any]], None], expected: set[str]
):
    assert changed_slices(change) == expected


def test_a_shared_phase_has_one_slice_that_belongs_to_its_owner():
    recipe = load_recipe(demo(), "demo")
    shared = phase_slice(recipe, "small-fi", "extension")
    assert shared == phase_slice(recipe, "small", "extension")
    assert shared.run == "small"


def test_two_runs_that_differ_in_one_setting_read_the_same_components():
    recipe = load_recipe(demo(), "demo")
    first, second = phase_slice(recipe, "small", "extension"), phase_slice(recipe, "small-theta", "extension-theta")
    assert [stage.components for stage in first.stages] == [stage.components for stage in second.stages]


def test_components_are_one_for_each_source_and_bin_with_their_row_sets():
    recipe = load_recipe(demo(), "demo")
    stage = phase_slice(recipe, "small", "extension").stages[0]
    mixture = recipe.mixtures["long"]
    assert [(part.source, part.bin) for part in stage.components] == [
        (source, index) for source in sorted(mixture.factors) for index in (0, 1)
    ]
    assert {part.rowset for part in stage.components} == {"192-words-0-100", "192-words-100-"}
    assert {(part.bin, part.bin_share) for part in stage.components} == {(0, 0.3), (1, 0.7)}
    stable = phase_slice(recipe, "small", "stable").stages[0].components
    assert {(part.rowset, part.bin, part.bin_share) for part in stable} == {("128", None, None)}
    assert {part.source: part.factor for part in stable} == mixture.factors
    assert all(part.language == recipe.sources[part.source].language for part in stable)


def test_an_evaluation_knows_the_sources_of_every_mixture_on_the_way():
    recipe = load_recipe(demo(), "demo")
    content = evaluation_slice(recipe, "small-fi")
    assert content.lineage == [("small", "stable"), ("small", "extension"), ("small-fi", "annealing-fi")]
    assert content.sources == {name: source.language for name, source in recipe.sources.items()}
    assert content.languages["fi"] == ["interface-fi", "udhr-fi"]
    assert sorted(chain(*content.languages.values())) == sorted(content.sources)
    assert content.rope_theta == 1_000_000
    assert evaluation_slice(recipe, "small-theta").rope_theta == 160_000
    assert content.components == phase_slice(recipe, "small", "stable").stages[0].components


def test_sources_of_other_runs_are_no_part_of_an_evaluation():
    config = demo()
    config["sources"]["new"] = {"language": "et", "files": ["et.jsonl"]}
    config["mixtures"]["annealing-fi"]["factors"]["new"] = 1
    recipe = load_recipe(config, "demo")
    assert "new" not in evaluation_slice(recipe, "small").sources
    assert evaluation_slice(recipe, "small-fi").languages["et"] == ["new"]


def test_the_order_of_keys_in_the_recipe_changes_no_slice():
    def reversed_keys(part: Any) -> Any:
        if isinstance(part, dict):
            return {key: reversed_keys(value) for key, value in reversed(part.items())}
        return [reversed_keys(value) for value in part] if isinstance(part, list) else part

    assert slices(load_recipe(reversed_keys(demo()), "demo")) == slices(load_recipe(demo(), "demo"))


def test_a_number_written_as_another_type_changes_no_slice():
    config = demo()
    stage = config["phases"]["stable"]["stages"][0]
    stage |= {key: f"{stage[key]:e}" for key in ("rope_theta", "tokens")}
    assert slices(load_recipe(config, "demo")) == slices(load_recipe(demo(), "demo"))


def test_every_slice_reads_back_as_it_was_written(tmp_path: Path):
    kinds = {"source": SourceSlice, "tokenizer": TokenizerSlice, "phase": PhaseSlice, "evaluation": EvaluationSlice}
    kinds |= {"rows": RowsSlice, "held_out_rows": RowsSlice}
    for name, text in slices(load_recipe(demo(), "demo")).items():
        path = tmp_path / "slice.json"
        path.write_text(text)
        assert to_json(read_slice(path, kinds[name.split("/")[0]])) == text
        assert text.count("\n") == 1


@pytest.mark.parametrize("text", ["", "{", "[]", '{"name":"x"}', '{"run":1}', "\xff"])
def test_what_is_no_slice_is_told_with_its_file(tmp_path: Path, text: str):
    path = tmp_path / "slice.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError, match=r"slice\.json is not a PhaseSlice"):
        read_slice(path, PhaseSlice)


def test_a_slice_with_a_key_too_many_is_told(tmp_path: Path):
    path = tmp_path / "slice.json"
    content = json.loads(to_json(tokenizer_slice(load_recipe(demo(), "demo"), "demo")))
    path.write_text(json.dumps(content | {"extra": 1}))
    with pytest.raises(UserError, match="extra"):
        read_slice(path, TokenizerSlice)


def test_a_slice_that_is_not_there_is_told(tmp_path: Path):
    with pytest.raises(UserError, match="does not exist"):
        read_slice(tmp_path / "none.json", SourceSlice)


def test_a_phase_that_a_run_has_not_is_a_key_error():
    recipe = load_recipe(demo(), "demo")
    with pytest.raises(KeyError, match="small has no phase annealing-fi"):
        phase_slice(recipe, "small", "annealing-fi")


@pytest.mark.parametrize(
    ("name", "parsed"),
    [
        ("1024", (1024, 0, None)),
        ("1024-words-1000-10000", (1024, 1000, 10000)),
        ("1024-words-10000-", (1024, 10000, None)),
    ],
)
def test_row_sets_are_named_as_in_the_contract(name: str, parsed: tuple[int, int, int | None]):
    assert parse_rowset(name) == parsed


@given(length=st.integers(8, 65535), low=st.integers(0, 10**6), size=st.one_of(st.none(), st.integers(1, 10**6)))
def test_a_row_set_parses_to_what_it_was_named_for(length: int, low: int, size: int | None):
    high = None if size is None else low + size
    assert parse_rowset(rowset(length, WordBin(min_words=low, max_words=high, share=1.0))) == (length, low, high)
    assert parse_rowset(rowset(length)) == (length, 0, None)


@pytest.mark.parametrize("name", ["", "words-1-2", "128-", "128-words-1", "128-words--5", "-1", "128\n"])
def test_other_names_are_no_row_sets(name: str):
    with pytest.raises(ValueError, match="is not a row set"):
        parse_rowset(name)


def test_slices_do_not_change_once_made():
    recipe = load_recipe(copy.deepcopy(DEMO), "demo")
    with pytest.raises(ValueError, match="frozen"):
        source_slice(recipe, "udhr-fi").fraction = 0.5


@pytest.mark.parametrize(
    ("which", "name"),
    [
        (["--source", "udhr-fi"], "source/udhr-fi"),
        (["--tokenizer", "demo"], "tokenizer/demo"),
        (["--phase", "small-fi", "annealing-fi"], "phase/small-fi.annealing-fi"),
        (["--evaluation", "small"], "evaluation/small"),
        (["--rows", "small-fi", "annealing-fi"], "rows/small-fi.annealing-fi"),
        (["--held-out-rows", "small"], "held_out_rows/small"),
    ],
)
def test_the_command_writes_the_slice_that_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, which: list[str], name: str
):
    output = tmp_path / "made" / "slice.json"
    monkeypatch.setattr(sys, "argv", ["slices", "--recipe", str(CONFIG), *which, "--output", str(output)])
    main()
    assert output.read_text() == slices(load_recipe(demo(), "demo"))[name]


def test_the_command_writes_the_sample_of_a_tokenizer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    output = tmp_path / "slice.json"
    monkeypatch.setattr(sys, "argv", ["slices", "--recipe", str(CONFIG), "--sample", "demo", "--output", str(output)])
    main()
    assert read_slice(output, SampleSlice) == sample_slice(tokenizer_slice(load_recipe(demo(), "demo"), "demo"))


def test_the_command_tells_of_a_name_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    arguments = ["slices", "--recipe", str(CONFIG), "--source", "none", "--output", str(tmp_path / "slice.json")]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(UserError, match="there is no none to make a slice of"):
        main()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["demo", "finnish"])
def test_a_recipe_written_as_json_reads_back_as_the_same_recipe(name: str):
    recipe = load_recipe(yaml.safe_load((CONFIG.parent / f"{name}.yaml").read_text(encoding="utf-8")), name)
    again = json.loads(to_json(recipe))
    assert load_recipe(again, name) == recipe


def branching(tokens: int) -> Recipe:
    """The demo with a run that branches off within the stable phase."""
    config = demo()
    config["runs"]["early"] = {
        "from": "small",
        "after": {"phase": "stable", "tokens": tokens},
        "phases": ["annealing-fi"],
    }
    return load_recipe(config, "demo")


def test_a_run_that_branches_off_within_a_phase_has_its_steps_up_to_there():
    recipe = branching(50_000)
    whole, part = phase_slice(recipe, "small", "stable"), phase_slice(recipe, "early", "stable")
    assert part.run == "early"
    (stage,) = part.stages
    taken = list(steps(stage))
    assert taken == list(steps(whole.stages[0]))[: len(taken)]
    slots = [(step.first_row + step.rows) * stage.length for step in taken]
    assert slots[-2] < 50_000 <= slots[-1]
    assert evaluation_slice(recipe, "early").lineage == [("early", "stable"), ("early", "annealing-fi")]


def test_where_a_run_branches_off_a_checkpoint_is_kept_and_the_whole_phase_is_trained_first():
    recipe = branching(50_000)
    assert keeping_slice(recipe, "small", "stable").at_tokens == [50_000]
    assert keeping_slice(recipe, "early", "stable").at_tokens == []
    assert branched_from(recipe, "early", "stable") == ("small", "stable")
    assert ("early", "stable") not in trained_phases(recipe)


def test_a_point_after_the_end_of_its_phase_is_refused():
    with pytest.raises(UserError, match=r"runs\.early\.after\.tokens: 900000000 is not before the end of stable"):
        branching(900_000_000)
