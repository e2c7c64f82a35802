"""A phase on this machine: one job after another, each attached to if it still runs.

A person is near, so a failing rank is not tried again but told, with its last words. At SIGINT or SIGTERM the job is
asked to checkpoint and end; a second one kills it.
"""

from __future__ import annotations

import signal
import time

from common.errors import UserError
from common.processes import Received
from common.telling import StoppedError, say
from slurm.node import local_job
from slurm.phase.shared import check_attachable, made, say_submitted, without_result
from slurm.records.follow import Mirror
from slurm.records.history import Run, append_run
from slurm.records.job import Job, log_path, read_job, supervisor_log
from slurm.records.outcome import describe_run
from slurm.records.request import Request

_POLL = 0.2
"""Seconds between looks at the job."""
_SHORT = 60.0
_MAX_SHORT = 3
"""So many jobs in a row that last less than `_SHORT` seconds and ask to be continued are an error."""


class LocalPhase:
    """The jobs of one phase, run here."""

    def __init__(self, request: Request, received: Received) -> None:
        """Run `request`, listening to the signals in `received`."""
        self._request, self._received = request, received
        self._short = 0

    def run_job(self) -> None:
        """Run one job to its end, or the rest of the one that runs.

        Raises `UserError` if going on is useless, `StoppedError` at a signal.
        """
        began = time.monotonic()
        job = read_job(self._request.folder)
        attached = job is not None and local_job.alive(job, self._request.folder)
        if job is None or not attached:
            if made(self._request):
                return
            job = local_job.submit(self._request)
            say_submitted(self._request, job)
        else:
            check_attachable(self._request, job, 0, f"kill {job.pid}")
            say(f"attached to job {job.job_id}, which has been running since {job.submitted}")
        output = Mirror(log_path(self._request.folder / "jobs", job.job_id, 0, "out"), whole=not attached)
        self._follow(job, output)
        run = describe_run(self._request.folder, job, 0)
        append_run(self._request.folder, run)
        if len(self._received.signals) > 1:
            raise StoppedError("killed; the same command continues from the last complete checkpoint")
        if made(self._request):
            return
        self._check_ended(run)
        if self._received.signals:
            raise StoppedError("stopped; the same command continues from the last checkpoint")
        self._check_short(time.monotonic() - began)
        say(f"job {job.job_id} was stopped before the end; continuing it with another")

    def _follow(self, job: Job, output: Mirror) -> None:
        """Copy rank 0's output until the job has ended, passing a request to stop on to it."""
        heard = 0
        while local_job.alive(job, self._request.folder):
            if len(self._received.signals) > heard:
                heard = len(self._received.signals)
                if heard == 1:
                    say("asking the job to checkpoint and stop; once more kills it")
                local_job.send(job, signal.SIGTERM if heard == 1 else signal.SIGKILL)
            time.sleep(_POLL)
            output.copy()
        output.copy()

    def _check_ended(self, run: Run) -> None:
        """Raise `UserError` about the rank that failed first, or if the job left no result and no wish to go on."""
        jobs = self._request.folder / "jobs"
        if run.outcome == "unknown":
            raise UserError(
                f"job {run.job_id} was killed from outside, or its disk or memory is full; the same command continues "
                f"from the last complete checkpoint. Its logs are in {jobs}, its last words in {supervisor_log(jobs)}."
            )
        if run.outcome == "finished":
            raise without_result(self._request, run.job_id)
        if run.outcome != "stopped":
            raise UserError(f"job {run.job_id}: {run.reason}")

    def _check_short(self, seconds: float) -> None:
        self._short = self._short + 1 if seconds < _SHORT else 0
        if self._short == _MAX_SHORT:
            raise UserError(
                f"{self._short} jobs in a row were stopped within {_SHORT:.0f} s of their start; "
                f"{self._request.folder / 'jobs'} holds their logs. The same command continues from the last "
                "checkpoint."
            )
