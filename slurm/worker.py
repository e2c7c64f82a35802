"""One rank of a job: what submitit runs in every process of it.

It tells the command its place among the ranks through torch's environment variables, runs it as a child, passes the
request to stop on to it once, and leaves word of how it ended. Rank 0 holds `RUNNING` in the phase's folder meanwhile,
so that whatever was submitted twice is not trained twice.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import submitit

from corpus.files import UserError
from slurm.job import RESUMABLE, rendezvous_path, write_status
from slurm.lock import holder_of, try_lock
from slurm.process import Received, spawn_bound
from slurm.rendezvous import await_port, publish, reserve_port

_LOCK_PATIENCE = 3.0
"""Seconds that rank 0 waits for RUNNING: the ranks of a job killed just now may not be quite gone."""


@dataclass(frozen=True)
class Place:
    """Where a rank stands in its job."""

    job_id: str
    rank: int
    local_rank: int
    world_size: int
    local_world_size: int


@dataclass(frozen=True)
class Worker:
    """The callable that submitit pickles; `folder` is the phase's, absolute."""

    command: tuple[str, ...]
    folder: Path

    def __call__(self) -> None:
        """Run this rank to its end and exit with its status, 128 + N if signal N ended the command."""
        # Set here, after submitit's own handlers, which would swallow SIGTERM and requeue at SIGUSR2.
        received = Received(signal.SIGTERM, signal.SIGUSR2)
        environment = submitit.JobEnvironment()
        tasks, nodes = environment.num_tasks, environment.num_nodes
        place = Place(environment.job_id, environment.global_rank, environment.local_rank, tasks, tasks // nodes)
        try:
            status = self._run(place, received)
        except UserError as error:
            print(f"error: {error}", file=sys.stderr, flush=True)
            status = 1
        write_status(self.folder / "jobs", place.job_id, place.rank, status)
        sys.exit(status if status >= 0 else 128 - status)

    def _run(self, place: Place, received: Received) -> int:
        rendezvous = rendezvous_path(self.folder / "jobs", place.job_id)
        if place.rank > 0:
            port = await_port(rendezvous, received)
            return RESUMABLE if port is None else run_child(self.command, rank_environment(place, port), received)
        lock_running(self.folder)
        with reserve_port() as reservation:
            port = reservation.getsockname()[1]
            publish(rendezvous, port)
            return run_child(self.command, rank_environment(place, port), received)


def lock_running(folder: Path) -> None:
    """Hold `RUNNING` in the phase's folder until this process ends. Raises `UserError` if another job holds it."""
    deadline = time.monotonic() + _LOCK_PATIENCE
    while try_lock(folder / "RUNNING") is None:
        if time.monotonic() > deadline:
            raise UserError(
                f"another job ({holder_of(folder / 'RUNNING')}) is training in {folder}; wait for it or end it, then "
                "run the same command again."
            )
        time.sleep(0.1)


def rank_environment(place: Place, port: int) -> dict[str, str]:
    """Return this process's environment with what torch.distributed's `env://` reads, and a fair share of the cores."""
    threads = str(max(1, len(os.sched_getaffinity(0)) // place.local_world_size))
    return {
        **os.environ,
        "RANK": str(place.rank),
        "LOCAL_RANK": str(place.local_rank),
        "WORLD_SIZE": str(place.world_size),
        "LOCAL_WORLD_SIZE": str(place.local_world_size),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        # Snakemake gives every library all threads of its rule; here the ranks share them.
        "OMP_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
        "OPENBLAS_NUM_THREADS": threads,
        "PYTHONUNBUFFERED": "1",
    }


def run_child(command: tuple[str, ...], environment: dict[str, str], received: Received) -> int:
    """Run `command` to its end and return its status, negative if a signal ended it.

    Any signal in `received` becomes one SIGTERM to the child. A child that dies of it, before it could handle it, has
    nothing to save: the status is then `RESUMABLE` too. Raises `UserError` where the command cannot be started.
    """
    if received.signals:
        return RESUMABLE
    try:
        child = spawn_bound(command, environment)
    except OSError as error:
        raise UserError(f"cannot start {command[0]!r}: {error.strerror}; is the right environment active?") from None
    told = False
    while True:
        try:
            status = child.wait(timeout=0.1)
            break
        except subprocess.TimeoutExpired:
            if received.signals and not told:
                child.terminate()
                told = True
    return RESUMABLE if told and status == -signal.SIGTERM else status
