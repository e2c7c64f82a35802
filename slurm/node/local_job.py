"""Jobs on this machine: `python -m slurm.node.local_job`, a process of its own that starts the ranks and watches them.

It is in a session of its own, so that neither the end of launch nor Ctrl-C in its terminal ends the job, and its ranks
die with it. No job ever runs unrecorded: `submit` writes what to run to the process's standard input once the record is
on disk, and if launch dies before, nothing has started. SIGTERM asks the ranks to checkpoint and end.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from common.errors import UserError
from common.processes import start_ticks
from slurm.node.lease import holder
from slurm.node.worker import Place, Worker
from slurm.records.job import Job, log_path, supervisor_log, write_job
from slurm.records.request import Request

_ROOT = Path(__file__).parents[2]


def submit(request: Request) -> Job:
    """Start a job of `request` and return its record. Raises `UserError` where this machine cannot run it."""
    if request.nodes != 1:
        raise UserError(
            f"cluster {request.cluster!r} is this machine alone, but --nodes is {request.nodes}; set it to 1."
        )
    jobs = request.folder / "jobs"
    jobs.mkdir(parents=True, exist_ok=True)
    python_path = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    with open(supervisor_log(jobs), "ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "slurm.node.local_job"],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,
            # A request to stop that comes before the process can handle it waits instead of killing it.
            preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM]),
            env={**os.environ, "PYTHONPATH": os.pathsep.join(python_path)},
        )
    started = start_ticks(process.pid)
    if started is None:
        raise UserError(f"the job ended before it began; {supervisor_log(jobs)} says why.")
    job = Job.of(request, str(process.pid), process.pid, started)
    for left in jobs.glob(f"{job.job_id}[-_]*"):  # by an earlier job: ids are pids here, which come again
        left.unlink()
    write_job(request.folder, job)
    assert process.stdin is not None
    with suppress(BrokenPipeError), process.stdin as gate:  # it may have been killed in the meantime
        gate.write(json.dumps({"processes": job.processes, "worker": asdict(Worker.of(request))}).encode())
    return job


def alive(job: Job, folder: Path) -> bool:
    """Tell whether a job still runs. Raises `UserError` if it does so on another host, where it cannot be watched."""
    if job.host == socket.gethostname():
        return start_ticks(job.pid) == job.start_ticks
    if (owner := holder(folder)) is not None:
        raise UserError(
            f"job {job.job_id} is training in {folder} on {job.host} ({owner}); run the same command there, or end "
            "that job first."
        )
    return False


def send(job: Job, number: signal.Signals) -> None:
    """Send a job of this host a signal: SIGTERM asks it to checkpoint and end, SIGKILL ends it with its ranks."""
    if start_ticks(job.pid) == job.start_ticks:
        os.kill(job.pid, number)


def main() -> None:
    """Wait until the job is recorded, then run its ranks to their ends."""
    if not (words := sys.stdin.read()):
        return
    given = json.loads(words)
    worker, processes, job_id = Worker(**given["worker"]), given["processes"], str(os.getpid())
    for stream in (sys.stdout, sys.stderr):
        # What goes wrong with the whole job is told where a person looks first.
        path = log_path(worker.folder / "jobs", job_id, 0, "out" if stream is sys.stdout else "err")
        with path.open("ab") as log:
            os.dup2(log.fileno(), stream.fileno())
    # Snakemake gives every library all threads of its rule; here the ranks share them.
    threads = str(max(1, len(os.sched_getaffinity(0)) // processes))
    os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), threads)
    with _reserved_port() as port:
        os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port.getsockname()[1])}
        worker.run([Place(job_id, 0, rank, rank, processes, processes, False) for rank in range(processes)])


def _reserved_port() -> socket.socket:
    """Return a socket bound to a free port and not listening, for rank 0.

    While it is open the kernel gives the port to nobody who asks for any free one, yet a server that sets SO_REUSEADDR,
    as torch's TCPStore does, can still bind it by number and listen (socket(7)).
    """
    reservation = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reservation.bind(("", 0))
    return reservation


if __name__ == "__main__":
    main()
