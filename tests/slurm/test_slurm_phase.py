"""What launch does about whatever Slurm can report; Slurm is a stand-in, and time passes at once."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from corpus.files import UserError
from slurm import slurm_phase
from slurm.job import Job, write_job
from slurm.telling import StoppedError
from tests.slurm.fake.scheduler import FakeJob, FakeSlurm, Life

pytest_plugins = ["tests.slurm.fake.plugin"]

MINUTE = 60.0
ACCOUNT = "allocation failure: Invalid account or account/partition combination specified"


class Killed(BaseException):
    """SIGKILL, as far as a test can send it to itself."""


def killed(*_: object) -> None:
    raise Killed


def finishes(job: FakeJob) -> Iterator[float]:
    job.start()
    yield MINUTE
    job.finish()


def ends(state: str, *statuses: int, progress: bool = True) -> Life:
    """A life of a minute; ranks leave `statuses`, and Slurm says `state`."""

    def life(job: FakeJob) -> Iterator[float]:
        job.start()
        yield MINUTE
        if progress:
            job.checkpoint()
        job.ranks_end(*statuses)
        job.state(state)

    return life


def asks_to_be_put_back(job: FakeJob) -> Iterator[float]:
    """Signalled before its time limit, it checkpoints, and its batch script puts it back, as often as it may."""
    while job.restart < 12:
        job.start()
        yield MINUTE
        job.checkpoint()
        job.ranks_end(75, signals=[signal.SIGUSR2])
        assert job.aftermath()
        job.requeue()
        yield 2 * MINUTE
    yield from finishes(job)


def loses_a_node(then: Callable[[FakeJob], Iterator[float]] | None) -> Life:
    """Slurm puts it back by itself after 100 seconds, unless `then` is None."""

    def life(job: FakeJob) -> Iterator[float]:
        job.start()
        yield MINUTE
        job.checkpoint()
        job.state("NODE_FAIL", "NodeDown", may_return=then is not None)
        if then:
            yield 100.0
            job.requeue()
            yield MINUTE
            yield from then(job)

    return life


def test_a_phase_is_submitted_held_then_recorded_then_released(fake_slurm: FakeSlurm) -> None:
    fake_slurm.lives = [finishes]
    history = fake_slurm.launch()
    assert [(run.job_id, run.outcome, run.first_step, run.last_step) for run in history] == [("101", "finished", 0, 1)]
    asked = [
        " ".join(call.split()[:3]) for call in fake_slurm.calls() if not call.startswith(("squeue", "scontrol --"))
    ]
    jobs = fake_slurm.jobs
    assert [call.replace(str(jobs), "jobs") for call in asked if "release" in call] == ["scontrol release 101"]
    assert [call.split(" /")[0] for call in asked] == ["sbatch --test-only", "sbatch --hold", "scontrol release 101"]
    assert (jobs / "101_submission.sh").exists()
    assert (jobs / "101_submitted.pkl").exists()


@pytest.mark.parametrize(
    "state",
    [
        *("PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT"),
        *("RESIZING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "RESV_DEL_HOLD", "SPECIAL_EXIT"),
        *("POWER_UP_NODE", "EXPEDITING", "A_STATE_OF_A_LATER_SLURM"),
    ],
)
def test_a_job_that_has_not_ended_is_waited_for(fake_slurm: FakeSlurm, state: str) -> None:
    def waits(job: FakeJob) -> Iterator[float]:
        job.state(state)
        yield 5 * MINUTE
        yield from finishes(job)

    fake_slurm.lives = [waits]
    fake_slurm.launch()
    assert fake_slurm.states() == {"101": "COMPLETED"}


@pytest.mark.parametrize("reason", ["Priority", "QOSMaxJobsPerUserLimit", "ReqNodeNotAvail,_Reserved_for_maintenance"])
def test_why_a_job_waits_is_told(fake_slurm: FakeSlurm, reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    def waits(job: FakeJob) -> Iterator[float]:
        job.state("PENDING", reason)
        yield 5 * MINUTE
        yield from finishes(job)

    fake_slurm.lives = [waits]
    fake_slurm.launch()
    assert capsys.readouterr().out.count(f"job 101: pending ({reason})\n") == 1


@pytest.mark.parametrize(
    ("state", "statuses", "outcome"),
    [
        ("TIMEOUT", (), "time limit"),
        ("DEADLINE", (), "time limit"),
        ("PREEMPTED", (), "preempted"),
        ("NODE_FAIL", (), "node failure"),
        ("BOOT_FAIL", (), "node failure"),
        ("LAUNCH_FAILED", (), "node failure"),
        ("RECONFIG_FAIL", (), "node failure"),
        ("COMPLETED", (75,), "time limit"),
        ("FAILED", (0, 0, 124, 0), "hung"),
        ("FAILED", (0, -9, 0, 0), "rank died"),
        ("FAILED", (75, 1, 75, 75), "rank died"),
        ("FAILED", (), "unknown"),
        ("COMPLETED", (), "unknown"),
    ],
)
def test_after_what_may_pass_another_job_continues(
    fake_slurm: FakeSlurm, state: str, statuses: tuple[int, ...], outcome: str
) -> None:
    fake_slurm.lives = [ends(state, *statuses), finishes]
    history = fake_slurm.launch()
    assert [(run.job_id, run.outcome) for run in history] == [("101", outcome), ("102", "finished")]
    assert [run.first_step for run in history] == [0, 1]


@pytest.mark.parametrize(
    ("state", "statuses", "sentence"),
    [
        ("CANCELLED", (), "job 101 ended: cancelled (by user 1000). The same command continues"),
        ("REVOKED", (), "job 101 ended: cancelled"),
        ("OUT_OF_MEMORY", (), "job 101 ended: out of memory. Set a smaller micro_batch_tokens"),
        ("FAILED", (0, 71, 0, 0), "had too little device memory"),
        ("FAILED", (65,), "job 101 ended: refused (rank 0 on "),
        ("COMPLETED", (0,), "ended without an error, but did not make"),
    ],
)
def test_after_what_would_come_again_no_other_job_follows(
    fake_slurm: FakeSlurm, state: str, statuses: tuple[int, ...], sentence: str
) -> None:
    def life(job: FakeJob) -> Iterator[float]:
        yield from ends(state, *statuses)(job)
        job.state(state, accounted="CANCELLED by 1000" if state == "CANCELLED" else "")

    fake_slurm.lives = [life]
    with pytest.raises(UserError) as error:
        fake_slurm.launch()
    assert sentence in str(error.value)
    assert list(fake_slurm.states()) == ["101"]


def test_after_it_stopped_the_same_command_continues(fake_slurm: FakeSlurm) -> None:
    fake_slurm.lives = [ends("OUT_OF_MEMORY"), finishes]
    with pytest.raises(UserError):
        fake_slurm.launch()
    assert [run.job_id for run in fake_slurm.launch()] == ["101", "102"]


def test_slurm_may_kill_job_after_job_at_its_time_limit(fake_slurm: FakeSlurm) -> None:
    fake_slurm.lives = [*[ends("TIMEOUT")] * 12, finishes]
    fake_slurm.launch()
    assert fake_slurm.outcomes() == ["time limit"] * 12 + ["finished"]


def test_a_job_that_puts_itself_back_twelve_times_is_never_submitted_again(fake_slurm: FakeSlurm) -> None:
    fake_slurm.lives = [asks_to_be_put_back]
    history = fake_slurm.launch()
    assert [(run.job_id, run.restart) for run in history] == [("101", restart) for restart in range(13)]
    assert [run.first_step for run in history] == list(range(13))
    assert len(fake_slurm.calls("sbatch --hold")) == 1


def test_two_jobs_in_a_row_without_a_checkpoint_are_the_last(fake_slurm: FakeSlurm) -> None:
    fake_slurm.lives = [ends("TIMEOUT"), ends("TIMEOUT", progress=False)]
    with pytest.raises(UserError, match="second run in a row that ended without a new checkpoint"):
        fake_slurm.launch()
    assert list(fake_slurm.states()) == ["101", "102", "103"]


def test_ranks_may_die_three_times_in_a_row_but_not_four(fake_slurm: FakeSlurm) -> None:
    fake_slurm.lives = [ends("FAILED", 0, -11, 0, 0)]
    with pytest.raises(UserError, match="failure 4 in a row"):
        fake_slurm.launch()
    assert fake_slurm.outcomes() == ["rank died"] * 4


def test_a_job_that_slurm_puts_back_after_a_node_failure_is_not_submitted_again(fake_slurm: FakeSlurm) -> None:
    fake_slurm.lives = [loses_a_node(finishes)]
    fake_slurm.launch()
    assert fake_slurm.states() == {"101": "COMPLETED"}
    assert fake_slurm.calls("scancel") == []
    assert fake_slurm.read()["jobs"]["101"]["restarts"] == 1


def test_a_job_that_slurm_does_not_put_back_is_given_up_after_a_while(fake_slurm: FakeSlurm) -> None:
    fake_slurm.lives = [loses_a_node(None), finishes]
    fake_slurm.launch()
    assert fake_slurm.states() == {"101": "NODE_FAIL", "102": "COMPLETED"}
    calls = [" ".join(call.split()[:2]) for call in fake_slurm.calls()]
    assert calls.index("scancel 101") < len(calls) - calls[::-1].index("sbatch --hold")
    assert 300 < fake_slurm.now < 600


def test_a_failed_node_found_by_the_next_launch_leads_to_one_job(fake_slurm: FakeSlurm) -> None:
    fake_slurm.lives = [loses_a_node(finishes), finishes]
    fake_slurm.at(80.0, killed)
    with pytest.raises(Killed):
        fake_slurm.launch()
    fake_slurm.launch()
    assert list(fake_slurm.states().values()).count("COMPLETED") == 1
    assert len([state for state in fake_slurm.states().values() if state in ("PENDING", "RUNNING")]) == 0


@pytest.mark.parametrize("accounting", [True, False])
@pytest.mark.parametrize("state", ["TIMEOUT", "NODE_FAIL", "COMPLETED"])
def test_a_job_that_the_controller_has_forgotten_is_still_concluded(
    fake_slurm: FakeSlurm, state: str, accounting: bool
) -> None:
    def life(job: FakeJob) -> Iterator[float]:
        yield from ends(state, 75)(job)
        job.state(state, purged=True)

    fake_slurm.write(accounting=accounting)
    fake_slurm.lives = [life, finishes]
    fake_slurm.launch()
    assert list(fake_slurm.states()) == ["101", "102"]
    told = {"NODE_FAIL": "node failure"}.get(state, "time limit") if accounting else "time limit"
    assert fake_slurm.outcomes()[0] in (told, "preempted")


def test_a_job_that_the_controller_forgot_but_accounting_thinks_runs_has_ended(fake_slurm: FakeSlurm) -> None:
    def life(job: FakeJob) -> Iterator[float]:
        job.start()
        yield MINUTE
        job.checkpoint()
        job.state("RUNNING", purged=True)

    fake_slurm.lives = [life, finishes]
    fake_slurm.launch()
    assert fake_slurm.outcomes() == ["unknown", "finished"]


@pytest.mark.parametrize(
    "command", ["sbatch --test-only", "sbatch --hold", "squeue", "scontrol release", "scontrol --oneliner", "s"]
)
def test_a_controller_that_is_away_for_twenty_minutes_is_waited_for(
    fake_slurm: FakeSlurm, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_slurm.trouble(command)
    fake_slurm.lives = [finishes]
    fake_slurm.launch()
    assert fake_slurm.states() == {"101": "COMPLETED"}
    assert 1200 < fake_slurm.now < 1400
    output = capsys.readouterr().out
    assert output.count("Slurm does not answer") == output.count("Slurm answers again") == 1


def test_a_controller_that_goes_away_while_a_job_runs_is_waited_for(fake_slurm: FakeSlurm) -> None:
    fake_slurm.lives = [finishes]
    fake_slurm.at(20.0, lambda: fake_slurm.trouble("s"))
    fake_slurm.launch()
    assert fake_slurm.states() == {"101": "COMPLETED"}


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
    fake_slurm.trouble("sbatch --hold", text, seconds=1.0, lost=True)
    fake_slurm.lives = [finishes]
    fake_slurm.launch()
    assert fake_slurm.states() == {"101": "CANCELLED", "102": "COMPLETED"}
    assert fake_slurm.calls("scontrol release") == ["scontrol release 102"]


def test_a_job_whose_launch_died_before_recording_it_never_runs(
    fake_slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_slurm.lives = [finishes]
    with monkeypatch.context() as dying:
        dying.setattr(slurm_phase, "write_job", killed)
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
        dying.setattr(slurm_phase.SlurmPhase, "_release", killed)
        with pytest.raises(Killed):
            fake_slurm.launch()
    fake_slurm.launch()
    assert fake_slurm.states() == {"101": "COMPLETED"}


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
    assert "attached to job 101, submitted" in capsys.readouterr().out


def test_attaching_to_a_job_that_runs_another_command_is_refused(fake_slurm: FakeSlurm) -> None:
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
        ({"partition": "standard-g", "minutes": 2881}, "standard-g runs at most 48 hours"),
        ({"partition": "dev-g", "minutes": 60, "nodes": 33}, "dev-g gives a job at most 32 nodes"),
        ({"partition": "standard-g", "processes_per_node": 9}, "standard-g has 8 MI250X GCDs on a node"),
    ],
)
def test_what_a_partition_cannot_run_is_refused_before_slurm_is_asked(
    fake_slurm: FakeSlurm, changes: dict[str, object], sentence: str
) -> None:
    fake_slurm.request = replace(fake_slurm.request, cluster="lumi", **changes)
    with pytest.raises(UserError) as error:
        fake_slurm.launch()
    assert sentence in str(error.value)
    assert fake_slurm.calls() == []
    assert list(fake_slurm.request.folder.iterdir()) == []


def test_where_an_account_is_needed_its_absence_is_told_before_slurm_is_asked(fake_slurm: FakeSlurm) -> None:
    fake_slurm.request = replace(fake_slurm.request, cluster="lumi", partition="standard-g")
    with pytest.raises(UserError, match="SBATCH_ACCOUNT is not set"):
        fake_slurm.launch()
    assert fake_slurm.calls() == []


def test_an_image_that_is_not_there_is_told_before_slurm_is_asked(
    fake_slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_slurm.request = replace(fake_slurm.request, cluster="generic")
    monkeypatch.setenv("ALASIN_IMAGE", "/nowhere/image.sif")
    with pytest.raises(UserError, match=r"image /nowhere/image.sif \(from \$ALASIN_IMAGE\) is not there"):
        fake_slurm.launch()
    assert fake_slurm.calls() == []


def test_what_slurm_would_refuse_is_one_sentence_and_nothing_is_submitted(fake_slurm: FakeSlurm) -> None:
    fake_slurm.trouble("sbatch --test-only", ACCOUNT)
    with pytest.raises(UserError) as error:
        fake_slurm.launch()
    assert str(error.value).startswith("Slurm would not take the job (Invalid account or account/partition combination")
    assert "\n" not in str(error.value)
    assert [call.split()[1] for call in fake_slurm.calls()] == ["--test-only"]
    assert list(fake_slurm.jobs.iterdir()) == []


def test_what_slurm_refuses_only_when_it_is_submitted_is_one_sentence_too(fake_slurm: FakeSlurm) -> None:
    limit = "Batch job submission failed: Job violates accounting/QOS policy (job submit limit)"
    fake_slurm.trouble("sbatch --hold", limit)
    with pytest.raises(UserError) as error:
        fake_slurm.launch()
    assert str(error.value).startswith("Slurm would not take the job (Batch job submission failed: Job violates")
    assert fake_slurm.states() == {}
    assert not (fake_slurm.request.folder / "job.json").exists()


def test_without_slurms_commands_it_says_where_to_run(fake_slurm: FakeSlurm) -> None:
    shutil.rmtree(fake_slurm.folder / "bin")
    with pytest.raises(UserError, match=r"there is no sbatch here; run this .* on a login node"):
        fake_slurm.launch()


def test_a_record_of_a_job_without_slurm_is_not_overwritten(fake_slurm: FakeSlurm) -> None:
    write_job(fake_slurm.request.folder, Job("local", "7", 1, "laptop", "", [], pid=7))
    with pytest.raises(UserError, match="is of a job on laptop without Slurm"):
        fake_slurm.launch()
    assert fake_slurm.calls() == []
