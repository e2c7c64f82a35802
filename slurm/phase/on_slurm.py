"""A phase on a Slurm cluster: one job after another until its result is there, whatever becomes of each.

Mostly there is one job: its batch script puts it back into the queue, with the same id, for as long as the policy says
(`slurm.node.aftermath`). This process only watches, and takes over where the script could not: where Slurm killed the
job at its time limit, a node of it failed without being put back, or the controller was away when the script asked.

It may be killed at any moment and started again; the job's record says what to watch. At SIGINT, SIGTERM and SIGHUP it
lets go: the job goes on.
"""

from __future__ import annotations

import time
from contextlib import suppress

from common.errors import UserError
from common.processes import Received
from common.telling import StoppedError, say
from slurm.cluster.cost import broken_limits
from slurm.cluster.description import Cluster
from slurm.node.lease import HeldElsewhereError, acquire
from slurm.phase.shared import check_attachable, made, say_submitted, without_result
from slurm.queue.batch import job_name, resources, submit_held
from slurm.queue.commands import SlurmError, ask, wait_out
from slurm.queue.jobs import FAILED_TO_LAUNCH, MAY_RETURN, STUCK, Seen, jobs_named, look, who_cancelled
from slurm.records.follow import Mirror
from slurm.records.history import append_run, read_history
from slurm.records.job import Job, last_restart, log_path, read_job, write_job
from slurm.records.outcome import describe_run
from slurm.records.policy import decide
from slurm.records.request import Request

_SLICE = 0.5
"""Seconds that a signal waits to be heard."""
_RELEASES, _RELEASE_SECONDS = 3, 60.0
"""How often a job is released that its nodes could not start, and how long it may take them to try."""


