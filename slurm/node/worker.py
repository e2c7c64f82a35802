"""The ranks of a job that one process starts and watches: a single one under Slurm, where submitit runs this process
for each rank, all of them on this machine (`slurm.node.local_job`).

A rank's command is a child, told its place among the ranks through torch's environment variables. The request to stop
is passed on to it once, and word is left of how it ended. The process of rank 0 owns the phase's lease meanwhile, so
that whatever was submitted twice is not trained twice. Every process watches the phase's metrics: where no step is made
for too long, because a rank somewhere hangs, it kills its children and fails, and the scheduler ends the whole job.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from math import inf
from pathlib import Path

import submitit

from common.errors import UserError
from common.files import digest_of
from common.processes import Received, spawn_bound
from slurm.node.lease import HeldElsewhereError, Lease, acquire
from slurm.node.memory import KILLED, out_of_memory_kills, words_about_a_kill
from slurm.records.checkpoints import newest_step
from slurm.records.job import (
    HELD,
    HUNG,
    OUT_OF_MEMORY,
    REFUSED,
    RESUMABLE,
    log_path,
    read_job,
    write_start,
    write_status,
)
from slurm.records.outcome import record_requeue
from slurm.records.request import Request

_STATS_PER_SECOND = 4
"""Looks at the phase's metrics, over all ranks: a file system's metadata server is everybody's."""
_POLL_SECONDS = 0.05
_HELD_SECONDS = 300.0
"""How long a job on a cluster waits for another run that holds the phase, before it goes back into the queue."""
_GRACE_SECONDS = 2.0
"""For the other ranks here, after one failed, to write what they know about it."""


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
    """Whether Slurm runs it, and not this machine itself."""

    @classmethod
    def here(cls) -> Place:
        """Return the place of this process, which Slurm started."""
        job = submitit.JobEnvironment()
        restart = int(os.environ.get("SLURM_RESTART_COUNT", "0"))
        local_world_size = job.num_tasks // job.num_nodes
        return cls(job.job_id, restart, job.global_rank, job.local_rank, job.num_tasks, local_world_size, True)

    def environment(self) -> dict[str, str]:
        """Return this process's environment with the rank's place as torch.distributed's `env://` reads it.

        Who started the job has set MASTER_ADDR, MASTER_PORT and the number of threads.
        """
        return {
            **os.environ,
            "RANK": str(self.rank),
            "LOCAL_RANK": str(self.local_rank),
            "WORLD_SIZE": str(self.world_size),
            "LOCAL_WORLD_SIZE": str(self.local_world_size),
            "PYTHONUNBUFFERED": "1",
        }


