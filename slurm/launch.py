"""Run a command as one job of many processes, and wait until its result is there.

A phase of training is one launch to Snakemake, however many jobs it takes. The states of a launch:

1. it waits for `launch.lock`, if another launch works on the same phase;
2. the result (`--done`) is there: it ends with 0;
3. the job in job.json still runs: it attaches to it. Otherwise it submits one;
4. it follows the job, copying rank 0's output, until the job ends. If the job was stopped from outside and can be
   continued (status 75), back to 2; if it failed, an error that shows the rank that failed first.

The end of launch by SIGKILL or a closed terminal does not end the job: the next launch attaches to it. At SIGINT or
SIGTERM the job is asked to checkpoint and end; a second one kills it.
"""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from corpus.files import UserError, run_command
from slurm import local
from slurm.cluster import read_cluster
from slurm.follow import Mirror, last_lines
from slurm.job import RESUMABLE, Job, log_path, read_job, read_statuses, write_job
from slurm.lock import Lock, holder_of, try_lock
from slurm.process import Received
from slurm.worker import Worker

_POLL = 0.2
"""Seconds between looks at the job."""
_SHORT = 60.0
_MAX_SHORT = 3
"""So many jobs in a row that last less than `_SHORT` seconds and ask to be continued are an error."""


@dataclass(frozen=True)
class Request:
    """What launch was asked to run; paths are absolute."""

    cluster: str
    nodes: int
    processes_per_node: int
    folder: Path
    done: Path
    command: tuple[str, ...]


class StoppedError(Exception):
    """A person or Snakemake asked for the end; the argument says how far it got."""


def lock_launch(folder: Path, received: Received) -> Lock:
    """Wait until no other launch works on the phase. Raises `StoppedError` at a signal."""
    path = folder / "launch.lock"
    lock = try_lock(path)
    if lock is None:
        say(f"another launch ({holder_of(path)}) is working on {folder}; waiting for it")
    while lock is None:
        if received.signals:
            raise StoppedError("stopped while waiting for the other launch, which goes on")
        time.sleep(_POLL)
        lock = try_lock(path)
    return lock


def attach_or_submit(request: Request) -> tuple[Job, Mirror]:
    """Return the phase's job, the one that runs or a new one, and what copies rank 0's output from here on.

    Raises `UserError` if a job runs that has another command.
    """
    jobs = request.folder / "jobs"
    job = read_job(request.folder)
    if job is not None and local.alive(job, request.folder):
        if job.command != list(request.command):
            raise UserError(
                f"job {job.job_id} in {request.folder} runs another command ({shlex.join(job.command)}); wait for it, "
                f"or end it with `kill {job.pid}`, then run again."
            )
        say(f"attached to job {job.job_id}, which has been running since {job.submitted}")
        return job, Mirror(log_path(jobs, job.job_id, 0, "out"))
    worker = Worker(request.command, request.folder)
    held = local.submit(request.cluster, worker, request.nodes, request.processes_per_node)
    write_job(request.folder, held.job)
    say(f"submitted job {held.job.job_id}: {held.job.processes} x {shlex.join(request.command)}")
    say(f"logs: {log_path(jobs, held.job.job_id, 0, 'out')}")
    mirror = Mirror(log_path(jobs, held.job.job_id, 0, "out"))
    held.release()
    return held.job, mirror


def follow(job: Job, mirror: Mirror, folder: Path, received: Received) -> None:
    """Copy rank 0's output until the job has ended, passing a request to stop on to it."""
    heard = 0
    while local.alive(job, folder):
        if len(received.signals) > heard:
            heard = len(received.signals)
            if heard == 1:
                say("asking the job to checkpoint and stop; once more kills it")
                local.stop(job)
            else:
                local.kill(job)
        time.sleep(_POLL)
        mirror.copy()
    mirror.copy()


