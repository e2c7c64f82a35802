"""What a phase does and says in the same way on Slurm and on this machine."""

from __future__ import annotations

import shlex
import subprocess
import sys

from common.errors import UserError
from common.files import digest_of
from common.finished import FINISHED, make_again
from common.telling import say
from slurm.records.job import Job, log_path, read_start
from slurm.records.request import Request


def made(request: Request) -> bool:
    """Tell whether `request.done` is there; make it, and say so, where that takes no job.

    That is where the command finished with these inputs, or where the request's shortcut finds what it makes.

    Raises:
        UserError: the shortcut failed.
    """
    if request.done.exists():
        return True
    if make_again(request.done, request.inputs):
        say(
            f"{request.done} was away, but {FINISHED} beside it says that all is done; made it again, and nothing was "
            f"trained. To train it anew, delete {request.folder / FINISHED} and {request.folder / 'checkpoints'} too"
        )
    elif request.shortcut:
        _take_shortcut(request)
    return request.done.exists()


def _take_shortcut(request: Request) -> None:
    run = subprocess.run([sys.executable, "-m", request.shortcut, *request.options], check=False)
    if run.returncode:
        raise UserError(
            f"python -m {request.shortcut} ended with status {run.returncode}; it says above why, and no job was "
            "submitted."
        )


def say_submitted(request: Request, job: Job) -> None:
    """Say what was submitted, and where rank 0's log is."""
    say(f"submitted job {job.job_id}: {job.processes} x {shlex.join(request.command)}")
    say(f"logs: {log_path(request.folder / 'jobs', job.job_id, 0, 'out')}")


def check_attachable(request: Request, job: Job, restart: int, end: str) -> None:
    """Raise `UserError` if `job`, which has not ended, has another command or has begun with other inputs.

    `restart` is how often it was put back into the queue; `end` is the shell command that would end it.
    """
    if job.command != list(request.command):
        raise UserError(
            f"job {job.job_id} in {request.folder} runs another command ({shlex.join(job.command)}); wait for it, or "
            f"end it with `{end}`, then run again."
        )
    start = read_start(request.folder / "jobs", job.job_id, restart)
    if start and start.inputs and start.inputs != digest_of(request.inputs):
        raise UserError(
            f"job {job.job_id} in {request.folder} began before the recipe or the data changed, and makes what they "
            f"asked for then. End it with `{end}`, then run again; or take the change back, and it is attached to."
        )


def without_result(request: Request, job_id: str) -> UserError:
    """Return what is wrong with a job that ended as it should, but did not make the result."""
    return UserError(
        f"job {job_id} ended without an error, but did not make {request.done}; does the command write it? Its logs "
        f"are in {request.folder / 'jobs'}."
    )