@dataclass(frozen=True)
class Worker:
    """What each process of a job runs; submitit pickles it, so: strings and numbers only, which any Python reads.

    A `Path` that Python 3.13 pickled names a module that 3.11, in an image perhaps, does not have.
    """

    command: Sequence[str]
    phase: str
    """The phase's folder, absolute."""
    start_seconds: float = 0.0
    """A job that makes no first step within so long hangs; 0 for no limit."""
    step_seconds: float = 0.0
    """So does one that makes no next step."""
    inputs: Sequence[str] = ()
    """Files that decide what the command makes; what they are at the start of a run is recorded."""

    @classmethod
    def of(cls, request: Request) -> Worker:
        """Return what runs a job of `request`."""
        inputs = tuple(map(str, request.inputs))
        return cls(request.command, str(request.folder), request.start_seconds, request.step_seconds, inputs)

    def __call__(self) -> None:
        """Run the rank that Slurm gave this process, and exit with its status, 128 + N if signal N ended the command.

        A rank that wants to be continued exits with 0, since any other status would have Slurm kill the ranks that are
        still leaving word.
        """
        # Signals are taken over after submitit's own handlers, which would swallow SIGTERM and requeue at SIGUSR2.
        [status] = self.run([Place.here()])
        sys.exit(0 if status == RESUMABLE else status if status >= 0 else 128 - status)

    def run(self, places: Sequence[Place]) -> list[int]:
        """Run the ranks at `places` to their ends, leave word of each that ended by itself, and return their statuses.

        At SIGTERM or SIGUSR2 they are asked to checkpoint and end. The signals have no effect on this process
        afterwards.
        """
        received = Received(signal.SIGTERM, signal.SIGUSR2)
        statuses: dict[Place, int] = {}

        def leave_word(place: Place, status: int) -> None:
            statuses[place] = status
            write_status(self.folder / "jobs", place.job_id, place.restart, place.rank, status, received.signals)

        status = REFUSED
        try:
            for place, ended in self._train(places, received):
                leave_word(place, ended)
        except (UserError, HeldElsewhereError) as error:
            words = str(error)
            if isinstance(error, HeldElsewhereError):
                words = f"another run ({error}) is training in {self.folder}; wait for it or end it, then run the same "
                words += "command again."
                status = HELD if self._waits(places[0]) else REFUSED
            print(f"error: {words}", file=sys.stderr, flush=True)
            for place in places:
                leave_word(place, status)
        # Python would restore their deadly defaults on its way out.
        received.ignore()
        return list(statuses.values())

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

    def _train(self, places: Sequence[Place], received: Received) -> Iterator[tuple[Place, int]]:
        first = places[0]
        watch = Watch(self.folder / "metrics.jsonl", self.start_seconds, self.step_seconds, first.world_size)
        lease = None
        with ExitStack() as stack:
            if first.rank == 0:
                record_requeue(self.folder, first.job_id, first.restart)
                lease = acquire(self.folder, first.job_id, _HELD_SECONDS if self._waits(first) else 0.0)
                stack.callback(lease.release)
                step, inputs = newest_step(self.folder), digest_of(map(Path, self.inputs))
                write_start(self.folder / "jobs", first.job_id, first.restart, step, inputs)
            if received.signals:
                yield from ((place, RESUMABLE) for place in places)
                return
            killed_before = out_of_memory_kills()
            children = {place: self._start(place) for place in places}
            for place, status in _ends(children, received, watch, lease):
                if status in KILLED:
                    for_memory = out_of_memory_kills() > killed_before
                    self._tell(place, words_about_a_kill(for_memory, self.command, place.local_world_size))
                    status = OUT_OF_MEMORY if for_memory else -signal.SIGKILL
                yield place, status

    def _tell(self, place: Place, words: str) -> None:
        """Add words to a rank's log, which under Slurm is this process's own."""
        print(words, file=sys.stderr, flush=True)
        if not place.slurm and place.rank:  # this process writes to the log of rank 0
            with log_path(self.folder / "jobs", place.job_id, place.rank, "err").open("a") as log:
                log.write(f"{words}\n")

    def _start(self, place: Place) -> subprocess.Popen[bytes]:
        """Start a rank, bound to this process. Raises `UserError` where that cannot be done."""
        with ExitStack() as stack:
            # Slurm has a file for each rank's output.
            names = [] if place.slurm else ["out", "err"]
            paths = [log_path(self.folder / "jobs", place.job_id, place.rank, name) for name in names]
            logs = [stack.enter_context(path.open("ab")) for path in paths]
            try:
                return spawn_bound(self.command, place.environment(), *logs)
            except OSError as error:
                raise UserError(
                    f"cannot start {self.command[0]!r}: {error.strerror}; is the right environment active?"
                ) from None


def _ends(
    children: Mapping[Place, subprocess.Popen[bytes]], received: Received, watch: Watch, lease: Lease | None
) -> Iterator[tuple[Place, int]]:
    """Yield each rank that ends, with its status, negative if a signal ended it.

    Any signal in `received` becomes one SIGTERM to each. One that dies of it, before it could handle it, has nothing to
    save: the status is then `RESUMABLE` too. Ranks that see no step for too long are killed: `HUNG`. When one failed,
    the others, which would wait for it for ever, are killed and not told of. Raises `UserError` where another job has
    taken over `lease`.
    """
    running = dict(children)
    told, deadline = False, inf
    while running:
        time.sleep(_POLL_SECONDS)
        if received.signals and not told:
            told = True
            for child in running.values():
                child.terminate()
        for place in [place for place, child in running.items() if child.poll() is not None]:
            status = running.pop(place).returncode
            if received.signals and status in (-signal.SIGTERM, -signal.SIGUSR2):
                status = RESUMABLE
            if status not in (0, RESUMABLE):
                deadline = min(deadline, time.monotonic() + _GRACE_SECONDS)
            yield place, status
        lost, hung = lease is not None and lease.lost, watch.expired()
        if lost or hung or time.monotonic() > deadline:
            for child in running.values():
                child.kill()
                child.wait()
            if lost and running:
                raise UserError("another job has taken over this phase, since this one did not answer.")
            yield from ((place, HUNG) for place in running if hung)
            return


class Watch:
    """Looks now and then whether a phase makes steps: whether its metrics grow."""

    def __init__(self, metrics: Path, start_seconds: float, step_seconds: float, watchers: int) -> None:
        """Begin to watch; `watchers` processes do so, each as seldom as it takes together to spare the file system."""
        self._metrics, self._limit, self._step_seconds = metrics, start_seconds, step_seconds
        self._period = max(0.5, watchers / _STATS_PER_SECOND)
        self._size = self._look()
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
        before, self._size, self._looked = self._size, self._look(), now
        # At its start a command rewrites its metrics without the steps that it repeats: that is no step.
        if self._size > before:
            self._changed, self._limit = now, self._step_seconds
        return bool(self._limit) and now - self._changed > self._limit
