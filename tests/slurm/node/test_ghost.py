"""A run whose node Slurm gave up may still live there and hold the phase: it is waited for, and is no verdict on it."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from slurm.node import lease, worker
from slurm.node.aftermath import conclude
from slurm.node.worker import Worker
from slurm.records.history import read_history
from slurm.records.job import HELD, REFUSED, Job, write_job

JOB = "77"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A phase whose job begins its second run here; leases lapse soon."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGUSR2)}
    monkeypatch.setattr(lease, "RENEW_SECONDS", 0.1)
    monkeypatch.setattr(lease, "LAPSE_SECONDS", 0.6)
    monkeypatch.setattr(lease, "_PATIENCE", 1.0)
    monkeypatch.setattr(worker, "_HELD_SECONDS", 2.0)
    here = {"SUBMITIT_EXECUTOR": "slurm", "SLURM_JOB_ID": JOB, "SLURM_RESTART_COUNT": "1", "SLURM_NTASKS": "1"}
    here |= {"SLURM_JOB_NUM_NODES": "1", "SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_NODEID": "0"}
    here |= {"SLURM_JOB_NODELIST": "nid005003", "ALASIN_ENDED_AS": "NODE_FAIL"}
    for name, value in here.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "jobs").mkdir()
    record(tmp_path, JOB)
    yield tmp_path
    for number, handler in handlers.items():  # which the worker, at its end, leaves ignored
        signal.signal(number, handler)


def record(folder: Path, job_id: str) -> None:
    write_job(folder, Job("lumi", job_id, 1, "login", "2026-01-31T12:00:00+00:00", ["true"], minutes=2880))


@contextmanager
def ghost(folder: Path, seconds: float = 60.0) -> Iterator[None]:
    """The run before this one, on a node that is cut off, renews its lease for so long."""
    path = folder / "RUNNING.1"
    path.write_text(json.dumps({"pid": 1, "start_ticks": 1, "host": "nid005001", "job": JOB, "since": "then"}))
    ended = threading.Event()

    def renew() -> None:
        for _ in range(int(seconds / 0.05)):
            if ended.wait(0.05):
                return
            os.utime(path)

    thread = threading.Thread(target=renew)
    thread.start()
    yield
    ended.set()
    thread.join()


def run(folder: Path) -> int:
    with pytest.raises(SystemExit) as ended:
        Worker(("true",), str(folder))()
    return int(str(ended.value.code))


def test_a_ghost_that_ends_in_time_is_waited_for(folder: Path) -> None:
    with ghost(folder, seconds=1.0):
        assert run(folder) == 0


def test_a_ghost_that_does_not_end_sends_the_job_back_into_the_queue(folder: Path) -> None:
    with ghost(folder):
        assert run(folder) == HELD
    assert conclude(folder, folder / "checkpoint.json", JOB, 1, 300)
    assert [(run.restart, run.outcome) for run in read_history(folder)] == [(0, "node failure"), (1, "requeued")]
    assert "held by another run" in read_history(folder)[-1].reason


def test_a_job_that_nobody_recorded_is_refused_where_another_trains(folder: Path) -> None:
    record(folder, "76")
    with ghost(folder):
        assert run(folder) == REFUSED
