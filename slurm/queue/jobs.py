"""What Slurm says of jobs at this moment, in one question for all of them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from slurm.queue.states import ENDED

_TIMEOUT = 10.0
"""Seconds that Slurm has to answer: its controller may be restarting."""
_WAITING = {"PENDING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "RESV_DEL_HOLD", "SPECIAL_EXIT"}


class NoAnswerError(Exception):
    """Slurm could not be asked, or did not answer; the text says which in a sentence."""


@dataclass(frozen=True)
class Queued:
    """A job as squeue(1) knows it."""

    state: str
    """Slurm's own word, such as PENDING or COMPLETING."""
    partition: str
    reason: str
    """Why it waits, in Slurm's word, such as Priority; None (the word) where it does not wait."""
    seconds_left: float | None
    """Until its time limit; None where it has none."""
    starts: float | None
    """When it started, or is expected to, in seconds since the epoch."""
    nodes: str
    """Its nodes in Slurm's notation, such as nid[005001-005008]; empty while it has none."""

    @property
    def waiting(self) -> bool:
        """Whether it has yet to start, or to start again."""
        return self.state in _WAITING

    @property
    def ended(self) -> bool:
        """Whether it is over; Slurm keeps such jobs in mind for some minutes."""
        return self.state in ENDED


def ask(job_ids: Iterable[str]) -> dict[str, Queued]:
    """Return what Slurm knows of these jobs; those it has forgotten are left out.

    Raises `NoAnswerError` if there is no squeue, or if it fails or takes more than ten seconds.
    """
    program = shutil.which("squeue")
    if program is None:
        raise NoAnswerError("Slurm was not asked: there is no squeue on PATH.")
    # A user's own SQUEUE_STATES or SLURM_TIME_FORMAT would change the answer.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SQUEUE_")}
    question = [program, "--noheader", "--states=all", "--jobs", ",".join(job_ids), "--format=%i|%T|%P|%r|%L|%S|%N"]
    try:
        answer = subprocess.run(
            question,
            env=environment | {"SLURM_TIME_FORMAT": "standard"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise NoAnswerError(f"Slurm did not answer: squeue took more than {_TIMEOUT:.0f} s.") from None
    except OSError as error:
        raise NoAnswerError(f"Slurm was not asked: {program} cannot be run ({error.strerror}).") from None
    # That is how it says that it has forgotten the only job asked for.
    if answer.returncode and "Invalid job id specified" not in answer.stderr:
        words = answer.stderr.strip().splitlines() or [f"squeue ended with status {answer.returncode}"]
        raise NoAnswerError(f"Slurm did not answer: {words[-1].rstrip('.')}.")
    return dict(_parse(line) for line in answer.stdout.splitlines() if line.count("|") == 6)


def _parse(line: str) -> tuple[str, Queued]:
    job_id, state, partition, reason, left, starts, nodes = (field.strip() for field in line.split("|"))
    return job_id, Queued(state, partition, reason, _seconds(left), _moment(starts), nodes)


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
