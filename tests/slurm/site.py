"""A working directory with phases in every state, and a squeue that says what a test wants."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from model.training.metrics import Log
from recipe.reading import read_recipe
from recipe.schedule import stage_rows
from recipe.slices.making import phase_slice
from slurm.records.history import Run, append_run
from slurm.records.job import Job, write_job
from tests.model.whole_checkpoints import of_weights, write_checkpoint
from tests.slurm.standin import ROOT

RECIPE = read_recipe(ROOT / "config" / "demo.yaml")
STABLE = phase_slice(RECIPE, "small", "stable")
TOTAL = sum(stage_rows(stage) * stage.length for stage in STABLE.stages)
QUEUED = "4711|{state}|standard-g|{reason}|{left}|{starts}|nid[005001-005002]"


@dataclass
class Site:
    """A working directory of Snakemake, and what is on PATH there."""

    directory: Path
    programs: Path

    def folder(self, phase: str = "stable", run: str = "small") -> Path:
        return self.directory / "results" / "runs" / run / phase

    def squeue(self, *lines: str, status: int = 0, error: str = "") -> None:
        """Put a squeue on PATH that answers so, and notes what it was asked."""
        (self.programs / "answer").write_text("".join(f"{line}\n" for line in lines))
        script = self.programs / "squeue"
        script.write_text(
            f'#!/bin/sh\necho "$SQUEUE_STATES$SLURM_TIME_FORMAT $*" >> "{self.programs}/asked"\n'
            f'/bin/cat "{self.programs}/answer"\necho "{error}" >&2\nexit {status}\n'
        )
        script.chmod(0o755)

    def asked(self) -> list[str]:
        path = self.programs / "asked"
        return path.read_text().splitlines() if path.exists() else []

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "slurm.status", "--directory", str(self.directory), *arguments]

    def environment(self) -> dict[str, str]:
        return {**os.environ, "PATH": str(self.programs), "SQUEUE_STATES": "PENDING", "SLURM_TIME_FORMAT": "relative"}

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments), env=self.environment(), cwd=ROOT, capture_output=True, text=True, check=False
        )

    def table(self, *arguments: str) -> str:
        done = self.run(*arguments)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        return done.stdout

    def phases(self) -> dict[str, dict[str, Any]]:
        done = self.run("--json")
        assert done.returncode == 0, done.stderr
        return {f"{phase['run']}/{phase['phase']}": phase for phase in json.loads(done.stdout)}

    def stable(self) -> dict[str, Any]:
        return self.phases()["small/stable"]


def submit(folder: Path, job_id: str = "4711", **fields: Any) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    fields = {"submitted": "2026-01-31T12:00:00+00:00", "host": "uan01", "partition": "standard-g", **fields}
    write_job(folder, Job(cluster="lumi", job_id=job_id, processes=16, command=["train"], **fields))


def ended(folder: Path, outcome: Any, restart: int = 0, steps: tuple[int, int] = (0, 8), reason: str = "") -> None:
    append_run(folder, Run("4711", restart, "standard-g", 2, 100.0 + restart, 200.0, outcome, reason, *steps))


def log_steps(folder: Path, steps: range) -> None:
    """Steps of 8 rows of 100 slots, of which 700 hold tokens, in 2 s each; step 3 took a hundred times as long."""
    log = Log(folder, steps.start - 1)
    for step in steps:
        seconds = 200.0 if step == 3 else 2.0
        log.write(
            {
                "step": step,
                "phase_slots": 800 * step,
                "batch_rows": 8,
                "length": 100,
                "loss": 9.0 - step / 10,
                "tokens_per_second": 700 / seconds,
                "step_seconds": seconds,
                "language_loss": {},
            }
        )
    log.close()


def save(folder: Path, step: int, age: float = 0.0, **changes: Any) -> Path:
    directory = folder / "checkpoints" / f"step-{step:08}"
    position = {"step": step, "phase_slots": 800 * step}
    content = json.loads(STABLE.model_copy(update=changes).model_dump_json())
    state = {"position": position, "slice": content, "world_size": 16}
    write_checkpoint(directory, of_weights({"weight": torch.zeros(1)}), state)
    written = time.time() - age
    os.utime(directory / "manifest.json", (written, written))
    return directory


def running(started: str = "2026-01-31T12:00:00", left: str = "1-02:03:04") -> str:
    return QUEUED.format(state="RUNNING", reason="None", left=left, starts=started)


def pending(reason: str, starts: str = "N/A") -> str:
    return QUEUED.format(state="PENDING", reason=reason, left="2-00:00:00", starts=starts)
