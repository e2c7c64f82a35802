"""What became of a run, from Slurm's word and the ranks'; and the history that keeps it."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import UserError
from common.files import write_json
from slurm.node.aftermath import conclude
from slurm.records.history import Outcome, Run, append_run, history_path, read_history
from slurm.records.job import Job, log_path, start_path, status_path, write_job, write_start, write_status
from slurm.records.outcome import describe_run, record_requeue

JOB = Job("generic", "101", 4, "login", "2026-01-01T00:00:00+00:00", ["train"], partition="p", nodes=2, minutes=600)
RUN = Run("101", 0, "p", 2, 1.0, 2.0, "time limit", "", 0, 5)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A phase whose job runs: rank 0 has begun."""
    write_job(tmp_path, JOB)
    write_start(tmp_path / "jobs", "101", 0, 3)
    return tmp_path


def ranks_end(folder: Path, *statuses: int | None, signals: tuple[int, ...] = ()) -> None:
    """Ranks end one after the other, None without a word."""
    for rank, status in enumerate(statuses):
        if status is not None:
            write_status(folder / "jobs", "101", 0, rank, status, signals)


def started_ago(folder: Path, minutes: float) -> None:
    write_json(start_path(folder / "jobs", "101", 0), {"started": time.time() - 60 * minutes, "first_step": 3})


@pytest.mark.parametrize(
    ("statuses", "outcome", "reason"),
    [
        ((0, 0, 0, 0), "finished", ""),
        ((0, 0, 65, 0), "refused", "rank 2 on "),
        ((0, 71, 0, 0), "out of memory", "ran out of memory, of its device"),
        ((0, 0, 0, 124), "hung", "rank 3 on "),
        ((-9, 0, 0, 0), "rank died", "was killed (signal 9)"),
        ((-11, 0, 0, 0), "rank died", "was ended by signal 11"),
        ((1, 0, 0, 0), "rank died", "ended with status 1"),
        ((75, 75, 1, 75), "rank died", "rank 2 on "),
        ((0, 0, None, 0), "unknown", "1 of 4 ranks left no word"),
        ((None, None, None, None), "unknown", "4 of 4 ranks left no word"),
        ((75, 75, None, 75), "unknown", "1 of 4 ranks left no word"),
        ((None, 1, None, None), "rank died", "rank 1 on "),
    ],
)
def test_without_a_word_of_slurm_the_ranks_words_tell(
    folder: Path, statuses: tuple[int | None, ...], outcome: Outcome, reason: str
) -> None:
    ranks_end(folder, *statuses)
    run = describe_run(folder, JOB, 0)
    assert run.outcome == outcome
    assert reason in run.reason


def test_of_a_job_that_slurm_ended_for_memory_the_present_micro_batch_is_told(folder: Path) -> None:
    job = replace(JOB, command=["trainer", "--micro-batch-slots", "4096"])
    run = describe_run(folder, job, 0, "OUT_OF_MEMORY")
    assert (run.outcome, run.reason) == ("out of memory", "micro_batch_slots is 4096 now")


def test_of_several_failures_the_first_in_time_is_the_cause(folder: Path) -> None:
    for rank, (status, ended) in enumerate([(1, 30.0), (1, 20.0), (65, 10.0), (-15, 40.0)]):
        write_json(status_path(folder / "jobs", "101", 0, rank), {"rank": rank, "status": status, "ended": ended})
    run = describe_run(folder, JOB, 0)
    assert (run.outcome, run.ended) == ("refused", 40.0)
    assert run.reason.startswith("rank 2 ended with status 65")


def test_the_last_words_of_the_rank_that_failed_are_told(folder: Path) -> None:
    log_path(folder / "jobs", "101", 1, "err").write_text("Traceback\nValueError: no such thing\n")
    ranks_end(folder, 0, 1, 0, 0)
    assert describe_run(folder, JOB, 0).reason.endswith("ends with:\nTraceback\nValueError: no such thing")


@pytest.mark.parametrize(
    ("words", "outcome"),
    [
        ("slurmstepd: error: execve(): env: No such file or directory", "unknown"),
        ("/bin/sh: can't open '/repository/slurm/node/hold_signals.sh'", "unknown"),
        ("slurmstepd: error: Detected 1 oom_kill event in StepId=101.0.", "out of memory"),
        ("srun: error: nid005001: task 0: Out Of Memory", "out of memory"),
    ],
)
@pytest.mark.parametrize("rank", [0, 2])
def test_of_ranks_that_never_started_their_log_tells(folder: Path, words: str, outcome: Outcome, rank: int) -> None:
    log = log_path(folder / "jobs", "101", rank, "err")
    log.write_text(f"{words}\n")
    run = describe_run(folder, JOB, 0)
    assert run.outcome == outcome
    assert run.reason == f"4 of 4 ranks left no word; {log} ends with:\n{words}"


def test_what_a_log_says_of_an_earlier_run_is_not_told_of_this_one(folder: Path) -> None:
    log = log_path(folder / "jobs", "101", 0, "err")
    log.write_text("of the run before\n")
    os.utime(log, (1, 1))
    assert describe_run(folder, JOB, 0).reason == "4 of 4 ranks left no word"


@pytest.mark.parametrize(
    ("minutes_ago", "outcome"), [(595, "time limit"), (600, "time limit"), (593, "time limit"), (300, "preempted")]
)
def test_a_signal_long_before_the_time_limit_was_not_because_of_it(
    folder: Path, minutes_ago: float, outcome: Outcome
) -> None:
    started_ago(folder, minutes_ago)
    ranks_end(folder, 75, 75, 75, 75, signals=(signal.SIGUSR2,))
    assert describe_run(folder, JOB, 0, signal_at=300).outcome == outcome


