"""Fixture for tests that need a Slurm to ask: `pytest_plugins = ["tests.slurm.fake.plugin"]`."""

from __future__ import annotations

import marshal
import sys
from pathlib import Path

import pytest

from slurm.phase import on_slurm
from slurm.records.request import Request
from tests.slurm.fake.scheduler import FakeSlurm

COMMANDS = ("sbatch", "srun", "squeue", "sacct", "scontrol", "scancel")


@pytest.fixture
def fake_slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    """A cluster without jobs whose commands are on PATH, and a phase of 2 nodes with 2 ranks each to be launched."""
    folder = tmp_path / "slurm"
    commands = folder / "bin"
    commands.mkdir(parents=True)
    program = Path(__file__).with_name("slurm_command.py").read_text()
    for name in COMMANDS:
        (commands / name).write_text(f"#!{sys.executable} -IS\n{program}")
        (commands / name).chmod(0o755)
    state = {"next_id": 101, "jobs": {}, "troubles": [], "accounting": True}
    (folder / "state").write_bytes(marshal.dumps(state))
    for name in ("SBATCH_ACCOUNT", "ALASIN_IMAGE", "ALASIN_PACKAGES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FAKE_SLURM", str(folder))
    monkeypatch.setenv("PATH", str(commands))
    phase = tmp_path / "results/runs/large/stable"
    phase.mkdir(parents=True)
    request = Request(
        "generic", "", 2, 2, 2880, 0.0, 0.0, phase, phase / "checkpoint.json", ("train", "--slice", "a b")
    )
    slurm = FakeSlurm(folder, request)
    monkeypatch.setattr(on_slurm, "time", slurm)
    return slurm
