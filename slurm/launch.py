"""Run a command as one job of many processes, and wait until its result is there.

A phase of training is one launch to Snakemake, however many jobs it takes. The states of a launch:

1. it waits for `launch.lock`, if another launch works on the same phase;
2. the result (`--done`) is there: it ends with 0;
3. the job in job.json has not ended: it attaches to it. Otherwise it submits one, and records it before it starts;
4. it follows the job, copying rank 0's output, until the job ends, and notes in jobs.jsonl what became of it. If the
   phase is to go on, back to 2; otherwise an error says why, and what to do.

The end of launch by SIGKILL or a closed terminal does not end the job: the next launch attaches to it. On this machine
SIGINT or SIGTERM asks the job to checkpoint and end, and a second one kills it. On a Slurm cluster they only end the
watching: the job goes on, and `scancel` ends it.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from common.errors import UserError, run_command
from common.locks import Lock, holder_of, try_lock
from common.messages import Message, send
from common.processes import Received
from common.telling import StoppedError, say
from slurm.beside import Beside
from slurm.cluster.description import read_cluster
from slurm.node.local_ranks import local_ranks
from slurm.phase.on_slurm import SlurmPhase
from slurm.phase.on_this_machine import LocalPhase
from slurm.records.request import Request

_POLL = 0.2
"""Seconds between looks at the lock."""
_END_SECONDS = {True: 600.0, False: 30.0}
"""Done or not -> how long what runs beside a phase may take to end. Where it is not done, another launch follows."""


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


def run_to_the_end(request: Request, received: Received) -> None:
    """Run jobs until `request.done` is there. Raises `UserError` if that is no use, `StoppedError` at a signal."""
    cluster = read_cluster(request.cluster)
    local = cluster.scheduler == "local"
    phase = LocalPhase(request, received) if local else SlurmPhase(request, cluster, received)
    while not request.done.exists():
        phase.run_job()


@contextmanager
def _beside(request: Request) -> Iterator[None]:
    """Run what was asked for beside the phase."""
    process = Beside(request.beside, request.options) if request.beside else None
    try:
        yield
    finally:
        if process:
            process.end(_END_SECONDS[request.done.exists()])


def _absolute(text: str) -> Path:
    return Path(text).absolute()


def parse_arguments() -> Request:
    """Read the command line. Raises `UserError` where it asks for the impossible."""
    parser = argparse.ArgumentParser(
        prog="python -m slurm.launch",
        description="Run COMMAND as one job of many processes, wait until it ends, and end with 0 if it made DONE. "
        "Run again, it attaches to the job that still runs. Ctrl-C lets a job on this machine checkpoint and stop; a "
        "Slurm job goes on, and scancel ends it.",
    )
    add = parser.add_argument
    add("--cluster", default="local", help="where: a name in slurm/cluster, or a .yaml file (default: local)")
    add("--nodes", type=int, default=1, help="number of machines (default: 1)")
    ranks = "ranks on each machine (default: 1); 0, on this machine, for one a GPU or two without"
    add("--processes-per-node", type=int, default=1, help=ranks)
    add("--partition", default="", help="Slurm's partition (default: the scheduler's own)")
    add("--devices", type=int, default=0, help="GPUs of each machine (default: as the cluster's description says)")
    add("--memory-gib", type=int, default=0, help="memory of each machine (default: likewise)")
    add("--minutes", type=int, default=60, help="time limit of each Slurm job (default: 60)")
    start = "kill a job whose metrics.jsonl does not change for so long after its start (default: 0, never)"
    add("--start-seconds", type=float, default=0.0, help=start)
    add("--step-seconds", type=float, default=0.0, help="or for so long between steps (default: 0, never)")
    inputs = "files that decide what COMMAND makes: a job that reads others is not attached to, and DONE is made again "
    inputs += "from the word of a COMMAND that finished with these"
    add("--inputs", type=_absolute, nargs="+", default=[], metavar="FILE", help=inputs)
    shortcut = "module that is run here with COMMAND's options before a job is submitted; it may make DONE without one"
    add("--shortcut", default="", metavar="MODULE", help=shortcut)
    beside = "command that runs here with COMMAND's options for as long as this does, and on which nothing depends"
    add("--beside", default="", metavar="COMMAND", help=beside)
    add("--folder", type=_absolute, required=True, help="the phase's folder, for logs and records of jobs")
    add("--done", type=_absolute, required=True, help="the file that COMMAND makes when all is done")
    command = "after --, what each process runs; it finds RANK, WORLD_SIZE, MASTER_ADDR and so on in its environment. "
    command += "At SIGTERM it should checkpoint and exit with status 75; 65 says that another try is useless"
    add("command", metavar="COMMAND", nargs="+", help=command)
    given = parser.parse_args()
    here = read_cluster(given.cluster).scheduler == "local"
    least_ranks = 0 if here else 1
    floors = {"nodes": 1, "processes_per_node": least_ranks, "minutes": 1, "devices": 0, "memory_gib": 0}
    for option, least in floors.items():
        if getattr(given, option) < least:
            name = option.replace("_", "-")
            raise UserError(f"--{name} is {getattr(given, option)}; it must be at least {least}.")
    given.processes_per_node = given.processes_per_node or local_ranks()
    return Request(**vars(given) | {"command": tuple(given.command), "inputs": tuple(given.inputs)})


def _gives_up(request: Request, error: Exception) -> Message:
    """Return what is told of a phase that ends here while others go on, perhaps for days."""
    name = "/".join(request.folder.parts[-2:])
    text = (
        f"Phase {name} does not go on:\n  {error}\nLogs: {request.folder / 'jobs'}\nNext: what else can be done goes "
        "on. When this is mended, the same command as before goes on from the phase's last checkpoint."
    )
    return Message("failed", f"alasin: phase {name} does not go on", text, request.folder / "jobs")


def main() -> None:
    """Launch a phase from the command line."""
    request = parse_arguments()
    received = Received(signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    try:
        lock = lock_launch(request.folder, received)
        with _beside(request):
            run_to_the_end(request, received)
        lock.release()
    except StoppedError as stopped:
        say(str(stopped))
        sys.exit(128 + received.signals[0])
    except (UserError, OSError) as error:
        if unsent := send(_gives_up(request, error)):
            say(unsent)
        raise
    say(f"{request.done} is there")


if __name__ == "__main__":
    run_command(main)
