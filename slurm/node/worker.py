"""One rank of a job: what submitit runs in every process of it.

It tells the command its place among the ranks through torch's environment variables, runs it as a child, passes the
request to stop on to it once, and leaves word of how it ended. Rank 0 owns the phase's lease meanwhile, so that
whatever was submitted twice is not trained twice. Every rank watches the phase's metrics: where no step is made for too
long, because a rank somewhere hangs, it kills its child and fails, and the scheduler ends the whole job.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import submitit

from common.errors import UserError
from common.files import digest_of
from common.processes import Received, spawn_bound
from slurm.node.lease import HeldElsewhereError, Lease, acquire
from slurm.records.checkpoints import newest_step
from slurm.records.job import (
    HELD,
    HUNG,
    OUT_OF_MEMORY,
    REFUSED,
    RESUMABLE,
    read_job,
    write_start,
    write_status,
)
from slurm.records.outcome import record_requeue

_STATS_PER_SECOND = 4
"""Looks at the phase's metrics, over all ranks: a file system's metadata server is everybody's."""
_VMSTAT = Path("/proc/vmstat")
_HELD_SECONDS = 300.0
"""How long a job on a cluster waits for another run that holds the phase, before it goes back into the queue."""


@dataclass(frozen=True)
class Place:
    """Where a rank stands in its job."""

    job_id: str
    restart: int
    """How often the job had been put back into the queue before."""
    rank: int
    local_rank: int
    world_size: int
    local_world_size: int
    slurm: bool
    """Whether Slurm started it, and not this machine's own supervisor."""

    @classmethod
    def here(cls) -> Place:
        """Return the place of this process."""
        environment = submitit.JobEnvironment()
        tasks, nodes = environment.num_tasks, environment.num_nodes
        return cls(
            environment.job_id,
            int(os.environ.get("SLURM_RESTART_COUNT", "0")) if environment.name() == "slurm" else 0,
            environment.global_rank,
            environment.local_rank,
            tasks,
            tasks // nodes,
            environment.name() == "slurm",
        )


@dataclass(frozen=True)
class Worker:
    """The callable that submitit pickles: strings and numbers only, which any other Python reads.

    A `Path` that Python 3.13 pickled names a module that 3.11, in an image perhaps, does not have.
    """

    command: tuple[str, ...]
    phase: str
    """The phase's folder, absolute."""
    start_seconds: float = 0.0
    """A job that makes no first step within so long hangs; 0 for no limit."""
    step_seconds: float = 0.0
    """So does one that makes no next step."""
    inputs: tuple[str, ...] = ()
    """Files that decide what the command makes; what they are at the start of a run is recorded."""

    def __call__(self) -> None:
        """Run this rank to its end and exit with its status, 128 + N if signal N ended the command.

        Under Slurm a rank that wants to be continued exits with 0, since any other status would have Slurm kill the
        ranks that are still leaving word.
        """
        # Set here, after submitit's own handlers, which would swallow SIGTERM and requeue at SIGUSR2.
        received = Received(signal.SIGTERM, signal.SIGUSR2)
        place = Place.here()
        try:
            status = self._run(place, received)
        except UserError as error:
            print(f"error: {error}", file=sys.stderr, flush=True)
            status = REFUSED
        except HeldElsewhereError as holder:
            print(
                f"error: another run ({holder}) is training in {self.folder}; wait for it or end it, then run the same "
                "command again.",
                file=sys.stderr,
                flush=True,
            )
            status = HELD if self._waits(place) else REFUSED
        # Python would restore their deadly defaults on its way out.
        received.ignore()
        write_status(self.folder / "jobs", place.job_id, place.restart, place.rank, status, received.signals)
        if place.slurm and status == RESUMABLE:
            sys.exit(0)
        sys.exit(status if status >= 0 else 128 - status)

    @property
    def folder(self) -> Path:
        """The phase's folder."""
        return Path(self.phase)

    def _waits(self, place: Place) -> bool:
        """Tell whether this job is the one that is to train: who holds the phase then is a run that Slurm gave up.

        Its node was cut off, and it ends by itself, or with the node. A job that nobody recorded does not wait for one
        that trains.
        """
        job = read_job(self.folder)
        return place.slurm and job is not None and job.job_id == place.job_id

    def _run(self, place: Place, received: Received) -> int:
        watch = Watch(self.folder / "metrics.jsonl", self.start_seconds, self.step_seconds, place.world_size)
        lease = None
        if place.rank == 0:
            record_requeue(self.folder, place.job_id, place.restart)
            lease = acquire(self.folder, place.job_id, _HELD_SECONDS if self._waits(place) else 0.0)
            step, inputs = newest_step(self.folder), digest_of(map(Path, self.inputs))
            write_start(self.folder / "jobs", place.job_id, place.restart, step, inputs)
        return run_child(self.command, rank_environment(place), received, watch, lease)


