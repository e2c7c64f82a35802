"""Faults that are rarer than those of test_scenarios.py: each ends with the weights of an uninterrupted phase."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest

from tests.slurm.real.real_cluster import run
from tests.slurm.real.small_phase import SmallPhase, report, same_weights


def check(phase: SmallPhase, whole: SmallPhase) -> None:
    phase.check_rows()
    assert same_weights(phase, whole)


def test_a_second_resume_in_a_row(phase: SmallPhase, whole: SmallPhase) -> None:
    launch = phase.launch()
    for step in (15, 30):
        phase.wait_for_step(step)
        last, event = phase.steps(), time.time()
        os.kill(phase.ranks("nid005002")[0], signal.SIGKILL)
        seconds = phase.seconds_until_trained_on(event, last)
    phase.finish(launch)
    report(phase, "rank killed twice", seconds)
    assert [run.outcome for run in phase.history()] == ["rank died", "rank died", "finished"]
    check(phase, whole)


@pytest.mark.parametrize(("fault", "outcome"), [("stuck", "hung"), ("segfault", "rank died")])
def test_a_rank_stuck_in_native_code_or_ended_by_it(
    phase: SmallPhase, whole: SmallPhase, fault: str, outcome: str
) -> None:
    launch = phase.launch(step_seconds=10, fault=(fault, 1, 25))
    phase.cluster.wait_for((phase.steering / "met").exists, "the fault", 180)
    event, last = time.time(), phase.steps()
    seconds = phase.seconds_until_trained_on(event, last)
    phase.finish(launch)
    report(phase, f"rank {fault}", seconds)
    assert [run.outcome for run in phase.history()] == [outcome, "finished"]
    check(phase, whole)


def test_what_a_dead_job_left_is_no_hindrance(phase: SmallPhase, whole: SmallPhase, tmp_path: Path) -> None:
    owner = {"pid": 1, "start_ticks": 1, "host": "nid009999", "job": "7", "since": "2026-01-01T00:00:00+00:00"}
    for folder in (phase.folder, phase.folder / "submission"):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "RUNNING.3").write_text(json.dumps(owner))
    (phase.folder / "launch.lock").write_text("1 nid009999")
    shared = [Path("/dev/shm") / f"{name}_alasin_test" for name in ("torch", "gloo", "sem.mp")]
    for path in shared:
        path.write_bytes(b"stale")
    event = time.time()
    try:
        launch = phase.launch()
        seconds = phase.seconds_until_trained_on(event, 0)
        phase.finish(launch)
    finally:
        for path in shared:
            path.unlink()
    report(phase, "leases, locks and shared memory of a dead job", seconds)
    check(phase, whole)


@pytest.mark.parametrize("days", [-30, 30])
def test_a_clock_that_jumps(phase: SmallPhase, whole: SmallPhase, days: int) -> None:
    launch = phase.launch()
    phase.wait_for_step(20)
    last, event = phase.steps(), time.time()
    # What was written before the jump is from another time.
    jump = 86400.0 * days
    (start,) = phase.folder.glob("jobs/*_start.json")
    written = json.loads(start.read_text())
    start.write_text(json.dumps(written | {"started": written["started"] + jump}))
    for path in (*phase.folder.glob("RUNNING.*"), phase.folder / "metrics.jsonl", *phase.folder.glob("checkpoints/*")):
        os.utime(path, (event + jump, event + jump))
    os.kill(phase.ranks("nid005002")[0], signal.SIGKILL)
    phase.cluster.wait_for(lambda: len(list(phase.folder.glob("jobs/*_start.json"))) == 2, "the job runs again", 180)
    phase.cluster.wait_for(lambda: phase.steps() > last, "steps beyond those before", 180)
    seconds = time.time() - event
    phase.finish(launch)
    report(phase, f"clock {days:+} days", seconds)
    assert [run.outcome for run in phase.history()] == ["rank died", "finished"]
    check(phase, whole)


def test_two_login_nodes_without_a_common_lock_train_once(phase: SmallPhase, whole: SmallPhase, tmp_path: Path) -> None:
    phase.folder.mkdir(parents=True)
    lock = phase.folder / "launch.lock"
    lock.touch()
    launches = []
    for name in ("uan01", "uan02"):
        (tmp_path / name).touch()
        own = 'hostname "$1"; mount --bind "$2" "$3"; shift 3; exec "$@"'
        before = ["unshare", "--mount", "--uts", "sh", "-c", own, "sh", name, tmp_path / name, lock]
        launches.append(phase.launch(before=before))
    said = [phase.finish(launch) for launch in launches]
    report(phase, "two login nodes")
    assert not any("waiting for it" in text and "another launch (" in text and "is working" in text for text in said)
    assert len(phase.job_ids()) == 1
    assert len(phase.history()) == 1
    check(phase, whole)


def test_resumed_with_other_numbers_of_ranks_it_trains_each_row_once(phase: SmallPhase, whole: SmallPhase) -> None:
    for step, (nodes, processes) in zip((15, 30, 45), ((1, 2), (1, 1), (2, 2)), strict=True):
        launch = phase.launch(nodes=nodes, processes=processes)
        phase.wait_for_step(step)
        run("scancel", phase.job()["job_id"])
        phase.finish(launch, status=1)
    phase.finish(phase.launch(nodes=2, processes=1))
    report(phase, "2, 1, 4, 2 ranks")
    phase.check_rows()
    mine, others = phase.weights(), whole.weights()
    # The order of sums differs, and so the last bits.
    assert all(abs(mine[name] - others[name]).max() < 1e-3 for name in others)
