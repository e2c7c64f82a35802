"""Phases on a real Slurm, met by what ends jobs: the same job goes on where it can, and no counted row is repeated."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from tests.slurm.real.real_cluster import RealCluster, run
from tests.slurm.real.small_phase import SmallPhase, report, same_weights


def test_a_phase_that_nobody_watches_outlives_its_walltimes_and_ends_with_the_same_weights(
    slurm_cluster: RealCluster, phase: SmallPhase, whole: SmallPhase
) -> None:
    # Slurm's signal comes 15 to 45 seconds after the start of a job of one minute: it makes 20 to 60 steps at most.
    launch = phase.launch(minutes=1, slow=1.5)
    phase.wait_for_step(2)
    launch.kill()
    launch.wait()
    slurm_cluster.wait_for(lambda: [ended.outcome for ended in phase.history()][1:2] == ["time limit"], "two cuts", 300)
    phase.hurry()
    # Enough of that: a slow machine makes few steps between its start and the next signal.
    run("scontrol", "update", f"JobId={phase.job()['job_id']}", "TimeLimit=30")
    slurm_cluster.wait_for((phase.folder / "checkpoint.json").exists, "the phase is done", 300)
    slurm_cluster.wait_for(lambda: not slurm_cluster.jobs(), "the job has ended", 30)
    phase.finish(phase.launch())
    report(phase, "walltime")
    assert [ended.outcome for ended in phase.history()][:2] == ["time limit", "time limit"]
    assert phase.history()[-1].outcome == "finished"
    assert len(phase.job_ids()) == 1
    assert phase.repeated() == 0
    phase.check_rows()
    assert same_weights(phase, whole)


def test_a_killed_launch_is_followed_by_one_that_attaches_to_the_same_job(phase: SmallPhase, whole: SmallPhase) -> None:
    first = phase.launch()
    phase.wait_for_step(10)
    first.kill()
    first.wait()
    second, attached = phase.launch(), f"attached to job {phase.job()['job_id']}"
    phase.cluster.wait_for(lambda: attached in phase.outputs[-1].read_text(), "the second launch attaches")
    phase.finish(second)
    report(phase, "launch killed")
    assert len(phase.job_ids()) == 1
    assert phase.repeated() == 0
    phase.check_rows()
    assert same_weights(phase, whole)


def test_a_node_that_crashes_sends_the_same_job_back_into_the_queue(phase: SmallPhase, whole: SmallPhase) -> None:
    launch = phase.launch()
    phase.wait_for_step(20)
    last, event = phase.steps(), time.time()
    phase.cluster.crash("nid005002")
    phase.cluster.wait_for(lambda: not phase.ranks("nid005002"), "the node's ranks are gone")
    phase.cluster.start("nid005002")
    seconds = phase.seconds_until_trained_on(event, last)
    phase.finish(launch)
    report(phase, "node crashed", seconds)
    assert len(phase.job_ids()) == 1
    phase.check_rows()
    assert same_weights(phase, whole)


def test_a_slurmd_that_dies_alone_does_no_harm(phase: SmallPhase) -> None:
    launch = phase.launch()
    phase.wait_for_step(20)
    slurmd = int((phase.cluster.folder / "run/slurmd.nid005002.pid").read_text())
    os.kill(slurmd, signal.SIGKILL)
    last = phase.steps()
    phase.cluster.wait_for(
        lambda: phase.steps() > last and not os.path.lexists(f"/proc/{slurmd}/exe"), "steps without it"
    )
    phase.cluster.start("nid005002")
    phase.finish(launch)
    report(phase, "slurmd killed")
    phase.check_rows()


@pytest.mark.parametrize("grace", [0, 20])
def test_a_preempted_phase_goes_on_when_its_nodes_are_free(phase: SmallPhase, grace: int) -> None:
    phase.cluster.set_grace(grace)
    launch = phase.launch()
    phase.wait_for_step(20)
    last, event = phase.steps(), time.time()
    urgent = phase.cluster.submit("srun sleep 5", "-p", "urgent-g", "-N", "2", "--exclusive", "-t", "2")
    phase.cluster.wait_for_state(urgent, "RUNNING", 90)
    seconds = phase.seconds_until_trained_on(event, last)
    phase.finish(launch)
    report(phase, f"preempted, grace {grace} s", seconds)
    assert [run.outcome for run in phase.history()] == ["preempted", "finished"]
    assert len(phase.job_ids()) == 1
    phase.check_rows()


def test_scancel_ends_the_phase_with_a_message_and_the_same_command_continues_it(phase: SmallPhase) -> None:
    launch = phase.launch()
    phase.wait_for_step(20)
    first = phase.job()["job_id"]
    run("scancel", first)
    said = phase.finish(launch, status=1)
    assert f"job {first} ended: cancelled (by user 0). The same command continues from the last checkpoint." in said
    event, last = time.time(), phase.steps()
    launch = phase.launch()
    seconds = phase.seconds_until_trained_on(event, last)
    phase.finish(launch)
    report(phase, "scancel, then the same command", seconds)
    assert len(phase.job_ids()) == 2
    phase.check_rows()


@pytest.mark.parametrize(
    ("number", "outcome", "processes"), [(signal.SIGKILL, "rank died", 2), (signal.SIGSTOP, "hung", 1)]
)
def test_a_rank_that_dies_or_hangs_ends_the_job_which_is_tried_again(
    phase: SmallPhase, number: signal.Signals, outcome: str, processes: int
) -> None:
    launch = phase.launch(step_seconds=8, processes=processes)
    phase.wait_for_step(20)
    last, event = phase.steps(), time.time()
    os.kill(phase.ranks("nid005002")[0], number)
    seconds = phase.seconds_until_trained_on(event, last)
    phase.finish(launch)
    report(phase, f"rank {outcome}", seconds)
    assert [run.outcome for run in phase.history()] == [outcome, "finished"]
    assert len(phase.job_ids()) == 1
    phase.check_rows()


def test_a_worker_that_is_killed_takes_its_rank_along_and_the_job_is_tried_again(phase: SmallPhase) -> None:
    launch = phase.launch()
    phase.wait_for_step(20)
    rank = phase.ranks("nid005002")[0]
    os.kill(int(Path(f"/proc/{rank}/stat").read_text().rpartition(")")[2].split()[1]), signal.SIGKILL)
    phase.finish(launch)
    report(phase, "worker killed")
    assert len(phase.job_ids()) == 1
    phase.check_rows()


def test_a_controller_that_restarts_is_waited_for(phase: SmallPhase) -> None:
    launch = phase.launch()
    phase.wait_for_step(20)
    said = phase.outputs[-1]
    noticed = "Slurm does not answer"
    phase.cluster.restart_controller(
        lambda: phase.cluster.wait_for(
            lambda: noticed in said.read_text() or launch.poll() is not None, "launch notices"
        )
    )
    told = phase.finish(launch)
    report(phase, "controller restarted")
    assert noticed in told
    assert "Slurm answers again" in told
    assert [run.outcome for run in phase.history()] == ["finished"]
    phase.check_rows()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"partition": "small-g", "minutes": 73 * 60}, "runs at most 3 d (4320 minutes) a job"),
        ({"partition": "small-g", "nodes": 5}, "4 nodes"),
        ({"partition": "small-g", "processes": 9}, "8"),
        ({"partition": "nowhere-g"}, "nowhere-g"),
        ({"partition": "lost-g"}, "Invalid partition"),
        ({"account": "project_1"}, "Invalid account"),
        ({"account": ""}, "SBATCH_ACCOUNT is not set"),
        ({"partition": "standard-g", "nodes": 3}, "Slurm would not take the job"),
    ],
)
def test_what_the_cluster_cannot_run_is_one_sentence_and_nothing_is_submitted(
    phase: SmallPhase, options: dict[str, object], sentence: str
) -> None:
    before = run("squeue", "--noheader", "--states=all", "--format=%i").split()
    said = phase.finish(phase.launch(**options), status=1)  # type: ignore[arg-type]
    assert sentence in said
    assert said.startswith("error: ")
    assert len(said.splitlines()) == 1
    assert run("squeue", "--noheader", "--states=all", "--format=%i").split() == before


def test_options_in_the_environment_of_a_site_change_neither_the_job_nor_what_is_seen_of_it(phase: SmallPhase) -> None:
    variables = {"SBATCH_TIMELIMIT": "1", "SBATCH_EXPORT": "NONE", "SBATCH_NO_REQUEUE": "1", "SLURM_EXPORT_ENV": "NONE"}
    variables |= {"SQUEUE_STATES": "FAILED", "SQUEUE_FORMAT": "%i", "SACCT_FORMAT": "JobID", "SLURM_MEM_PER_CPU": "1"}
    launch = phase.launch(variables=variables)
    phase.wait_for_step(10)
    shown = run("scontrol", "--oneliner", "show", "job", phase.job()["job_id"])
    assert " TimeLimit=00:30:00 " in shown
    assert " Requeue=1 " in shown
    phase.finish(launch)
    assert len(phase.job_ids()) == 1
    phase.check_rows()


def test_ranks_that_never_start_are_told_by_their_log(phase: SmallPhase, tmp_path: Path) -> None:
    described = yaml.safe_load(Path(__file__).with_name("cluster.yaml").read_text())
    described["container"] = {"program": "/nowhere/singularity exec", "image": str(Path(__file__))}
    (tmp_path / "broken.yaml").write_text(yaml.safe_dump(described))
    said = phase.finish(phase.launch(where=str(tmp_path / "broken.yaml"), processes=2), status=1)
    report(phase, "ranks never started")
    assert "4 of 4 ranks left no word" in said
    assert "/nowhere/singularity: No such file or directory" in said
    assert "checkpoint more often" not in said


def test_an_interrupted_launch_lets_go_of_the_job(phase: SmallPhase) -> None:
    launch = phase.launch()
    phase.wait_for_step(10)
    launch.send_signal(signal.SIGINT)
    said = phase.finish(launch, status=130)
    job_id = phase.job()["job_id"]
    assert f"letting go of job {job_id}, which goes on; `scancel {job_id}` ends it" in said
    phase.cluster.wait_for_state(job_id, "RUNNING", 5)
    phase.finish(phase.launch())
    assert phase.job_ids() == [job_id]


def test_in_a_container_without_slurms_commands_a_signalled_phase_goes_on_as_the_same_job(
    phase: SmallPhase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = tmp_path / "an image.sif"
    image.touch()
    monkeypatch.setenv("ALASIN_IMAGE", str(image))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    described = yaml.safe_load(Path(__file__).with_name("cluster.yaml").read_text())
    program = str(Path(__file__).with_name("container.sh"))
    described["container"] = {"program": program, "image": "$ALASIN_IMAGE", "binds": ["/tmp:/tmp"]}
    (tmp_path / "contained.yaml").write_text(yaml.safe_dump(described))
    launch = phase.launch(where=str(tmp_path / "contained.yaml"))
    phase.wait_for_step(20)
    last, event = phase.steps(), time.time()
    run("scancel", "--signal=USR2", phase.job()["job_id"])
    seconds = phase.seconds_until_trained_on(event, last)
    phase.finish(launch)
    report(phase, "signalled in a container", seconds)
    assert [run.outcome for run in phase.history()] == ["preempted", "finished"]
    assert len(phase.job_ids()) == 1
    assert phase.repeated() == 0
    phase.check_rows()


def test_a_signal_at_the_very_start_is_lost_on_no_rank(phase: SmallPhase) -> None:
    launch = phase.launch(processes=2)
    phase.cluster.wait_for((phase.folder / "job.json").exists, "a job")
    phase.cluster.wait_for_state(phase.job()["job_id"], "RUNNING")
    steps = phase.folder / "jobs"
    phase.cluster.wait_for(lambda: len(list(steps.glob("*_log.out"))) == 4, "four ranks have started", 30)
    run("scancel", "--signal=USR2", phase.job()["job_id"])
    phase.finish(launch)
    report(phase, "signalled at the start")
    assert [run.outcome for run in phase.history()] == ["preempted", "finished"]
    assert len(phase.job_ids()) == 1
    phase.check_rows()


def test_two_launches_at_once_train_once(phase: SmallPhase) -> None:
    launches = [phase.launch(), phase.launch()]
    said = [phase.finish(launch) for launch in launches]
    assert any("another launch" in text for text in said)
    assert len(phase.job_ids()) == 1
    phase.check_rows()


def test_a_job_submitted_twice_on_other_nodes_does_not_train_twice(phase: SmallPhase) -> None:
    launch = phase.launch(nodes=1)
    phase.wait_for_step(10)
    script = next(phase.folder.glob("jobs/*_submission.sh"))
    pickled = phase.folder / "jobs" / f"{phase.job()['job_id']}_submitted.pkl"
    command = ["sbatch", "--parsable", "--hold", str(script)]
    second = subprocess.run(
        command, env=phase.cluster.environment, capture_output=True, text=True, check=True
    ).stdout.strip()
    pickled.with_name(f"{second}_submitted.pkl").write_bytes(pickled.read_bytes())
    run("scontrol", "release", second)
    words = phase.folder / "jobs" / f"{second}_0_log.err"
    phase.cluster.wait_for(
        lambda: words.exists() and "is training in" in words.read_text(), "the second job is refused"
    )
    phase.finish(launch)
    phase.check_rows()
