"""`python -m model.history`: a phase that is trained already gets its checkpoint.json without a job."""

import json
from pathlib import Path

import pytest

from model.history.__main__ import main
from model.history.store import load_state, open_checkpoint
from recipe.slices.types import PhaseSlice
from tests.model.history.history_cases import ask, phase, plan, stage, write


def run(runs: Path, content: PhaseSlice, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run the command; return where it would write."""
    monkeypatch.setattr("sys.argv", ["history", *ask(runs, content)])
    main()
    return runs / content.run / content.phase / "checkpoint.json"


def test_a_run_that_branches_off_where_a_checkpoint_was_kept_takes_no_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = plan(phase(stage(), run="big", name="stable"), tmp_path / "rows")
    for step in (10, 20):
        write(tmp_path / "big" / "stable", whole, step)
    branch = phase(stage(until=3111), run="early", name="stable")
    pointer = run(tmp_path, branch, monkeypatch)
    directory = open_checkpoint(pointer)
    assert directory.is_relative_to(tmp_path / "early" / "stable")
    position = load_state(directory)["position"]
    assert (position["step"], position["phase_slots"], position["stage_end"]) == (10, 3200, True)
    assert json.loads(pointer.read_text())["run"] == "early"
    assert "nothing was trained" in capsys.readouterr().err


def test_a_phase_that_nobody_has_trained_to_its_end_is_left_to_a_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "big" / "stable", plan(phase(stage(), run="big", name="stable"), tmp_path / "rows"), 10)
    pointer = run(tmp_path, phase(stage(), run="other", name="stable"), monkeypatch)
    assert not pointer.exists()
    assert not (pointer.parent / "checkpoints").exists()
    assert capsys.readouterr().err == ""
