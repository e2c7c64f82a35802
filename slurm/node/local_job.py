"""Jobs on this machine, through submitit's local executor.

Submission has two steps, so that no job ever runs unrecorded: `submit` starts a supervisor that waits, and once its
`Job` is written down, `release` lets it start the ranks. Of submitit's executor this keeps the pickled worker and the
names of files, and replaces its controller, which shares the terminal's signals, hides every GPU it was not asked for,
ends after a time limit, and lets ranks wait for ever for one that died.
"""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import submitit

from common.errors import UserError
from common.locks import now
from common.processes import start_ticks
from slurm.node.lease import holder
from slurm.node.worker import Worker
from slurm.records.job import Job, forget_namesake, supervisor_log

_ROOT = Path(__file__).parents[2]


class _HeldExecutor(submitit.LocalExecutor):  # type: ignore[misc]
    """Submits a job whose supervisor waits for a byte on its standard input."""

    supervisor: subprocess.Popen[bytes]

    def _submit_command(self, command: str) -> submitit.LocalJob[None]:
        processes = int(self.parameters["tasks_per_node"])
        python_path = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        with open(supervisor_log(self.folder), "ab") as log:
            self.supervisor = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "slurm.node.supervisor",
                    str(self.folder),
                    str(processes),
                    *shlex.split(command),
                ],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
                # A request to stop that comes before the supervisor can handle it waits instead of killing it.
                preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM]),
                # The ranks are started from any directory; what they import of submitit should not tell of itself.
                env={**os.environ, "PYTHONPATH": os.pathsep.join(python_path), "SUBMITIT_LOG_LEVEL": "ERROR"},
            )
        return submitit.LocalJob(self.folder, str(self.supervisor.pid), tasks=range(processes))


@dataclass(frozen=True)
class HeldJob:
    """A job that waits to be recorded and released."""

    job: Job
    supervisor: subprocess.Popen[bytes]

    def release(self) -> None:
        """Let the ranks start. Nothing happens if the job was killed in the meantime."""
        assert self.supervisor.stdin is not None
        with suppress(BrokenPipeError), self.supervisor.stdin as gate:
            gate.write(b"g")


def submit(cluster: str, worker: Worker, nodes: int, processes_per_node: int) -> HeldJob:
    """Submit `worker` as a job of that many processes, held. Raises `UserError` where this machine cannot run it."""
    if nodes != 1:
        raise UserError(f"cluster {cluster!r} is this machine alone, but --nodes is {nodes}; set it to 1.")
    jobs = worker.folder / "jobs"
    executor = _HeldExecutor(jobs)
    executor.update_parameters(nodes=1, tasks_per_node=processes_per_node)
    job_id = str(executor.submit(worker).job_id)
    forget_namesake(jobs, job_id, processes_per_node)
    pid = executor.supervisor.pid
    started = start_ticks(pid)
    if started is None:
        raise UserError(f"the job ended before it began; {supervisor_log(jobs)} says why.")
    job = Job(cluster, job_id, processes_per_node, socket.gethostname(), now(), list(worker.command), pid, started)
    return HeldJob(job, executor.supervisor)


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


def stop(job: Job) -> None:
    """Ask a job of this host to checkpoint and end."""
    _signal(job, signal.SIGTERM)


def kill(job: Job) -> None:
    """End a job of this host at once; its ranks die with its supervisor."""
    _signal(job, signal.SIGKILL)


def _signal(job: Job, number: signal.Signals) -> None:
    if start_ticks(job.pid) == job.start_ticks:
        os.kill(job.pid, number)