def check_ended(job: Job, folder: Path) -> bool:
    """Tell whether a job that ended can be continued. Raises `UserError` about the rank that failed first."""
    jobs = folder / "jobs"
    ended = read_statuses(jobs, job.job_id, job.processes)
    for rank in ended:
        if rank.status not in (0, RESUMABLE):
            log = log_path(jobs, job.job_id, rank.rank, "err")
            raise UserError(f"{rank} in job {job.job_id}; its log is {log} and ends with:\n{last_lines(log)}")
    if len(ended) < job.processes:
        raise UserError(
            f"job {job.job_id} was killed from outside, or its disk is full; the same command continues from the last "
            f"complete checkpoint. Its logs are in {jobs}, its last words in {jobs / 'controller.log'}."
        )
    return any(rank.status == RESUMABLE for rank in ended)


def run_to_the_end(request: Request, received: Received) -> None:
    """Run jobs until `request.done` is there. Raises `UserError` if one fails, `StoppedError` at a signal."""
    short = 0
    while not request.done.exists():
        began = time.monotonic()
        job, mirror = attach_or_submit(request)
        follow(job, mirror, request.folder, received)
        if len(received.signals) > 1:
            raise StoppedError("killed; the same command continues from the last complete checkpoint")
        resumable = check_ended(job, request.folder)
        if request.done.exists():
            break
        if received.signals:
            raise StoppedError("stopped; the same command continues from the last checkpoint")
        if not resumable:
            raise UserError(
                f"job {job.job_id} ended without an error, but did not make {request.done}; does the command write it? "
                f"Its logs are in {request.folder / 'jobs'}."
            )
        short = short + 1 if time.monotonic() - began < _SHORT else 0
        if short == _MAX_SHORT:
            raise UserError(
                f"{short} jobs in a row were stopped within {_SHORT:.0f} s of their start; {request.folder / 'jobs'} "
                "holds their logs. The same command continues from the last checkpoint."
            )
        say(f"job {job.job_id} was stopped before the end; continuing it with another")


def say(text: str) -> None:
    """Print a line about what launch does, at once."""
    print(f"launch: {text}", flush=True)


def parse_arguments() -> Request:
    """Read the command line. Raises `UserError` where it asks for the impossible."""
    parser = argparse.ArgumentParser(
        prog="python -m slurm.launch",
        description="Run COMMAND as one job of many processes, wait until it ends, and end with 0 if it made DONE. "
        "Run again, it attaches to the job that still runs. Ctrl-C lets the job checkpoint and stop.",
    )
    parser.add_argument("--cluster", default="local", help="where: a name in slurm/clusters (default: local)")
    parser.add_argument("--nodes", type=int, default=1, help="number of machines (default: 1)")
    parser.add_argument("--processes-per-node", type=int, default=1, help="ranks on each machine (default: 1)")
    parser.add_argument("--folder", type=Path, required=True, help="the phase's folder, for logs and records of jobs")
    parser.add_argument("--done", type=Path, required=True, help="the file that COMMAND makes when all is done")
    parser.add_argument(
        "command",
        metavar="COMMAND",
        nargs="+",
        help="after --, what each process runs; it finds RANK, WORLD_SIZE, MASTER_ADDR and so on in its environment. "
        "At SIGTERM it should checkpoint and exit with status 75",
    )
    given = parser.parse_args()
    for option, number in (("--nodes", given.nodes), ("--processes-per-node", given.processes_per_node)):
        if number < 1:
            raise UserError(f"{option} is {number}; it must be at least 1.")
    return Request(
        given.cluster,
        given.nodes,
        given.processes_per_node,
        given.folder.absolute(),
        given.done.absolute(),
        tuple(given.command),
    )


def main() -> None:
    """Launch a phase from the command line."""
    request = parse_arguments()
    read_cluster(request.cluster)
    received = Received(signal.SIGINT, signal.SIGTERM)
    try:
        lock = lock_launch(request.folder, received)
        run_to_the_end(request, received)
        lock.release()
    except StoppedError as stopped:
        say(str(stopped))
        sys.exit(128 + received.signals[0])
    say(f"{request.done} is there")


if __name__ == "__main__":
    run_command(main)
