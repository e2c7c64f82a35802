"""What launch does about whatever Slurm can report; Slurm is a stand-in, and time passes at once."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import replace

import pytest

from corpus.files import UserError
from slurm import slurm_phase
from slurm.job import Job
from slurm.telling import StoppedError
from tests.slurm.fake.scheduler import FakeJob, FakeSlurm

pytest_plugins = ["tests.slurm.fake.plugin"]

REQUEUE_SECONDS = 300
MINUTE = 60.0


class Killed(BaseException):
    """SIGKILL, as far as a test can send it to itself."""


def finishes(job: FakeJob) -> Iterator[float]:
    job.start()
    yield MINUTE
    job.finish()


def ends_as(state: str, *statuses: int, progress: bool = True) -> object:
    """A life that runs for a minute and is then in `state`; its ranks end with `statuses`."""

    def life(job: FakeJob) -> Iterator[float]:
        job.start()
        yield MINUTE
        if progress:
            job.checkpoint()
        job.ranks_end(*statuses)
        job.state(state)

    return life


def waits_as(state: str, reason: str = "") -> object:
    """A life that is in `state` for five minutes, and then finishes."""

    def life(job: FakeJob) -> Iterator[float]:
        job.state(state, reason)
        yield 5 * MINUTE
        yield from finishes(job)

    return life


def test_a_phase_is_submitted_held_recorded_released_and_followed(fake_slurm: FakeSlurm) -> None:
    fake_slurm.lives = [finishes]
    history = fake_slurm.launch()
    assert [(run.job_id, run.outcome, run.first_step, run.last_step) for run in history] == [("101", "finished", 0, 1)]
    kinds = [call.split(" /")[0] for call in fake_slurm.calls() if "show job" not in call and "squeue" not in call]
    assert kinds == ["sbatch --test-only", "sbatch --hold", "scontrol release 101"]


@pytest.mark.parametrize(
    "state",
    [
        *("PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT"),
        *("RESIZING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "RESV_DEL_HOLD", "SPECIAL_EXIT"),
        *("POWER_UP_NODE", "UPDATE_DB", "EXPEDITING", "A_STATE_OF_A_LATER_SLURM"),
    ],
)
def test_a_job_that_has_not_ended_is_waited_for(fake_slurm: FakeSlurm, state: str) -> None:
    fake_slurm.lives = [waits_as(state)]
    fake_slurm.launch()
    assert fake_slurm.states() == {"101": "COMPLETED"}
