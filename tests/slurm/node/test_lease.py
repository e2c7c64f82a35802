"""One owner at a time, on this host and on others, however the one before ended."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from common.processes import start_ticks
from slurm.node import lease
from slurm.node.lease import HeldElsewhereError, acquire, holder

ROOT = Path(__file__).parents[3]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leases that are renewed and lapse in tenths of seconds."""
    monkeypatch.setattr(lease, "RENEW_SECONDS", 0.1)
    monkeypatch.setattr(lease, "LAPSE_SECONDS", 0.6)
    monkeypatch.setattr(lease, "_PATIENCE", 1.5)
    monkeypatch.setattr(lease, "_PATIENCE_HERE", 0.3)


def claim(folder: Path, number: int, **owner: object) -> Path:
    """Write a lease as its owner would."""
    path = folder / f"RUNNING.{number}"
    path.write_text(json.dumps({"pid": 1, "start_ticks": 1, "host": "elsewhere", "job": "7", "since": "then"} | owner))
    return path


def numbers(folder: Path) -> list[int]:
    return sorted(int(path.suffix[1:]) for path in folder.glob("RUNNING.*"))


def test_who_comes_second_is_told_who_was_first(quick: None, tmp_path: Path) -> None:
    first = acquire(tmp_path, "12")
    with pytest.raises(HeldElsewhereError, match=f"job 12, pid {os.getpid()} on "):
        acquire(tmp_path, "13")
    assert holder(tmp_path, 1.0) is not None
    first.release()
    assert holder(tmp_path, 1.0) is None


def test_a_released_lease_is_free_at_once_and_numbers_only_rise(quick: None, tmp_path: Path) -> None:
    for number in (1, 2, 3):
        acquire(tmp_path).release()
        assert numbers(tmp_path) == [number]


def test_a_process_of_this_host_that_was_killed_owns_nothing(tmp_path: Path) -> None:
    take = "import sys, os, signal; from pathlib import Path; from slurm.node.lease import acquire; "
    take += "acquire(Path(sys.argv[1])); os.kill(os.getpid(), signal.SIGKILL)"
    subprocess.run([sys.executable, "-c", take, str(tmp_path)], cwd=ROOT, check=False)
    assert numbers(tmp_path) == [1]
    began = time.monotonic()
    acquire(tmp_path).release()
    assert time.monotonic() - began < lease.LAPSE_SECONDS
    assert numbers(tmp_path) == [2]


def test_a_pid_that_is_another_process_by_now_owns_nothing(quick: None, tmp_path: Path) -> None:
    ticks = start_ticks(os.getpid())
    assert ticks is not None
    claim(tmp_path, 4, pid=os.getpid(), start_ticks=ticks - 1, host=os.uname().nodename)
    acquire(tmp_path).release()
    assert numbers(tmp_path) == [5]


def test_a_lease_on_another_host_that_is_renewed_is_respected(quick: None, tmp_path: Path) -> None:
    path = claim(tmp_path, 1)
    stop = threading.Event()

    def renew() -> None:
        while not stop.wait(0.1):
            os.utime(path)

    thread = threading.Thread(target=renew)
    thread.start()
    try:
        with pytest.raises(HeldElsewhereError, match="job 7, pid 1 on elsewhere since then"):
            acquire(tmp_path)
    finally:
        stop.set()
        thread.join()
    assert numbers(tmp_path) == [1]


def test_a_lease_on_another_host_lapses_by_the_watch_of_who_wants_it(quick: None, tmp_path: Path) -> None:
    path = claim(tmp_path, 1)
    os.utime(path, (time.time() + 1e6, time.time() + 1e6))  # the other host's clock is a week ahead
    began = time.monotonic()
    acquire(tmp_path).release()
    assert time.monotonic() - began > lease.LAPSE_SECONDS
    assert numbers(tmp_path) == [2]


def test_an_owner_that_was_succeeded_learns_it(quick: None, tmp_path: Path) -> None:
    mine = acquire(tmp_path)
    successor = claim(tmp_path, 2)
    deadline = time.monotonic() + 5
    while not mine.lost and time.monotonic() < deadline:
        time.sleep(0.02)
    assert mine.lost
    before = successor.read_text()
    mine.release()
    assert numbers(tmp_path)[-1] == 2
    assert successor.read_text() == before


def test_of_many_takers_of_a_lapsed_lease_one_becomes_the_owner(quick: None, tmp_path: Path) -> None:
    claim(tmp_path, 1)
    took: list[lease.Lease] = []
    others: list[str] = []

    def take() -> None:
        try:
            took.append(acquire(tmp_path))
        except HeldElsewhereError as error:
            others.append(str(error))

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(took), len(others)) == (1, 7)
    assert numbers(tmp_path) == [2]
    took[0].release()


@pytest.mark.parametrize("content", ["", "{", "[]", "null"])
def test_a_lease_that_cannot_be_read_lapses_like_any_other(quick: None, tmp_path: Path, content: str) -> None:
    (tmp_path / "RUNNING.3").write_text(content)
    acquire(tmp_path).release()
    assert numbers(tmp_path) == [4]
