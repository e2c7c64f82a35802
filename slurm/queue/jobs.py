"""Questions to Slurm about jobs, and its words in the answers (squeue(1), JOB STATE CODES and JOB REASON CODES).

The controller answers for jobs that are queued, run, or ended a few minutes ago (MinJobAge); the accounting database,
where there is one, for all others.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from slurm.queue.commands import AwayError, Pause, SlurmError, ask, ask_once
from slurm.records.outcome import BY_STATE

UNKNOWN = "UNKNOWN"
"""What is said here of a job that Slurm has forgotten."""
ENDED = {*BY_STATE, "COMPLETED", "FAILED", UNKNOWN}
"""Final states. A job in any other has not ended, even if this Slurm's version has given it a new one: taken for ended,
it would get a twin."""
MAY_RETURN = {state for state, outcome in BY_STATE.items() if outcome in ("node failure", "preempted")}
"""Final states that Slurm may follow with a requeue of the same job."""
WAITING = {"PENDING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "RESV_DEL_HOLD", "SPECIAL_EXIT"}
"""States of a job that has yet to start, or to start again."""
FAILED_TO_LAUNCH = "launch_failed_requeued_held"
"""Reason of a job that Slurm put back and holds because its nodes could not start it, at a failing prolog for one."""
STUCK = {
    "JobHeldAdmin": "an administrator of the cluster holds it. Ask them why",
    "BadConstraints": "no node of the cluster can ever give what it asks for. Change the profile",
}
"""Reasons for which a job waits until somebody does something, and what."""

_PATIENCE_SECONDS = 10.0
"""For `queued`, which a person waits for: the controller may be restarting."""
_FORMAT = "--format=%i|%T|%P|%r|%L|%S|%N"
_FORGOTTEN = "Invalid job id specified"
"""Slurm's words where the only job asked for is one that the controller has forgotten."""


@dataclass(frozen=True)
class Seen:
    """A job as Slurm sees it."""

    state: str
    """Slurm's word, without what follows it ("CANCELLED by 1000" is CANCELLED), or `UNKNOWN`."""
    reason: str = ""
    """Why it waits or ended, in Slurm's words, such as Priority; empty where Slurm gives none."""
    restarts: int = 0
    """How often it was put back into the queue; `look` alone tells it, and what follows only squeue."""
    partition: str = ""
    seconds_left: float | None = None
    """Until its time limit; None where it has none."""
    starts: float | None = None
    """When it started, or is expected to, in seconds since the epoch."""
    nodes: str = ""
    """Its nodes in Slurm's notation, such as nid[005001-005008]; empty while it has none."""

    @property
    def live(self) -> bool:
        """Whether it has not ended; Slurm keeps those that have in mind for some minutes."""
        return self.state not in ENDED

    @property
    def waiting(self) -> bool:
        """Whether it has yet to start, or to start again."""
        return self.state in WAITING

    @property
    def held(self) -> bool:
        """Whether it waits for its owner to release it."""
        return self.state == "PENDING" and self.reason == "JobHeldUser"


def look(job_id: str, pause: Pause) -> Seen:
    """Return what Slurm knows about a job, waiting while it does not answer."""
    try:
        shown = ask(["scontrol", "--oneliner", "show", "job", job_id], pause)
    except SlurmError:
        return _account(job_id, pause)
    fields = dict(re.findall(r"\b(JobState|Reason|Restarts)=(\S+)", shown))
    return Seen(fields.get("JobState", UNKNOWN), _reason(fields.get("Reason", "")), int(fields.get("Restarts", 0)))


def _account(job_id: str, pause: Pause) -> Seen:
    """Ask the accounting about a job that the controller has forgotten."""
    try:
        answer = ask(_accounting(job_id), pause)
    except SlurmError:  # there may be no accounting
        return Seen(UNKNOWN, "Slurm remembers no such job")
    lines = answer.splitlines()
    state, _, rest = (lines[-1] if lines else UNKNOWN).partition(" ")
    # A job that the controller has forgotten has ended, whatever the database has not heard yet.
    return Seen(state if state in ENDED else UNKNOWN, rest, max(0, len(lines) - 1))


def _accounting(job_id: str) -> list[str]:
    """Ask for a line for each run of the job, the last one last."""
    return ["sacct", "--noheader", "--parsable2", "--allocations", "--duplicates", "--jobs", job_id, "--format=State"]


def who_cancelled(job_id: str) -> str:
    """Say who ended a job, as the accounting has it; empty if it does not know or does not answer."""
    try:
        answer = ask_once(_accounting(job_id))
    except (AwayError, SlurmError):
        return ""
    found = re.search(r"CANCELLED by (\d+)", answer)
    return f"by user {found[1]}" if found else ""


def jobs_named(name: str, pause: Pause) -> dict[str, Seen]:
    """Return this user's jobs of that name which have not ended, by id, waiting while Slurm does not answer."""
    jobs = _parse(ask(["squeue", "--me", "--noheader", f"--name={name}", _FORMAT], pause))
    return {job_id: job for job_id, job in jobs.items() if job.live}


def queued(job_ids: Iterable[str]) -> dict[str, Seen]:
    """Return what Slurm knows of these jobs, by id, in one question; those it has forgotten are left out.

    Raises `AbsentError` if there is no squeue, `AwayError` or `SlurmError` if it fails or takes more than ten seconds.
    """
    question = ["squeue", "--noheader", "--states=all", "--jobs", ",".join(job_ids), _FORMAT]
    try:
        return _parse(ask_once(question, _PATIENCE_SECONDS))
    except SlurmError as error:
        if _FORGOTTEN in str(error):
            return {}
        raise


def _parse(listed: str) -> dict[str, Seen]:
    """Read what squeue lists in `_FORMAT`; lines of another form are passed over."""
    jobs = {}
    for line in listed.splitlines():
        if line.count("|") == _FORMAT.count("|"):
            job_id, state, partition, reason, left, starts, nodes = (field.strip() for field in line.split("|"))
            jobs[job_id] = Seen(state, _reason(reason), 0, partition, _seconds(left), _moment(starts), nodes)
    return jobs


def _reason(text: str) -> str:
    """Return why a job waits or ended; Slurm says None where there is no reason."""
    return "" if text == "None" else text


def _seconds(text: str) -> float | None:
    """Read [days-][hours:]minutes:seconds; None for UNLIMITED, NOT_SET and the like."""
    days, _, clock = text.rpartition("-")
    seconds = 0.0
    try:
        for part in clock.split(":"):
            seconds = 60 * seconds + int(part)
        return 86400 * int(days or 0) + seconds
    except ValueError:
        return None


def _moment(text: str) -> float | None:
    """Read 2026-01-31T12:00:00, local time, as seconds since the epoch; None for N/A."""
    with suppress(ValueError):
        return datetime.fromisoformat(text).timestamp()
    return None
