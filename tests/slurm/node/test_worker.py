"""A rank that watches: for steps that stop, and for a phase that another job has taken over."""

from __future__ import annotations

import os
import pickle
import pickletools
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from slurm.node.memory import words_about_a_kill
from slurm.node.worker import Place, Watch, Worker
from slurm.records.job import HUNG, OUT_OF_MEMORY, REFUSED, RESUMABLE, log_path
from slurm.records.request import Request

HERE = Place("7", 0, rank=0, local_rank=0, world_size=1, local_world_size=1, slurm=True)


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    """What a worker, at its end, leaves ignored is heard again after the test."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGUSR2)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that tests turn: its only entry is the time."""
    now = [1000.0]
    monkeypatch.setattr("slurm.node.worker.time.monotonic", lambda: now[0])
    return now


def test_the_limit_to_the_first_step_differs_from_that_between_steps(tmp_path: Path, clock: list[float]) -> None:
    metrics = tmp_path / "metrics.jsonl"
    metrics.write_text("an earlier job's\n")
    watch = Watch(metrics, start_seconds=100, step_seconds=10, watchers=1)
    clock[0] += 99
    assert not watch.expired()
    metrics.write_text("an earlier job's\nstep\n")
    clock[0] += 0.9
    assert not watch.expired()
    clock[0] += 9
    assert not watch.expired()
    clock[0] += 2
    assert watch.expired()


def test_each_step_begins_the_limit_anew(tmp_path: Path, clock: list[float]) -> None:
    metrics = tmp_path / "metrics.jsonl"
    watch = Watch(metrics, start_seconds=10, step_seconds=10, watchers=1)
    for step in range(20):
        metrics.write_text("step\n" * (step + 1))
        clock[0] += 9
        assert not watch.expired()
    clock[0] += 11
    assert watch.expired()


def test_a_log_that_is_rewritten_without_the_steps_to_be_repeated_is_no_step(
    tmp_path: Path, clock: list[float]
) -> None:
    metrics = tmp_path / "metrics.jsonl"
    metrics.write_text("step\n" * 3)
    watch = Watch(metrics, start_seconds=100, step_seconds=10, watchers=1)
    metrics.write_text("step\n" * 2)
    clock[0] += 1
    assert not watch.expired()
    clock[0] += 50
    assert not watch.expired()
    metrics.write_text("step\n" * 3)
    clock[0] += 1
    assert not watch.expired()
    clock[0] += 11
    assert watch.expired()


def test_steps_between_two_looks_count_where_looks_are_rarer_than_steps(tmp_path: Path, clock: list[float]) -> None:
    metrics = tmp_path / "metrics.jsonl"
    watch = Watch(metrics, start_seconds=60, step_seconds=60, watchers=512)
    for step in range(30):
        metrics.write_text("step\n" * (step + 1))
        clock[0] += 20
        assert not watch.expired()


def test_without_limits_nothing_expires(tmp_path: Path, clock: list[float]) -> None:
    watch = Watch(tmp_path / "metrics.jsonl", start_seconds=0, step_seconds=0, watchers=1)
    clock[0] += 1e9
    assert not watch.expired()


def test_many_ranks_look_seldom(tmp_path: Path, clock: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Watch(tmp_path / "metrics.jsonl", start_seconds=1e6, step_seconds=1e6, watchers=512)
    looks: list[float] = []

    def look() -> int:
        looks.append(clock[0])
        return 0

    monkeypatch.setattr(watch, "_look", look)
    for _ in range(1300):
        clock[0] += 0.1
        watch.expired()
    assert len(looks) == 1  # in 130 seconds, among 512 ranks: four looks a second together


def test_a_command_that_makes_no_step_is_killed(tmp_path: Path) -> None:
    command = (sys.executable, "-S", "-c", "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)")
    assert Worker(command, str(tmp_path), start_seconds=0.3, step_seconds=0.3).run([HERE]) == [HUNG]


def test_a_command_killed_by_the_signal_before_it_could_handle_it_can_be_continued(tmp_path: Path) -> None:
    program = f"import os, signal, time; os.kill({os.getpid()}, signal.SIGUSR2); time.sleep(60)"
    assert Worker((sys.executable, "-S", "-c", program), str(tmp_path)).run([HERE]) == [RESUMABLE]


@pytest.mark.parametrize(("kills", "status"), [(4, OUT_OF_MEMORY), (3, -signal.SIGKILL)])
def test_a_command_that_the_kernel_killed_for_memory_is_told_from_one_that_somebody_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kills: int, status: int
) -> None:
    counters = tmp_path / "vmstat"
    counters.write_text("pgfault 1\noom_kill 3\nswap_ra 0\n")
    monkeypatch.setattr("slurm.node.memory._VMSTAT", counters)
    command = ("/bin/sh", "-c", f"echo oom_kill {kills} > {counters}; kill -9 $$")
    assert Worker(command, str(tmp_path)).run([HERE]) == [status]


@pytest.mark.parametrize("dies", ["kill -9 $$", "exit 137"])
def test_a_killed_rank_s_log_says_what_to_lower_from_which_value(tmp_path: Path, dies: str) -> None:
    (tmp_path / "jobs").mkdir()
    command = ("/bin/sh", "-c", f'[ "$RANK" = 0 ] || {dies}; exec sleep 60', "trainer", "--micro-batch-slots", "4096")
    places = [Place("7", 0, rank, rank, world_size=2, local_world_size=2, slurm=False) for rank in range(2)]
    assert Worker(command, str(tmp_path)).run(places) == [-signal.SIGKILL]
    assert log_path(tmp_path / "jobs", "7", 1, "err").read_text() == (
        "error: this rank was killed from outside (signal 9); if that was for want of memory, lower micro_batch_slots "
        "(now 4096) or processes_per_node (now 2) in the profile, or give it more memory.\n"
    )


def test_what_the_kernel_killed_for_memory_is_said_so(tmp_path: Path) -> None:
    told = words_about_a_kill(True, ["trainer", "--micro-batch-slots", "512"], 1)
    assert told.startswith("error: the kernel killed this rank, since no memory was left: lower micro_batch_slots (now")


def test_this_kernel_tells_how_many_it_killed_for_memory() -> None:
    assert "oom_kill " in Path("/proc/vmstat").read_text()


def test_a_job_that_was_succeeded_ends_its_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("slurm.node.lease.RENEW_SECONDS", 0.1)
    command = ("/bin/sh", "-c", f"echo '{{}}' > '{tmp_path}/RUNNING.2'; exec sleep 60")
    began = time.monotonic()
    assert Worker(command, str(tmp_path)).run([HERE]) == [REFUSED]
    assert time.monotonic() - began < 30
    assert "another job has taken over this phase" in capsys.readouterr().err


def test_what_is_pickled_names_no_class_of_the_standard_library(tmp_path: Path) -> None:
    request = Request("local", "", 1, 1, 60, 0.0, 0.0, tmp_path, tmp_path / "done", ("true",), (tmp_path / "slice",))
    named = {
        argument
        for opcode, argument, _ in pickletools.genops(pickle.dumps(Worker.of(request), protocol=2))
        if opcode.name == "GLOBAL"
    }
    assert named <= {"slurm.node.worker Worker", "copy_reg _reconstructor", "__builtin__ object"}
