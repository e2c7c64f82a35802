"""A phase's folder is put in order for what is asked for now: nothing is lost, and what is done is not done again."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from common.listed import describe
from model.history.beginning import Places, begin, finish
from model.history.plan import Plan
from model.history.store import (
    FORMAT,
    MANIFEST,
    STATE,
    complete_checkpoints,
    damage,
    directory_of,
    load_state,
    shards_of,
)
from recipe.schema import LearningRate
from tests.model.history.history_cases import phase, plan, stage, write

FACTS = {"slice": {"asked": "now"}, "inputs": "digest"}


@pytest.fixture
def made(tmp_path: Path) -> Callable[..., Plan]:
    def make(*stages, **names) -> Plan:
        return plan(phase(*(stages or [stage()]), **names), tmp_path / "rows")

    return make


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "runs" / "own" / "phase"


def tensors(directory: Path) -> bytes:
    return b"".join(shard.read_bytes() for shard in shards_of(directory))


def steps_in(path: Path) -> list[int]:
    return [json.loads(line)["step"] for line in path.read_text().splitlines()]


def test_nothing_is_found_in_an_empty_folder(made, folder):
    assert begin(made(), Places(folder, folder.parents[1]), FACTS, pytest.fail) is None


def test_the_newest_of_the_own_is_taken_as_it_is(made, folder):
    ours = made()
    write(folder, ours, 3)
    newest = write(folder, ours, 7)
    before = (newest / MANIFEST).read_bytes()
    assert begin(ours, Places(folder, None), FACTS, pytest.fail) == 7
    assert (newest / MANIFEST).read_bytes() == before


def test_a_damaged_newest_is_set_aside_and_the_one_before_it_taken(made, folder):
    ours, said = made(), []
    write(folder, ours, 3)
    newest = write(folder, ours, 7)
    (newest / "shard-00001-of-00002.safetensors").write_bytes(b"other")
    assert begin(ours, Places(folder, None), FACTS, said.append) == 3
    assert "shard-00001-of-00002.safetensors" in said[0]
    assert (folder / "checkpoints" / f"damaged-{newest.name}").is_dir()


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff"])
def test_one_whose_state_cannot_be_read_is_damaged_and_not_called_another_recipes(made, folder, content):
    ours, said = made(), []
    write(folder, ours, 3)
    newest = write(folder, ours, 7)
    (newest / STATE).write_bytes(content)
    assert begin(ours, Places(folder, None), FACTS, said.append) == 3
    assert "is damaged" in said[0]
    assert not (folder / "superseded").exists()


@pytest.mark.parametrize("taken", [4, 20])
def test_what_another_run_has_trained_is_taken_over_and_does_not_depend_on_it(made, folder, taken):
    other, ours = made(run="other"), made(run="own")
    source = write(folder.parents[1] / "other" / "phase", other, taken)
    content, said = tensors(source), []
    assert begin(ours, Places(folder, folder.parents[1]), FACTS, said.append) == taken
    assert str(source) in said[0]
    for path in source.iterdir():
        path.unlink()
    target = directory_of(folder / "checkpoints", taken)
    assert damage(target) is None
    assert tensors(target) == content
    assert load_state(target)["inputs"] == "digest"
    assert steps_in(folder / "metrics.jsonl") == list(range(1, taken + 1))


def test_a_run_is_not_looked_for_where_no_runs_are_named(made, folder):
    write(folder.parents[1] / "other" / "phase", made(), 4)
    assert begin(made(), Places(folder, None), FACTS, pytest.fail) is None


def test_what_leads_elsewhere_is_set_aside_with_its_metrics_and_what_both_share_is_kept(made, folder):
    before = made(stage(tokens=3200), stage(tokens=3200, masking_rate=0.2))
    now = made(stage(tokens=3200), stage(tokens=3200, masking_rate=0.4))
    for step in (8, 10, 15):
        write(folder, before, step)
    said = []
    assert begin(now, Places(folder, None), FACTS, said.append) == 10
    assert [path.name for path in complete_checkpoints(folder / "checkpoints")] == ["step-00000008", "step-00000010"]
    (aside,) = (folder / "superseded").iterdir()
    assert [path.name for path in complete_checkpoints(aside / "checkpoints")] == ["step-00000015"]
    assert steps_in(aside / "metrics.jsonl") == list(range(1, 16))
    assert "has changed since step-00000015 was written" in said[0]


def test_what_was_set_aside_is_taken_back_when_it_is_asked_for_again(made, folder):
    before, now = made(), made(stage(masking_rate=0.5))
    content = tensors(write(folder, before, 20))
    assert begin(now, Places(folder, None), FACTS, lambda _: None) is None
    assert not complete_checkpoints(folder / "checkpoints")
    assert not (folder / "metrics.jsonl").exists()
    assert begin(before, Places(folder, None), FACTS, lambda _: None) == 20
    assert tensors(directory_of(folder / "checkpoints", 20)) == content
    assert steps_in(folder / "metrics.jsonl") == list(range(1, 21))


def test_stages_and_slots_are_counted_as_the_recipe_cuts_phases_now(made, folder):
    whole = made(stage(tokens=3200), stage(tokens=3200, rope_theta=1e6))
    write(folder, whole, 15)
    longer = made(stage(tokens=1600), stage(tokens=1600), stage(tokens=3200, rope_theta=1e6))
    assert begin(longer, Places(folder, None), FACTS, pytest.fail) == 15
    position = load_state(directory_of(folder / "checkpoints", 15))["position"]
    assert (position["stage"], position["phase_slots"], position["stage_end"]) == (2, 4800, False)


def test_a_phase_that_any_run_has_trained_to_its_end_is_finished_without_training(made, folder):
    other, ours, longer = made(run="other"), made(run="own"), made(stage(tokens=9600))
    source = write(folder.parents[1] / "other" / "phase", other, 20)
    places = Places(folder, folder.parents[1])
    assert finish(longer, places, FACTS, pytest.fail) is None
    assert not folder.exists(), "where it is not finished nothing is touched"
    last = finish(ours, places, FACTS, lambda _: None)
    assert last == directory_of(folder / "checkpoints", 20)
    assert tensors(last) == tensors(source)


def test_a_lower_rate_from_the_second_stage_on_keeps_the_first(made, folder):
    write(folder, made(stage(), stage()), 23)
    write(folder, made(stage(), stage()), 20)
    lower = made(stage(), stage(rate=LearningRate(peak=1e-4)))
    assert begin(lower, Places(folder, None), FACTS, lambda _: None) == 20


def test_without_hard_links_files_are_copied(made, folder, monkeypatch):
    def refuse(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    source = write(folder.parents[1] / "other" / "phase", made(run="other"), 4)
    monkeypatch.setattr(os, "link", refuse)
    assert begin(made(), Places(folder, folder.parents[1]), FACTS, lambda _: None) == 4
    assert tensors(directory_of(folder / "checkpoints", 4)) == tensors(source)


def test_one_that_its_owner_deletes_meanwhile_is_passed_over(made, folder, monkeypatch):
    runs = folder.parents[1]
    write(runs / "other" / "phase", made(), 4)
    newest = write(runs / "third" / "phase", made(), 6)
    link = os.link

    def late(source: Path, target: Path) -> None:
        if newest in source.parents:
            raise FileNotFoundError(source)
        link(source, target)

    monkeypatch.setattr(os, "link", late)
    assert begin(made(), Places(folder, runs), FACTS, lambda _: None) == 4


def test_a_checkpoint_at_a_step_of_the_plan_with_another_history_is_not_continued(made, folder):
    ours = made()
    state = write(folder, ours, 4) / STATE
    content = json.loads(state.read_text())
    content["position"]["history"] = "0" * 32
    state.write_text(json.dumps(content))
    entries = [describe(path) for path in sorted(state.parent.iterdir()) if path.name != MANIFEST]
    (state.parent / MANIFEST).write_text(json.dumps({"format": FORMAT, "files": entries}))
    assert begin(ours, Places(folder, None), FACTS, lambda _: None) is None
