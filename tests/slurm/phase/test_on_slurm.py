"""What launch does about whatever state of a job Slurm can report; Slurm is a stand-in, and time passes at once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from common.errors import UserError
from tests.slurm.fake.lives import MINUTE, Killed, asks_to_be_put_back, ends, finishes, killed, loses_a_node
from tests.slurm.fake.scheduler import FakeJob, FakeSlurm

pytest_plugins = ["tests.slurm.fake.plugin"]


def test_a_phase_is_submitted_held_then_recorded_then_released(fake_slurm: FakeSlurm) -> None:
    fake_slurm.lives = [finishes]
    history = fake_slurm.launch()
    assert [(run.job_id, run.outcome, run.first_step, run.last_step) for run in history] == [("101", "finished", 0, 1)]
    asked = [
        " ".join(call.split()[:3]) for call in fake_slurm.calls() if not call.startswith(("squeue", "scontrol --"))
    ]
    jobs = fake_slurm.jobs
    assert [call.replace(str(jobs), "jobs") for call in asked if "release" in call] == ["scontrol release 101"]
    assert [call.split(" /")[0] for call in asked] == ["sbatch", "scontrol release 101"]
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
    assert capsys.readouterr().err.count(f"job 101: pending ({reason})\n") == 1


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
        ("OUT_OF_MEMORY", (), "job 101 ended: out of memory. Set a smaller micro_batch_slots"),
        ("FAILED", (0, 71, 0, 0), "ran out of memory, of its device"),
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


def test_a_job_cancelled_while_it_waits_to_run_again_is_not_followed_by_another(fake_slurm: FakeSlurm) -> None:
    def life(job: FakeJob) -> Iterator[float]:
        job.start()
        yield MINUTE
        job.checkpoint()
        job.ranks_end(75)
        assert job.aftermath()
        job.requeue()
        yield 2 * MINUTE
        job.state("CANCELLED", accounted="CANCELLED by 1000", purged=True)

    fake_slurm.lives = [life]
    with pytest.raises(UserError, match="job 101 ended: cancelled"):
        fake_slurm.launch()
    fake_slurm.lives = [finishes]
    fake_slurm.launch()
    assert fake_slurm.outcomes() == ["preempted", "cancelled", "finished"]


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
    assert len(fake_slurm.calls("sbatch")) == 1


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
    acts = [call.split()[0] for call in fake_slurm.calls() if call.startswith(("sbatch", "scancel 101"))]
    assert acts[:2] == ["sbatch", "scancel"]
    assert acts[-1] == "sbatch"
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
