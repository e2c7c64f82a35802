"""A Slurm that is away or takes no job, launches that die, and those that come after them; Slurm is a stand-in."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from common.errors import UserError
from common.processes import Received
from common.telling import StoppedError
from slurm.cluster.description import read_cluster
from slurm.node.lease import HeldElsewhereError, Lease, acquire
from slurm.phase import on_slurm
from slurm.records.job import Job, write_job
from tests.slurm.fake.lives import MINUTE, Killed, ends, finishes, killed
from tests.slurm.fake.scheduler import FakeJob, FakeSlurm

pytest_plugins = ["tests.slurm.fake.plugin"]

ACCOUNT = "allocation failure: Invalid account or account/partition combination specified"


@pytest.mark.parametrize("command", ["sbatch", "squeue", "scontrol release", "scontrol --oneliner", "s"])
def test_a_controller_that_is_away_for_twenty_minutes_is_waited_for(
    fake_slurm: FakeSlurm, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_slurm.trouble(command)
    fake_slurm.lives = [finishes]
    fake_slurm.launch()
    assert fake_slurm.states() == {"101": "COMPLETED"}
    assert 1200 < fake_slurm.now < 1400
    output = capsys.readouterr().err
    assert output.count("Slurm does not answer") == output.count("Slurm answers again") == 1


def test_a_controller_that_goes_away_while_a_job_runs_is_waited_for(fake_slurm: FakeSlurm) -> None:
    fake_slurm.lives = [finishes]
    fake_slurm.at(20.0, lambda: fake_slurm.trouble("s"))
    fake_slurm.launch()
    assert fake_slurm.states() == {"101": "COMPLETED"}


def test_a_job_whose_nodes_could_not_start_it_is_released(
    fake_slurm: FakeSlurm, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails_to_launch(job: FakeJob) -> Iterator[float]:
        for _ in range(2):
            job.state("PENDING", "launch_failed_requeued_held")
            yield MINUTE
            job.state("PENDING", "Priority")
            yield 2 * MINUTE
        yield from finishes(job)

    fake_slurm.lives = [fails_to_launch]
    fake_slurm.launch()
    assert fake_slurm.states() == {"101": "COMPLETED"}
    assert "could not be started on its nodes" in capsys.readouterr().err
    assert 2 <= len(fake_slurm.calls("scontrol release")) <= 4


def test_a_job_that_no_node_starts_is_told_after_some_tries(fake_slurm: FakeSlurm) -> None:
    def never_starts(job: FakeJob) -> Iterator[float]:
        job.state("PENDING", "launch_failed_requeued_held")
        yield 600 * MINUTE

    fake_slurm.lives = [never_starts]
    with pytest.raises(UserError, match=r"job 101 could not be started .*`scontrol release 101` lets it try again"):
        fake_slurm.launch()
    assert len(fake_slurm.calls("scontrol release")) == 1 + 3
    assert fake_slurm.now < 10 * MINUTE


@pytest.mark.parametrize("reason", ["JobHeldAdmin", "BadConstraints"])
def test_a_job_that_waits_for_a_person_is_told_at_once(fake_slurm: FakeSlurm, reason: str) -> None:
    def waits(job: FakeJob) -> Iterator[float]:
        job.state("PENDING", reason)
        yield 600 * MINUTE

    fake_slurm.lives = [waits]
    with pytest.raises(UserError, match=rf"job 101 waits without end \({reason}\): .*`scancel 101`"):
        fake_slurm.launch()
    assert fake_slurm.states() == {"101": "PENDING"}


def test_accounting_that_is_away_is_waited_for_too(fake_slurm: FakeSlurm) -> None:
    def life(job: FakeJob) -> Iterator[float]:
        yield from ends("TIMEOUT")(job)
        job.state("TIMEOUT", purged=True)
        fake_slurm.trouble("sacct", "sacct: error: Problem talking to the database: Connection refused")

    fake_slurm.lives = [life, finishes]
    fake_slurm.launch()
    assert fake_slurm.outcomes() == ["time limit", "finished"]


def test_a_job_that_slurm_took_without_an_answer_is_cancelled_before_another_is_submitted(
    fake_slurm: FakeSlurm,
) -> None:
    text = "Batch job submission failed: Socket timed out on send/recv operation"
    fake_slurm.trouble("sbatch", text, seconds=1.0, lost=True)
    fake_slurm.lives = [finishes]
    fake_slurm.launch()
    assert fake_slurm.states() == {"101": "CANCELLED", "102": "COMPLETED"}
    assert fake_slurm.calls("scontrol release") == ["scontrol release 102"]


def test_a_job_whose_launch_died_before_recording_it_never_runs(
    fake_slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_slurm.lives = [finishes]
    with monkeypatch.context() as dying:
        dying.setattr(on_slurm, "write_job", killed)
        with pytest.raises(Killed):
            fake_slurm.launch()
    fake_slurm.sleep(10 * MINUTE)
    assert fake_slurm.states() == {"101": "PENDING"}
    fake_slurm.launch()
    assert fake_slurm.states() == {"101": "CANCELLED", "102": "COMPLETED"}


def test_a_job_whose_launch_died_before_releasing_it_is_released_by_the_next(
    fake_slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_slurm.lives = [finishes]
    with monkeypatch.context() as dying:
        dying.setattr(on_slurm.SlurmPhase, "_release", killed)
        with pytest.raises(Killed):
            fake_slurm.launch()
    fake_slurm.launch()
    assert fake_slurm.states() == {"101": "COMPLETED"}


def test_a_launch_whose_turn_comes_after_another_has_submitted_follows_that_job(
    fake_slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def another_is_first(folder: Path) -> Lease:
        monkeypatch.setattr(on_slurm, "acquire", acquire)
        on_slurm.SlurmPhase(fake_slurm.request, read_cluster("generic"), Received())._submit()
        return acquire(folder)

    monkeypatch.setattr(on_slurm, "acquire", another_is_first)
    fake_slurm.lives = [finishes]
    fake_slurm.launch()
    assert fake_slurm.states() == {"101": "COMPLETED"}
    assert "attached to job 101, submitted" in capsys.readouterr().err


def test_a_launch_waits_for_another_that_is_submitting(
    fake_slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def held(folder: Path) -> Lease:
        monkeypatch.setattr(on_slurm, "acquire", acquire)
        raise HeldElsewhereError("pid 7 on uan02")

    monkeypatch.setattr(on_slurm, "acquire", held)
    fake_slurm.lives = [finishes]
    fake_slurm.launch()
    assert fake_slurm.states() == {"101": "COMPLETED"}
    assert "another launch (pid 7 on uan02) is submitting the job" in capsys.readouterr().err


def test_a_job_of_that_name_which_nobody_recorded_is_not_doubled(fake_slurm: FakeSlurm) -> None:
    fake_slurm.lives = [ends("RUNNING")]
    fake_slurm.at(70.0, killed)
    with pytest.raises(Killed):
        fake_slurm.launch()
    (fake_slurm.request.folder / "job.json").unlink()
    with pytest.raises(UserError, match=r"job 101 .* is in the queue, but .* does not record it; end it with `scancel"):
        fake_slurm.launch()
    assert fake_slurm.states() == {"101": "RUNNING"}


def test_the_next_launch_attaches_to_a_running_job(fake_slurm: FakeSlurm, capsys: pytest.CaptureFixture[str]) -> None:
    fake_slurm.lives = [finishes]
    fake_slurm.at(30.0, killed)
    with pytest.raises(Killed):
        fake_slurm.launch()
    fake_slurm.launch()
    assert fake_slurm.states() == {"101": "COMPLETED"}
    assert "attached to job 101, submitted" in capsys.readouterr().err


def test_attaching_to_a_job_that_runs_another_command_is_an_error(fake_slurm: FakeSlurm) -> None:
    fake_slurm.lives = [finishes]
    fake_slurm.at(30.0, killed)
    with pytest.raises(Killed):
        fake_slurm.launch()
    fake_slurm.request = replace(fake_slurm.request, command=("other",))
    with pytest.raises(UserError, match=r"job 101 in .* runs another command \(train --slice 'a b'\)"):
        fake_slurm.launch()
    assert fake_slurm.states() == {"101": "RUNNING"}


def test_a_phase_that_ended_while_nobody_watched_needs_no_job(fake_slurm: FakeSlurm) -> None:
    fake_slurm.lives = [finishes]
    fake_slurm.at(30.0, killed)
    with pytest.raises(Killed):
        fake_slurm.launch()
    fake_slurm.sleep(10 * MINUTE)
    fake_slurm.launch()
    assert list(fake_slurm.states()) == ["101"]


def test_a_job_that_ended_while_nobody_watched_is_in_the_history_once(fake_slurm: FakeSlurm) -> None:
    fake_slurm.lives = [ends("TIMEOUT"), finishes]
    fake_slurm.at(30.0, killed)
    with pytest.raises(Killed):
        fake_slurm.launch()
    fake_slurm.sleep(10 * MINUTE)
    fake_slurm.launch()
    assert fake_slurm.outcomes() == ["time limit", "finished"]


def test_a_signal_lets_go_of_the_job(fake_slurm: FakeSlurm) -> None:
    fake_slurm.lives = [finishes]
    fake_slurm.at(30.0, lambda: fake_slurm.received.signals.append(signal.SIGINT))
    with pytest.raises(StoppedError, match="letting go of job 101, which goes on; `scancel 101` ends it"):
        fake_slurm.launch()
    assert fake_slurm.states() == {"101": "RUNNING"}
    assert fake_slurm.calls("scancel") == []
    fake_slurm.received.signals.clear()
    fake_slurm.launch()
    assert fake_slurm.states() == {"101": "COMPLETED"}


def test_a_signal_between_two_jobs_tells_of_no_job(fake_slurm: FakeSlurm) -> None:
    def life(job: FakeJob) -> Iterator[float]:
        yield from ends("TIMEOUT")(job)
        fake_slurm.trouble("sbatch")
        fake_slurm.at(fake_slurm.now + 5 * MINUTE, lambda: fake_slurm.received.signals.append(signal.SIGTERM))

    fake_slurm.lives = [life]
    with pytest.raises(StoppedError) as stopped:
        fake_slurm.launch()
    assert "101" not in str(stopped.value)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"partition": "nowhere"}, "there is no partition 'nowhere'; choose one of standard-g"),
        ({"partition": ""}, "no partition is given"),
        ({"partition": "standard-g", "minutes": 2881}, "standard-g runs at most 2 d"),
        ({"partition": "dev-g", "minutes": 60, "nodes": 33}, "dev-g gives a job at most 32 nodes"),
        ({"partition": "standard-g", "processes_per_node": 9}, "standard-g has 8 MI250X GCDs on a node"),
    ],
)
def test_what_a_partition_cannot_run_is_told_before_slurm_is_asked(
    fake_slurm: FakeSlurm, changes: dict[str, object], sentence: str
) -> None:
    fake_slurm.request = replace(fake_slurm.request, cluster="lumi", **changes)
    with pytest.raises(UserError) as error:
        fake_slurm.launch()
    assert sentence in str(error.value)
    assert fake_slurm.calls() == []
    assert list(fake_slurm.request.folder.iterdir()) == []


def test_where_an_account_is_needed_its_absence_is_told_and_nothing_is_submitted(fake_slurm: FakeSlurm) -> None:
    fake_slurm.request = replace(fake_slurm.request, cluster="lumi", partition="standard-g")
    with pytest.raises(UserError, match="SBATCH_ACCOUNT is not set"):
        fake_slurm.launch()
    assert fake_slurm.calls("sbatch") == []


def test_an_image_that_is_not_there_is_told_and_nothing_is_submitted(
    fake_slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_slurm.request = replace(fake_slurm.request, cluster="generic")
    monkeypatch.setenv("ALASIN_IMAGE", "/nowhere/image.sif")
    with pytest.raises(UserError, match=r"image /nowhere/image.sif \(from \$ALASIN_IMAGE\) is not there"):
        fake_slurm.launch()
    assert fake_slurm.calls("sbatch") == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (ACCOUNT, "Invalid account or account/partition combination"),
        (
            "Batch job submission failed: Job violates accounting/QOS policy",
            "Batch job submission failed: Job violates",
        ),
    ],
)
def test_what_slurm_would_not_take_is_one_sentence_and_nothing_is_left(
    fake_slurm: FakeSlurm, text: str, told: str, capfd: pytest.CaptureFixture[str]
) -> None:
    fake_slurm.trouble("sbatch", text)
    with pytest.raises(UserError) as error:
        fake_slurm.launch()
    assert str(error.value).startswith(f"Slurm would not take the job ({told}")
    assert "\n" not in str(error.value)
    assert "".join(capfd.readouterr()) == ""
    assert fake_slurm.states() == {}
    assert not (fake_slurm.request.folder / "job.json").exists()
    assert list(fake_slurm.jobs.iterdir()) == []


def test_without_slurms_commands_it_says_where_to_run(fake_slurm: FakeSlurm) -> None:
    shutil.rmtree(fake_slurm.folder / "bin")
    with pytest.raises(UserError, match=r"there is no squeue on PATH; run this .* on a login node"):
        fake_slurm.launch()


def test_a_record_of_a_job_without_slurm_is_not_overwritten(fake_slurm: FakeSlurm) -> None:
    write_job(fake_slurm.request.folder, Job("local", "7", 1, "laptop", "", [], pid=7))
    with pytest.raises(UserError, match="is of a job on laptop without Slurm"):
        fake_slurm.launch()
    assert fake_slurm.calls() == []