def test_a_job_without_time_limit_was_stopped_by_somebody(folder: Path) -> None:
    ranks_end(folder, 75, 75, 75, 75)
    assert describe_run(folder, replace(JOB, minutes=0), 0).outcome == "stopped"


def test_slurms_word_goes_before_the_ranks_where_it_says_why(folder: Path) -> None:
    ranks_end(folder, -15, 75, 75, 75)
    assert describe_run(folder, JOB, 0, "CANCELLED", "by user 1000").outcome == "cancelled"
    assert describe_run(folder, JOB, 0, "FAILED").outcome == "rank died"


def test_steps_and_time_are_those_of_the_run(folder: Path) -> None:
    started_ago(folder, 60)
    (folder / "checkpoints/step-00000012").mkdir(parents=True)
    (folder / "checkpoints/step-00000012/manifest.json").touch()
    ranks_end(folder, 0, 0, 0, 0)
    run = describe_run(folder, JOB, 0)
    assert (run.first_step, run.last_step, run.partition, run.nodes) == (3, 12, "p", 2)
    assert 3599 < run.ended - run.started < 3700


def test_a_run_whose_rank_0_never_began_made_no_steps(tmp_path: Path) -> None:
    run = describe_run(tmp_path, JOB, 0, "TIMEOUT")
    assert run.first_step == run.last_step == 0


@pytest.mark.parametrize(
    ("state", "outcome"),
    [("NODE_FAIL", "node failure"), ("PREEMPTED", "preempted"), ("", "requeued"), ("RUNNING", "requeued")],
)
def test_a_job_that_slurm_put_back_without_asking_says_so_when_it_runs_again(
    folder: Path, state: str, outcome: Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALASIN_ENDED_AS", state)
    record_requeue(folder, "101", 0)
    record_requeue(folder, "999", 1)
    assert read_history(folder) == []
    record_requeue(folder, "101", 1)
    assert [(run.restart, run.outcome, run.first_step) for run in read_history(folder)] == [(0, outcome, 3)]


def test_a_run_that_its_own_batch_script_put_back_is_recorded_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started_ago(folder, 595)
    ranks_end(folder, 75, 75, 75, 75)
    assert conclude(folder, folder / "done", "101", 0, 300)
    monkeypatch.setenv("ALASIN_ENDED_AS", "REQUEUED")
    record_requeue(folder, "101", 1)
    assert [run.outcome for run in read_history(folder)] == ["time limit"]


def test_a_job_that_slurm_is_ending_leaves_the_word_to_slurm(folder: Path) -> None:
    ranks_end(folder, 75, 75, 75, 75, signals=(signal.SIGTERM,))
    assert not conclude(folder, folder / "done", "101", 0, 300)
    assert read_history(folder) == []


def test_a_phase_whose_result_is_there_is_not_put_back(folder: Path) -> None:
    ranks_end(folder, 0, -6, 0, 0)
    (folder / "done").touch()
    assert not conclude(folder, folder / "done", "101", 0, 300)


def test_the_last_act_of_an_unrecorded_job_is_an_error(folder: Path) -> None:
    with pytest.raises(UserError, match=r"job.json is not the record of job 102; it will not be put back"):
        conclude(folder, folder / "done", "102", 0, 300)


def test_a_run_is_in_the_history_once_and_its_restart_beside_it(tmp_path: Path) -> None:
    for run in (RUN, RUN, replace(RUN, outcome="unknown"), replace(RUN, restart=1, started=3.0), RUN):
        append_run(tmp_path, run)
    assert [(run.restart, run.outcome) for run in read_history(tmp_path)] == [(0, "time limit"), (1, "time limit")]


def test_without_a_history_there_are_no_runs(tmp_path: Path) -> None:
    assert read_history(tmp_path) == []


@given(cut=st.integers(1, 400), runs=st.integers(1, 3))
def test_a_history_cut_off_anywhere_loses_its_last_run_at_most_and_goes_on(
    tmp_path_factory: pytest.TempPathFactory, cut: int, runs: int
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    written = [replace(RUN, restart=restart, reason="ä\n\u2028") for restart in range(runs)]
    for run in written:
        append_run(folder, run)
    lines = history_path(folder).read_bytes().splitlines(keepends=True)
    last = lines[-1][: -min(cut, len(lines[-1]))]
    history_path(folder).write_bytes(b"".join(lines[:-1]) + last)
    assert read_history(folder) == written[:-1]
    after = replace(RUN, restart=9)
    append_run(folder, after)
    assert read_history(folder) == [*written[:-1], after]


@pytest.mark.parametrize("line", ["no JSON", "{}", "[]", '{"job_id": "1"}'])
def test_a_line_that_is_no_run_is_named(tmp_path: Path, line: str) -> None:
    append_run(tmp_path, RUN)
    with history_path(tmp_path).open("a") as stream:
        stream.write(line + "\n")
    with pytest.raises(UserError, match=r"jobs.jsonl, line 2 is not a run of a job"):
        read_history(tmp_path)


def test_an_outcome_that_nobody_knows_is_no_run(tmp_path: Path) -> None:
    append_run(tmp_path, replace(RUN, outcome="exploded"))  # type: ignore[arg-type]
    with pytest.raises(UserError, match="no outcome 'exploded'"):
        read_history(tmp_path)
