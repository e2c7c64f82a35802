"""What is on disk about a phase's jobs, in the phase's folder:

    launch.lock                      held while a launch works on this phase
    RUNNING                          held by rank 0 of the job that trains
    job.json                         the job submitted last
    jobs/{job_id}_submitted.pkl      submitit's pickle of the worker
    jobs/{job_id}_{rank}_log.out     the rank's standard output; .err its standard error
    jobs/{job_id}_{rank}_status.json how the rank ended
    jobs/{job_id}_rendezvous.json    the job's MASTER_PORT

A rank's status is its command's: 0 it finished, 75 it checkpointed and can be continued, negative a signal ended it.
"""

from __future__ import annotations

import os
import signal
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from corpus.files import UserError, read_json, write_json

RESUMABLE = os.EX_TEMPFAIL
"""Exit status of a command that was told to stop, wrote a checkpoint and wants to be run again: 75."""


@dataclass(frozen=True)
class Job:
    """The record of a submitted job."""

    cluster: str
    job_id: str
    processes: int
    """Ranks of the job."""
    pid: int
    """Process that stands for the job on `host`."""
    start_ticks: int
    """When that process started, in clock ticks since boot: tells it from a later process of the same pid."""
    host: str
    submitted: str
    """ISO 8601, UTC."""
    command: list[str]


@dataclass(frozen=True)
class Ended:
    """How a rank ended."""

    rank: int
    status: int
    ended: float
    """Seconds since the epoch."""

    def __str__(self) -> str:
        """Say it in words."""
        if self.status == -signal.SIGKILL:
            return f"rank {self.rank} was killed (signal 9; the machine may have run out of memory)"
        if self.status < 0:
            return f"rank {self.rank} was ended by signal {-self.status}"
        return f"rank {self.rank} ended with status {self.status}"


def write_job(folder: Path, job: Job) -> None:
    """Record `job` as the phase's latest, atomically."""
    write_json(folder / "job.json", asdict(job))


def read_job(folder: Path) -> Job | None:
    """Return the job submitted last, or None if there was none. Raises `UserError` where job.json is not a record."""
    path = folder / "job.json"
    if not path.exists():
        return None
    content: dict[str, Any] = read_json(path)
    try:
        return Job(**content)
    except TypeError as error:
        raise UserError(f"{path} does not describe a job ({error}); delete it if no job runs, and run again.") from None


def log_path(jobs: Path, job_id: str, rank: int, stream: str) -> Path:
    """Return where submitit has a rank's log; `stream` is "out" or "err"."""
    return jobs / f"{job_id}_{rank}_log.{stream}"


def status_path(jobs: Path, job_id: str, rank: int) -> Path:
    """Return where it is written how a rank ended."""
    return jobs / f"{job_id}_{rank}_status.json"


def rendezvous_path(jobs: Path, job_id: str) -> Path:
    """Return where rank 0 publishes the job's port."""
    return jobs / f"{job_id}_rendezvous.json"


def forget_namesake(jobs: Path, job_id: str, processes: int) -> None:
    """Remove what an earlier job of the same id left (local ids are pids, which come again); logs are appended to."""
    rendezvous_path(jobs, job_id).unlink(missing_ok=True)
    for rank in range(processes):
        status_path(jobs, job_id, rank).unlink(missing_ok=True)


def write_status(jobs: Path, job_id: str, rank: int, status: int) -> None:
    """Write how a rank ended, as of now."""
    write_json(status_path(jobs, job_id, rank), asdict(Ended(rank, status, time.time())))


def read_statuses(jobs: Path, job_id: str, processes: int) -> list[Ended]:
    """Return how the ranks ended that left word, the first to end first."""
    paths = [status_path(jobs, job_id, rank) for rank in range(processes)]
    return sorted((Ended(**read_json(path)) for path in paths if path.exists()), key=lambda ended: ended.ended)
