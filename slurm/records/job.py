"""What is on disk about a phase's jobs: `job.json` and `jobs/` in the phase's folder (docs/formats.md, Jobs).

A rank's status is its command's: 0 it finished, 75 it checkpointed and can be continued, 65 and 71 going on is useless,
negative a signal ended it. 124 says that it made no step for too long and was killed, 69 that another run held the
phase.
"""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from common.errors import UserError
from common.files import read_json, write_json
from common.locks import now
from slurm.records.request import Request

RESUMABLE = os.EX_TEMPFAIL
"""Exit status of a command that was told to stop, wrote a checkpoint and wants to be run again: 75."""
REFUSED = os.EX_DATAERR
"""Exit status of a command that will fail in the same way however often it is run: 65."""
OUT_OF_MEMORY = os.EX_OSERR
"""Exit status of a command that had too little memory, of its device or its machine: 71."""
HELD = os.EX_UNAVAILABLE
"""Status of a rank that did not come to train, for another run still held the phase: 69."""
HUNG = 124
"""Status of a command that was killed because it made no step for too long; that of timeout(1)."""
_MEANINGS = {
    HUNG: "saw no step for too long",
    HELD: "found the phase held by another run",
    OUT_OF_MEMORY: "ran out of memory, of its device or of its machine",
    -signal.SIGKILL: "was killed (signal 9)",
}


@dataclass(frozen=True)
class Job:
    """The record of a submitted job."""

    cluster: str
    job_id: str
    processes: int
    """Ranks of the job."""
    host: str
    """Where it was submitted, and runs if the cluster is `local`."""
    submitted: str
    """ISO 8601, UTC."""
    command: list[str]
    pid: int = 0
    """Process that stands for a local job on `host`."""
    start_ticks: int = 0
    """When that process started, in clock ticks since boot: tells it from a later process of the same pid."""
    partition: str = ""
    nodes: int = 1
    minutes: int = 0
    """Time limit; 0 if there is none."""

    @classmethod
    def of(cls, request: Request, job_id: str, pid: int = 0, start_ticks: int = 0) -> Job:
        """Return the record of a job of `request`, submitted now from here; one without `pid` is Slurm's."""
        ranks, host, minutes = request.nodes * request.processes_per_node, socket.gethostname(), request.minutes
        return cls(
            *(request.cluster, job_id, ranks, host, now(), list(request.command), pid, start_ticks),
            *(request.partition, request.nodes, 0 if pid else minutes),
        )


@dataclass(frozen=True)
class Start:
    """What rank 0 wrote when a run of a job began."""

    started: float
    """Seconds since the epoch."""
    first_step: int
    """Step of the newest checkpoint."""
    inputs: str = ""
    """`common.files.digest_of` what the command was about to read."""


@dataclass(frozen=True)
class Ended:
    """How a rank ended."""

    rank: int
    status: int
    ended: float
    """Seconds since the epoch."""
    host: str = ""
    signals: tuple[int, ...] = ()
    """Signals that it was sent, oldest first."""

    def __str__(self) -> str:
        """Say it in words."""
        name = f"rank {self.rank} on {self.host}" if self.host else f"rank {self.rank}"
        plainly = f"was ended by signal {-self.status}" if self.status < 0 else f"ended with status {self.status}"
        return f"{name} {_MEANINGS.get(self.status, plainly)}"


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


def status_path(jobs: Path, job_id: str, restart: int, rank: int) -> Path:
    """Return where it is written how a rank ended."""
    return jobs / f"{job_id}-{restart}_{rank}.json"


def start_path(jobs: Path, job_id: str, restart: int) -> Path:
    """Return where it is written when a run of a job began."""
    return jobs / f"{job_id}-{restart}_start.json"


def supervisor_log(jobs: Path) -> Path:
    """Return where the process that stands for a local job says what goes wrong with it."""
    return jobs / "supervisor.log"


def write_start(jobs: Path, job_id: str, restart: int, first_step: int, inputs: str = "") -> None:
    """Write that a run of a job begins now."""
    write_json(start_path(jobs, job_id, restart), asdict(Start(time.time(), first_step, inputs)))


def read_start(jobs: Path, job_id: str, restart: int) -> Start | None:
    """Return when a run of a job began, or None if rank 0 did not come that far."""
    path = start_path(jobs, job_id, restart)
    return Start(**read_json(path)) if path.exists() else None


def last_restart(jobs: Path, job_id: str) -> int:
    """Return the number of the last run of a job that began, 0 if none did."""
    suffixes = [path.name.split("-")[-1].removesuffix("_start.json") for path in jobs.glob(f"{job_id}-*_start.json")]
    return max(map(int, suffixes), default=0)


def write_status(jobs: Path, job_id: str, restart: int, rank: int, status: int, signals: Sequence[int] = ()) -> None:
    """Write how a rank of this host ended, as of now."""
    ended = Ended(rank, status, time.time(), socket.gethostname(), tuple(signals))
    write_json(status_path(jobs, job_id, restart, rank), asdict(ended))


def read_statuses(jobs: Path, job_id: str, restart: int, processes: int) -> list[Ended]:
    """Return how the ranks ended that left word, the first to end first."""
    paths = [status_path(jobs, job_id, restart, rank) for rank in range(processes)]
    ended = [Ended(**read_json(path)) for path in paths if path.exists()]
    return sorted(ended, key=lambda rank: rank.ended)