class SlurmPhase:
    """The jobs of one phase, run by Slurm."""

    def __init__(self, request: Request, cluster: Cluster, received: Received) -> None:
        """Run `request` as `cluster` describes it. Raises `UserError` where the cluster cannot run it."""
        if broken := broken_limits(cluster, resources(request, cluster)):
            raise UserError("\n".join(broken))
        self._request, self._cluster, self._received = request, cluster, received
        self._jobs = request.folder / "jobs"
        self._watched: Job | None = None
        self._releases, self._release_at = 0, 0.0

    def run_job(self) -> None:
        """See the phase's job to its end, or, if there is none to watch, submit one and see it to its end.

        Raises `UserError` if the phase is not to go on, `StoppedError` at a signal.
        """
        job = read_job(self._request.folder)
        if job is not None:
            job = self._attach(job)
        if job is None:
            if made(self._request):
                return
            job = self._submit_in_turn()
        if job is None:
            return
        self._watched = job
        seen = self._follow(job)
        self._watched = None
        self._conclude(job, seen)

    def _pause(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not self._received.signals and time.monotonic() < deadline:
            time.sleep(min(_SLICE, seconds))
        if self._received.signals:
            job = self._watched
            raise StoppedError(
                (f"letting go of job {job.job_id}, which goes on; `scancel {job.job_id}` ends it. " if job else "")
                + "The same command attaches again."
            )

    def _attach(self, job: Job) -> Job | None:
        """Return the recorded job if it has not ended; settle it if it ended while nobody watched."""
        if job.pid:
            raise UserError(
                f"{self._request.folder / 'job.json'} is of a job on {job.host} without Slurm; if it has ended, delete "
                "that file and run again."
            )
        seen = look(job.job_id, self._pause)
        if not seen.live:
            self._record(job, seen)
            return None
        check_attachable(self._request, job, seen.restarts, f"scancel {job.job_id}")
        say(f"attached to job {job.job_id}, submitted {job.submitted}: {_told(seen)}")
        if seen.held:
            self._release(job)
        return job

    def _submit_in_turn(self) -> Job | None:
        """Submit a job, or return None where another launch, on a host that `launch.lock` does not reach, has done so.

        Of two such launches one submits, and both follow.
        """
        settled = read_job(self._request.folder)
        try:
            turn = acquire(self._request.folder / "submission")
        except HeldElsewhereError as other:
            say(f"another launch ({other}) is submitting the job; waiting for it")
            return None
        try:
            return self._submit() if read_job(self._request.folder) == settled else None
        finally:
            turn.release()

    def _submit(self) -> Job:
        """Submit a job, record it, and only then let it start. Raises `UserError` if Slurm would not take it."""
        request, name = self._request, job_name(self._request.folder)

        def attempt() -> str:
            # A held job of this name is one whose launch died before it was recorded; it has never run.
            for stray, seen in jobs_named(name, self._pause).items():
                if not seen.held:
                    raise UserError(
                        f"job {stray} ({name}) is in the queue, but {request.folder / 'job.json'} does not record it; "
                        f"end it with `scancel {stray}`, or wait, then run again."
                    )
                ask(["scancel", stray], self._pause)
            return self._told_if_not_taken()

        job_id = wait_out(attempt, self._pause)
        job = Job.of(request, job_id)
        write_job(request.folder, job)
        self._release(job)
        say_submitted(request, job)
        return job

    def _told_if_not_taken(self) -> str:
        """Return the id of a new held job. Raises `UserError`, one sentence, if Slurm would not take it."""
        try:
            return submit_held(self._request, self._cluster)
        except SlurmError as error:
            why = str(error).splitlines()[-1].removeprefix("sbatch: error: ").removeprefix("allocation failure: ")
            raise UserError(
                f"Slurm would not take the job ({why}): {self._request.nodes} nodes of "
                f"{self._request.partition or 'the default partition'} for {self._request.minutes} minutes. Nothing "
                "was submitted; change the profile, the partition or SBATCH_ACCOUNT."
            ) from None

    def _release(self, job: Job) -> None:
        ask(["scontrol", "release", job.job_id], self._pause)

    def _follow(self, job: Job) -> Seen:
        """Watch a job until it has ended for good, telling whenever its state changes."""
        output = Mirror(log_path(self._jobs, job.job_id, 0, "out"))
        told = ""
        ended_at: float | None = None
        while True:
            seen = look(job.job_id, self._pause)
            output.copy()
            if seen.live:
                ended_at = None
            elif ended_at is None:
                ended_at = time.monotonic()
            if _told(seen) != told:
                told = _told(seen)
                say(f"job {job.job_id}: {told}")
            self._unstick(job, seen)
            if ended_at is not None and (
                seen.state not in MAY_RETURN or time.monotonic() - ended_at > self._cluster.requeue_seconds
            ):
                return seen
            self._pause(self._cluster.poll_seconds)

    def _unstick(self, job: Job, seen: Seen) -> None:
        """Release a job that its nodes could not start, now and then; raise `UserError` if it waits for a person."""
        if not seen.waiting:
            return
        if seen.reason == FAILED_TO_LAUNCH and time.monotonic() >= self._release_at:
            if self._releases == _RELEASES:
                raise UserError(
                    f"job {job.job_id} could not be started on its nodes {_RELEASES + 1} times ({seen.reason}), so "
                    "that Slurm holds it: most often a node's prolog fails. Tell the cluster's administrators. "
                    f"`scontrol release {job.job_id}` lets it try again; the same command attaches to it."
                )
            self._releases += 1
            self._release_at = time.monotonic() + _RELEASE_SECONDS
            say(f"job {job.job_id} could not be started on its nodes ({seen.reason}); releasing it once more")
            self._release(job)
        if advice := STUCK.get(seen.reason):
            raise UserError(
                f"job {job.job_id} waits without end ({seen.reason}): {advice}, or end it with `scancel {job.job_id}`; "
                "the same command then goes on."
            )

    def _record(self, job: Job, seen: Seen) -> None:
        """Write into the history what became of a job that has ended, if the job has not done so itself."""
        if seen.state in MAY_RETURN:
            with suppress(SlurmError):  # the controller may have forgotten it
                ask(["scancel", job.job_id], self._pause)  # it must not come back beside the next one
        detail = who_cancelled(job.job_id) if seen.state == "CANCELLED" else seen.reason
        restart = max(seen.restarts, last_restart(self._jobs, job.job_id))
        append_run(self._request.folder, describe_run(self._request.folder, job, restart, seen.state, detail))

    def _conclude(self, job: Job, seen: Seen) -> None:
        """Settle a job that has ended. Raises `UserError` if no other is to follow."""
        self._record(job, seen)
        if made(self._request):
            return
        history = read_history(self._request.folder)
        verdict = decide(history)
        if history[-1].outcome == "finished":
            raise without_result(self._request, job.job_id)
        if not verdict.go_on:
            raise UserError(verdict.text)
        say(f"{verdict.text}; submitting another")


def _told(seen: Seen) -> str:
    words = seen.state.lower().replace("_", " ")
    if seen.restarts:
        words += f", restart {seen.restarts}"
    return words + (f" ({seen.reason})" if seen.reason else "")
