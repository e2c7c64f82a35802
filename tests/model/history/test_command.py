"""`python -m model.history`: a phase that is trained already gets its checkpoint.json without a job."""

import json
import os
from pathlib import Path

import pytest

from common.files import sha256_of, write_json
from corpus.rows.listing import FORMAT as ROWS_FORMAT
from model.history.__main__ import main
from model.history.store import load_state, open_checkpoint
from recipe.slices.files import to_json
from recipe.slices.types import PhaseSlice
from tests.model.history.history_cases import TOKENIZER, phase, plan, stage, write


def ask(runs: Path, content: PhaseSlice, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the command what the workflow gives it; return where it would write."""
    made, folder = plan(content, runs / "rows"), runs / content.run / content.phase
    sets = [
        {
            "source": part.component.source,
            "rowset": part.component.rowset,
            "index": os.path.relpath(part.index, folder),
            "sha256": sha256_of(part.index),
        }
        for mixed in made.blends
        for part in mixed.parts
    ]
    write_json(folder / "rows.json", {"format": ROWS_FORMAT, "sets": sets})
    write_json(runs / "tokenizer.json", TOKENIZER)
    (runs / "slice.json").write_text(to_json(content))
    options = {"slice": runs / "slice.json", "rows": folder / "rows.json", "tokenizer": runs / "tokenizer.json"}
    options |= {"folder": folder, "runs": runs, "checkpoint-seconds": 900}
    monkeypatch.setattr("sys.argv", ["history", *(f"--{name}={value}" for name, value in options.items())])
    main()
    return folder / "checkpoint.json"


def test_a_run_that_branches_off_where_a_checkpoint_was_kept_takes_no_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = plan(phase(stage(), run="big", name="stable"), tmp_path / "rows")
    for step in (10, 20):
        write(tmp_path / "big" / "stable", whole, step)
    branch = phase(stage(until=3111), run="early", name="stable")
    pointer = ask(tmp_path, branch, monkeypatch)
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
    pointer = ask(tmp_path, phase(stage(), run="other", name="stable"), monkeypatch)
    assert not pointer.exists()
    assert not (pointer.parent / "checkpoints").exists()
    assert capsys.readouterr().err == ""
