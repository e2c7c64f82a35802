"""The newest checkpoint of a phase."""

from __future__ import annotations

import json
import os
from pathlib import Path

from slurm.records.checkpoints import Saved, newest_step, read_newest


def save(folder: Path, step: int, state: str | None = None, name: str = "") -> Path:
    """Write a checkpoint, as far as it is looked at here."""
    content = {"position": {"step": step, "phase_slots": 100 * step}, "slice": {"run": "small"}, "world_size": 4}
    directory = folder / "checkpoints" / (name or f"step-{step:08}")
    directory.mkdir(parents=True)
    (directory / "state.json").write_text(json.dumps(content) if state is None else state)
    (directory / "manifest.json").write_text("{}")
    os.utime(directory / "manifest.json", (1000.0 + step, 1000.0 + step))
    return directory


def test_without_a_checkpoint_there_is_none_and_its_step_is_0(tmp_path: Path) -> None:
    assert (newest_step(tmp_path), read_newest(tmp_path)) == (0, None)


def test_only_whole_checkpoints_count(tmp_path: Path) -> None:
    for step in (9, 120, 300):
        save(tmp_path, step)
    (tmp_path / "checkpoints/step-00000300/manifest.json").unlink()
    save(tmp_path, 400, name="damaged-step-00000400")
    save(tmp_path, 500, name=".step-00000500.part")
    assert newest_step(tmp_path) == 120
    assert read_newest(tmp_path) == Saved(120, 12_000, {"run": "small"}, 4, 1120.0)


def test_steps_are_compared_as_numbers(tmp_path: Path) -> None:
    save(tmp_path, 99_999_999)
    save(tmp_path, 100_000_000)
    found = read_newest(tmp_path)
    assert found is not None
    assert newest_step(tmp_path) == found.step == 100_000_000


def test_a_checkpoint_whose_state_cannot_be_read_counts_but_the_one_before_it_is_told_of(tmp_path: Path) -> None:
    save(tmp_path, 1)
    for step, state in enumerate(("{", "{}", "[]", '{"position": {"step": 5}}'), start=2):
        save(tmp_path, step, state)
    found = read_newest(tmp_path)
    assert found is not None
    assert (newest_step(tmp_path), found.step) == (5, 1)
