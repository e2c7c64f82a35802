"""Slurm's words for where a job stands, and what it tells of one (squeue(1), JOB STATE CODES and JOB REASON CODES)."""

from __future__ import annotations

from dataclasses import dataclass

UNKNOWN = "UNKNOWN"
"""What is said here of a job that Slurm has forgotten."""
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
    UNKNOWN,
}
"""Final states. A job in any other has not ended, even if this Slurm's version has given it a new one: taken for ended,
it would get a twin."""
MAY_RETURN = {"NODE_FAIL", "BOOT_FAIL", "PREEMPTED", "LAUNCH_FAILED", "RECONFIG_FAIL"}
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


@dataclass(frozen=True)
class Seen:
    """A job as Slurm sees it."""

    state: str
    """Slurm's word, without what follows it ("CANCELLED by 1000" is CANCELLED), or `UNKNOWN`."""
    reason: str = ""
    """Why it waits or ended, in Slurm's words, such as Priority; empty where Slurm gives none."""

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


@dataclass(frozen=True)
class Shown(Seen):
    """A job as scontrol(1) shows it."""

    restarts: int = 0
    """How often it was put back into the queue."""


@dataclass(frozen=True)
class Queued(Seen):
    """A job as squeue(1) lists it."""

    partition: str = ""
    seconds_left: float | None = None
    """Until its time limit; None where it has none."""
    starts: float | None = None
    """When it started, or is expected to, in seconds since the epoch."""
    nodes: str = ""
    """Its nodes in Slurm's notation, such as nid[005001-005008]; empty while it has none."""