class Watch:
    """Looks now and then whether a phase makes steps: whether its metrics grow."""

    def __init__(self, metrics: Path, start_seconds: float, step_seconds: float, watchers: int) -> None:
        """Begin to watch; `watchers` processes do so, each as seldom as it takes together to spare the file system."""
        self._metrics, self._limit, self._step_seconds = metrics, start_seconds, step_seconds
        self._period = max(0.5, watchers / _STATS_PER_SECOND)
        self._seen = self._look()
        self._changed = self._looked = time.monotonic()

    def _look(self) -> int:
        try:
            return self._metrics.stat().st_size
        except OSError:
            return 0

    def expired(self) -> bool:
        """Tell whether the limit has passed without a step."""
        now = time.monotonic()
        if now - self._looked < self._period:
            return False  # steps since the last look are not known yet
        self._looked = now
        # At its start a command rewrites its metrics without the steps that it repeats: that is no step.
        seen, before = self._look(), self._seen
        self._seen = seen
        if seen > before:
            self._changed, self._limit = now, self._step_seconds
        return bool(self._limit) and now - self._changed > self._limit


def rank_environment(place: Place) -> dict[str, str]:
    """Return this process's environment with the rank's place as torch.distributed's `env://` reads it.

    Who started the job has set MASTER_ADDR, MASTER_PORT and the number of threads.
    """
    return {
        **os.environ,
        "RANK": str(place.rank),
        "LOCAL_RANK": str(place.local_rank),
        "WORLD_SIZE": str(place.world_size),
        "LOCAL_WORLD_SIZE": str(place.local_world_size),
        "PYTHONUNBUFFERED": "1",
    }


def run_child(
    command: tuple[str, ...], environment: dict[str, str], received: Received, watch: Watch, lease: Lease | None = None
) -> int:
    """Run `command` to its end and return its status, negative if a signal ended it.

    Any signal in `received` becomes one SIGTERM to the child. A child that dies of it, before it could handle it, has
    nothing to save: the status is then `RESUMABLE` too. A child that sees no step for too long is killed: `HUNG`.
    One that the kernel killed for want of memory: `OUT_OF_MEMORY`. Raises `UserError` where the command cannot be
    started, or another job has taken over `lease`.
    """
    if received.signals:
        return RESUMABLE
    killed_before = out_of_memory_kills()
    try:
        child = spawn_bound(command, environment)
    except OSError as error:
        raise UserError(f"cannot start {command[0]!r}: {error.strerror}; is the right environment active?") from None
    status = _await(child, received, watch, lambda: lease is not None and lease.lost)
    if lease is not None:
        lease.release()
    if status == -signal.SIGKILL and out_of_memory_kills() > killed_before:
        print("error: the kernel killed it, since no memory was left.", file=sys.stderr, flush=True)
        return OUT_OF_MEMORY
    return RESUMABLE if received.signals and status in (-signal.SIGTERM, -signal.SIGUSR2) else status


def out_of_memory_kills() -> int:
    """Return how many processes this machine's kernel has killed for want of memory; 0 where it does not tell."""
    found = re.search(r"^oom_kill (\d+)$", _VMSTAT.read_text() if _VMSTAT.exists() else "", re.MULTILINE)
    return int(found[1]) if found else 0


def _await(child: subprocess.Popen[bytes], received: Received, watch: Watch, succeeded: Callable[[], bool]) -> int:
    told = False
    while True:
        try:
            return child.wait(timeout=0.1)
        except subprocess.TimeoutExpired:
            if received.signals and not told:
                child.terminate()
                told = True
            if succeeded():
                child.kill()
                child.wait()
                raise UserError("another job has taken over this phase, since this one did not answer.") from None
            if watch.expired():
                child.kill()
                child.wait()
                return HUNG
