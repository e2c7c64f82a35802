"""What Slurm knows about a job.

The controller answers for jobs that are queued, run, or ended a few minutes ago (MinJobAge); the accounting database,
where there is one, for all others.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from slurm.queue.commands import AwayError, Pause, SlurmError, ask, ask_once

ENDED = {
    "BOOT_FAIL",
    "CANCELLED",
    "COMPLETED",
    "DEADLINE",
    "FAILED",
    "LAUNCH_FAILED",
    "NODE_FAIL",
    "OUT_OF_MEMORY",
    "PREEMPTED",
    "RECONFIG_FAIL",
    "REVOKED",
    "TIMEOUT",
    "UNKNOWN",
}
"""Final states (squeue(1), JOB STATE CODES). A job in any other has not ended, even if this Slurm's version has given
it a new one: taken for ended, it would get a twin."""
MAY_RETURN = {"NODE_FAIL", "BOOT_FAIL", "PREEMPTED", "LAUNCH_FAILED", "RECONFIG_FAIL"}
"""Final states that Slurm may follow with a requeue of the same job."""
UNKNOWN = "UNKNOWN"
"""What this module says of a job that Slurm has forgotten."""


@dataclass(frozen=True)
class Seen:
    """A job as Slurm sees it."""

    state: str
    """Slurm's word, without what follows it ("CANCELLED by 1000" is CANCELLED), or `UNKNOWN`."""
    reason: str = ""
    """Why it waits or ended, in Slurm's words."""
    restarts: int = 0

    @property
    def live(self) -> bool:
        """Whether it has not ended."""
        return self.state not in ENDED

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
    return _parse(shown)


def _parse(shown: str) -> Seen:
    fields = dict(re.findall(r"\b(JobState|Reason|Restarts)=(\S+)", shown))
    reason = fields.get("Reason", "None")
    return Seen(fields.get("JobState", UNKNOWN), "" if reason == "None" else reason, int(fields.get("Restarts", 0)))


def _account(job_id: str, pause: Pause) -> Seen:
    """Ask the accounting about a job that the controller has forgotten."""
    fields = "--format=State"
    try:
        answer = ask(["sacct", "--noheader", "--parsable2", "--allocations", "--jobs", job_id, fields], pause)
    except SlurmError:  # there may be no accounting
        return Seen(UNKNOWN, "Slurm remembers no such job")
    lines = answer.splitlines()
    state, _, rest = (lines[-1] if lines else UNKNOWN).partition(" ")
    # A job that the controller has forgotten has ended, whatever the database has not heard yet.
    return Seen(state if state in ENDED else UNKNOWN, rest)


def jobs_named(name: str, pause: Pause) -> list[tuple[str, Seen]]:
    """Return this user's jobs of that name which have not ended: (job id, what Slurm sees)."""
    answer = ask(["squeue", "--me", "--noheader", f"--name={name}", "--format=%i|%T|%r"], pause)
    jobs = [line.split("|") for line in answer.splitlines() if line.count("|") == 2]
    return [(job_id, Seen(state, reason)) for job_id, state, reason in jobs if state not in ENDED]


def who_cancelled(job_id: str) -> str:
    """Say who ended a job, as the accounting has it; empty if it does not know or does not answer."""
    try:
        answer = ask_once(["sacct", "--noheader", "--parsable2", "--allocations", "--jobs", job_id, "--format=State"])
    except (AwayError, SlurmError):
        return ""
    found = re.search(r"CANCELLED by (\d+)", answer)
    return f"by user {found[1]}" if found else ""
