"""Launching, attaching, stopping and failing, each with real processes."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable

import pytest

from common.processes import start_ticks
from slurm.records.job import Job, write_job
from tests.slurm.standin import ROOT, Phase, end_of, wait_for

MakePhase = Callable[..., Phase]


def test_a_finished_phase_shows_rank_0s_output_and_ends_with_0(make_phase: MakePhase) -> None:
    phase = make_phase()
    phase.finish()
    status, output = phase.launch_to_end()
    assert status == 0
    assert "rank 0 trains\nrank 0 is done\n" in output
    assert "rank 1 trains" not in output
    job_id = phase.job()["job_id"]
    assert (phase.folder / "jobs" / f"{job_id}_1_log.out").read_text() == "rank 1 trains\n"
    assert phase.job()["command"] == phase.command


def test_ranks_learn_their_place_and_one_port_that_rank_0_can_listen_on(make_phase: MakePhase) -> None:
    phase = make_phase(rank0="bind")
    phase.finish()
    assert phase.launch_to_end(processes=3)[0] == 0
    starts = sorted(phase.starts(), key=lambda start: start["RANK"])
    assert [start["RANK"] for start in starts] == ["0", "1", "2"]
    assert [start["LOCAL_RANK"] for start in starts] == ["0", "1", "2"]
    assert {(start["WORLD_SIZE"], start["LOCAL_WORLD_SIZE"]) for start in starts} == {("3", "3")}
    assert {start["MASTER_ADDR"] for start in starts} == {"127.0.0.1"}
    assert len({start["MASTER_PORT"] for start in starts}) == 1
    assert {start["OMP_NUM_THREADS"] for start in starts} == {str(max(1, len(os.sched_getaffinity(0)) // 3))}


def test_nothing_runs_where_the_result_is_there(make_phase: MakePhase) -> None:
    phase = make_phase()
    (phase.folder / "done.json").touch()
    assert phase.launch_to_end()[0] == 0
    assert phase.starts() == []


def test_a_job_that_ends_without_the_result_is_an_error(make_phase: MakePhase) -> None:
    phase = make_phase(all="forget")
    phase.finish()
    status, output = phase.launch_to_end()
    assert status == 1
    assert f"did not make {phase.folder / 'done.json'}" in output


def test_folders_and_arguments_may_hold_spaces_and_quotes(make_phase: MakePhase) -> None:
    phase = make_phase("a 'b\" $c; d")
    phase.finish()
    assert phase.launch_to_end()[0] == 0
    assert len(phase.starts()) == 2


def test_a_failing_rank_ends_the_others_and_is_shown_with_its_last_words(make_phase: MakePhase) -> None:
    phase = make_phase(rank0="deaf", rank1="fail")
    status, output = phase.launch_to_end()
    assert status == 1
    log = phase.folder / "jobs" / f"{phase.job()['job_id']}_1_log.err"
    assert f"rank 1 on {socket.gethostname()} ended with status 3" in output
    assert str(log) in output
    assert "the trainer's own words" in output
    assert phase.living() == []
    assert len(phase.starts()) == 2


def test_a_killed_rank_is_named_and_ends_the_others(make_phase: MakePhase) -> None:
    phase = make_phase(all="deaf")
    launch = phase.launch()
    wait_for(lambda: len(phase.living()) == 2)
    rank_1 = next(start["pid"] for start in phase.starts() if start["RANK"] == "1")
    os.kill(rank_1, signal.SIGKILL)
    status, output = end_of(launch)
    assert status == 1
    assert f"rank 1 on {socket.gethostname()} was killed (signal 9" in output
    wait_for(lambda: phase.living() == [])


def test_a_command_that_does_not_exist_is_one_sentence(make_phase: MakePhase) -> None:
    status, output = make_phase().launch_to_end(command=["no-such-program"])
    assert status == 1
    assert "cannot start 'no-such-program'" in output
    assert "Traceback" not in output


def test_a_second_launch_attaches_to_the_job_of_a_killed_one(make_phase: MakePhase) -> None:
    phase = make_phase()
    first = phase.launch()
    wait_for(lambda: len(phase.living()) == 2)
    first.kill()
    first.wait()
    job = phase.job()
    second = phase.launch()
    assert second.stdout is not None
    assert f"attached to job {job['job_id']}" in second.stdout.readline()
    phase.finish()
    status, output = end_of(second)
    assert status == 0
    assert "rank 0 is done" in output
    assert phase.job() == job
    assert len(phase.starts()) == 2


def test_attaching_to_a_job_that_runs_another_command_is_an_error(make_phase: MakePhase) -> None:
    phase = make_phase()
    first = phase.launch()
    wait_for(lambda: len(phase.living()) == 2)
    first.kill()
    first.wait()
    status, output = phase.launch_to_end(command=["true"])
    assert status == 1
    assert "runs another command" in output
    assert len(phase.living()) == 2


def test_of_two_launches_at_once_one_trains_and_the_other_waits_for_its_result(make_phase: MakePhase) -> None:
    phase = make_phase()
    first = phase.launch()
    wait_for(lambda: len(phase.living()) == 2)
    second = phase.launch()
    assert second.stdout is not None
    assert f"another launch (pid {first.pid} on {socket.gethostname()} since " in second.stdout.readline()
    phase.finish()
    assert end_of(first)[0] == 0
    assert end_of(second)[0] == 0
    assert len(phase.starts()) == 2


def test_a_waiting_launch_that_is_stopped_leaves_the_others_job_alone(make_phase: MakePhase) -> None:
    phase = make_phase()
    phase.launch()
    wait_for(lambda: len(phase.living()) == 2)
    second = phase.launch()
    assert second.stdout is not None
    second.stdout.readline()
    second.send_signal(signal.SIGINT)
    assert end_of(second)[0] == 130
    assert len(phase.living()) == 2
    assert phase.checkpoints() == []


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_launch_lets_the_ranks_checkpoint(make_phase: MakePhase, number: signal.Signals, status: int) -> None:
    phase = make_phase()
    launch = phase.launch()
    wait_for(lambda: len(phase.living()) == 2)
    launch.send_signal(number)
    ended, output = end_of(launch)
    assert ended == status
    assert "stopped; the same command continues from the last checkpoint" in output
    assert phase.checkpoints() == ["0", "1"]
    assert phase.living() == []


def test_a_launch_stopped_at_once_leaves_nothing_behind_and_can_be_continued(make_phase: MakePhase) -> None:
    phase = make_phase()
    launch = phase.launch()
    wait_for((phase.folder / "job.json").exists)
    launch.send_signal(signal.SIGTERM)
    assert end_of(launch)[0] == 143
    assert phase.living() == []
    phase.finish()
    assert phase.launch_to_end()[0] == 0


def test_a_second_interrupt_kills_ranks_that_do_not_listen(make_phase: MakePhase) -> None:
    phase = make_phase(all="deaf")
    launch = phase.launch()
    wait_for(lambda: len(phase.living()) == 2)
    launch.send_signal(signal.SIGINT)
    assert launch.stdout is not None
    while "once more kills it" not in launch.stdout.readline():
        pass
    launch.send_signal(signal.SIGINT)
    status, output = end_of(launch)
    assert status == 130
    assert "killed; the same command continues" in output
    wait_for(lambda: phase.living() == [])


@pytest.mark.parametrize("rank", ["0", "1"])
def test_a_rank_that_aborts_at_its_exit_does_no_harm_to_a_phase_that_is_done(make_phase, rank):
    phase = make_phase(**{f"rank{rank}": "abort"})
    phase.finish()
    status, output = phase.launch_to_end()
    assert status == 0, output
    assert f"{phase.folder / 'done.json'} is there" in output


def test_after_everything_was_killed_nothing_trains_on_and_the_next_launch_begins_anew(make_phase: MakePhase) -> None:
    phase = make_phase()
    launch = phase.launch()
    wait_for(lambda: len(phase.living()) == 2)
    killed = phase.job()["job_id"]
    launch.kill()
    os.kill(phase.job()["pid"], signal.SIGKILL)
    wait_for(lambda: phase.living() == [])
    phase.finish()
    status, output = phase.launch_to_end()
    assert status == 0
    assert "attached" not in output
    assert phase.job()["job_id"] != killed


def test_a_killed_job_is_an_error_that_says_how_to_go_on(make_phase: MakePhase) -> None:
    phase = make_phase()
    launch = phase.launch()
    wait_for(lambda: len(phase.living()) == 2)
    os.kill(phase.job()["pid"], signal.SIGKILL)
    status, output = end_of(launch)
    assert status == 1
    assert "killed from outside, or its disk or memory is full; the same command continues" in output


def test_a_record_whose_pid_is_another_process_by_now_is_stale(make_phase: MakePhase) -> None:
    phase = make_phase()
    phase.finish()
    job = Job("local", "1", 2, socket.gethostname(), "2026-01-01T00:00:00+00:00", phase.command, os.getpid(), 1)
    write_job(phase.folder, job)
    status, output = phase.launch_to_end()
    assert status == 0
    assert "attached" not in output


def test_a_broken_record_is_one_sentence(make_phase: MakePhase) -> None:
    phase = make_phase()
    (phase.folder / "job.json").write_text('{"job_id": "1"}')
    status, output = phase.launch_to_end()
    assert status == 1
    assert "does not describe a job" in output
    assert "Traceback" not in output


def test_a_job_submitted_twice_by_hand_does_not_train_twice(make_phase: MakePhase) -> None:
    phase = make_phase()
    launch = phase.launch(processes=1)
    wait_for(lambda: len(phase.living()) == 1)
    launch.kill()
    launch.wait()
    record = (phase.folder / "job.json").rename(phase.folder / "kept.json")
    status, output = phase.launch_to_end(processes=1)
    shutil.move(record, phase.folder / "job.json")
    assert status == 1
    assert f"is training in {phase.folder}; wait for it or end it" in output
    assert len(phase.starts()) == 1
    assert len(phase.living()) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR2])
def test_a_job_stopped_from_outside_is_continued_by_another(make_phase: MakePhase, number: signal.Signals) -> None:
    phase = make_phase()
    launch = phase.launch()
    wait_for(lambda: len(phase.living()) == 2)
    os.kill(phase.job()["pid"], number)
    wait_for(lambda: len(phase.starts()) == 4)
    phase.finish()
    assert end_of(launch)[0] == 0
    assert phase.checkpoints() == ["0", "1"]


def test_jobs_that_only_ever_ask_to_be_continued_end_in_an_error(make_phase: MakePhase) -> None:
    phase = make_phase(all="resumable")
    status, output = phase.launch_to_end(processes=1)
    assert status == 1
    assert "3 jobs in a row" in output
    assert len(phase.starts()) == 3


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--nodes", "2"], "is this machine alone, but --nodes is 2"),
        (["--nodes", "0"], "--nodes is 0; it must be at least 1"),
        (["--cluster", "nowhere"], "there is no cluster 'nowhere'; choose one of generic, local, lumi"),
    ],
)
def test_what_this_machine_cannot_run_is_an_error(make_phase: MakePhase, options: list[str], sentence: str) -> None:
    phase = make_phase()
    status, output = phase.launch_to_end(*options)
    assert status == 1
    assert sentence in output
    assert not (phase.folder / "job.json").exists()


def test_a_job_whose_launch_died_before_it_was_recorded_never_starts(make_phase: MakePhase) -> None:
    phase = make_phase()
    phase.finish()
    dying = (
        "import os, sys; from pathlib import Path\n"
        "from slurm.node import local_job; from slurm.records.request import Request\n"
        "def die(folder, job): print(job.pid, flush=True); os._exit(0)\n"
        "local_job.write_job = die\n"
        "folder = Path(sys.argv[1])\n"
        "local_job.submit(Request('local', '', 1, 1, 60, 0.0, 0.0, folder, folder / 'done', tuple(sys.argv[2:])))\n"
    )
    arguments = [sys.executable, "-c", dying, str(phase.folder), *phase.command]
    pid = int(subprocess.run(arguments, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout)
    wait_for(lambda: start_ticks(pid) is None)
    assert list((phase.folder / "jobs").glob("*_log.out")) == []
    assert phase.starts() == []


def test_a_phase_that_gives_up_is_told_of_at_once_and_one_that_is_stopped_is_not(
    make_phase: MakePhase, monkeypatch: pytest.MonkeyPatch
) -> None:
    phase = make_phase(rank0="deaf", rank1="fail")
    monkeypatch.setenv("ALASIN_MESSAGE", f'(echo "$ALASIN_SUBJECT"; cat) > {shlex.quote(str(phase.folder))}/told')
    assert phase.launch_to_end()[0] == 1
    told = (phase.folder / "told").read_text()
    assert told.startswith(f"alasin: phase {'/'.join(phase.folder.parts[-2:])} does not go on\n")
    assert "the trainer's own words" in told
    assert "goes on from the phase's last checkpoint" in told
    (phase.folder / "told").unlink()
    shutil.rmtree(phase.folder / "jobs")
    stopped = make_phase("stopped")
    launch = stopped.launch()
    wait_for(lambda: len(stopped.living()) == 2)
    launch.send_signal(signal.SIGINT)
    assert end_of(launch)[0] == 130
    assert not (phase.folder / "told").exists()
