"""What became of a run of a job, from the word its ranks left and from what the scheduler says.

Slurm's state alone is not enough: a job that checkpointed and asked to be put back is COMPLETED to it, one whose rank
crashed and one whose loss was not finite are both FAILED.
"""

from __future__ import annotations

import os
import re
import signal
import time
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from slurm.records.checkpoints import newest_step
from slurm.records.follow import last_lines
from slurm.records.history import Outcome, Run, append_run
from slurm.records.job import (
    HELD,
    HUNG,
    OUT_OF_MEMORY,
    REFUSED,
    RESUMABLE,
    Ended,
    Job,
    log_path,
    read_job,
    read_start,
    read_statuses,
)
from slurm.records.request import micro_batch_slots

BY_STATE: dict[str, Outcome] = {
    "TIMEOUT": "time limit",
    "DEADLINE": "time limit",
    "PREEMPTED": "preempted",
    "NODE_FAIL": "node failure",
    "BOOT_FAIL": "node failure",
    "LAUNCH_FAILED": "node failure",
    "RECONFIG_FAIL": "node failure",
    "CANCELLED": "cancelled",
    "REVOKED": "cancelled",
    "OUT_OF_MEMORY": "out of memory",
}
"""Slurm's final states that say by themselves why a job ended."""
_BY_STATUS: dict[int, Outcome] = {
    HUNG: "hung",
    REFUSED: "refused",
    OUT_OF_MEMORY: "out of memory",
    HELD: "requeued",
}
_OOM = re.compile("oom[-_]kill|out of memory", re.IGNORECASE)
"""How Slurm's daemons tell that a node or a job's share of it had too little memory."""
_STOPPED = "asked to checkpoint and end"
_NEAR_LIMIT_SECONDS = 180.0
"""A job that was told to stop so short before the time for its signal was told so because of it."""


def describe_run(folder: Path, job: Job, restart: int, state: str = "", detail: str = "", signal_at: int = 0) -> Run:
    """Return what became of a run of `job` that has ended, or is about to.

    `state` is Slurm's final state, empty if it has none yet; `detail` is added to what it means. `signal_at` is how
    many seconds before the time limit the ranks were to hear of it.
    """
    jobs = folder / "jobs"
    start = read_start(jobs, job.job_id, restart)
    submitted = datetime.fromisoformat(job.submitted).timestamp()
    started = start.started if start else submitted
    ended = read_statuses(jobs, job.job_id, restart, job.processes)
    outcome, reason = (BY_STATE[state], detail) if state in BY_STATE else _from_ranks(jobs, job, ended, started)
    if outcome == "time limit" and not state:  # the ranks were told to stop; by the clock, was it for that?
        if not job.minutes:
            outcome, reason = "stopped", _STOPPED
        elif started + job.minutes * 60 - signal_at - time.time() > _NEAR_LIMIT_SECONDS:
            outcome, reason = "preempted", "asked to checkpoint before its time limit"
    if outcome == "out of memory" and not reason and (slots := micro_batch_slots(job.command)):
        reason = f"micro_batch_slots is {slots} now"
    step = newest_step(folder)
    return Run(
        job.job_id,
        restart,
        job.partition,
        job.nodes,
        started,
        max((rank.ended for rank in ended), default=time.time()),
        outcome,
        reason,
        start.first_step if start else step,
        step,
    )


def record_requeue(folder: Path, job_id: str, restart: int) -> None:
    """At the start of a run that is not its job's first: see that the run before it is in the history.

    It is not if Slurm ended it without asking, at a node failure or a preemption without grace. The batch script asks
    the accounting for the state it ended in and leaves it in ALASIN_ENDED_AS.
    """
    job = read_job(folder)
    if restart == 0 or job is None or job.job_id != job_id:
        return
    state = os.environ.get("ALASIN_ENDED_AS", "")
    run = describe_run(folder, job, restart - 1, state)
    append_run(folder, run if state in BY_STATE else replace(run, outcome="requeued", reason=""))


def _from_ranks(jobs: Path, job: Job, ended: list[Ended], started: float) -> tuple[Outcome, str]:
    for rank in ended:
        if rank.status not in (0, RESUMABLE):
            log = log_path(jobs, job.job_id, rank.rank, "err")
            return _BY_STATUS.get(rank.status, "rank died"), f"{rank}; {log} ends with:\n{last_lines(log)}"
    if silent := sorted(set(range(job.processes)) - {rank.rank for rank in ended}):
        return _of_silence(jobs, job, silent, started)
    if all(rank.status == 0 for rank in ended):
        return "finished", ""
    if any(signal.SIGTERM in rank.signals for rank in ended):
        return "stopped", _STOPPED
    return "time limit", ""


def _of_silence(jobs: Path, job: Job, silent: list[int], started: float) -> tuple[Outcome, str]:
    """Tell of ranks that left no word by what was written for them; Slurm itself writes into the log of rank 0."""
    reason = f"{len(silent)} of {job.processes} ranks left no word"
    for log in (log_path(jobs, job.job_id, rank, "err") for rank in (*silent, 0)):
        # Runs of a job append to the same log.
        if log.exists() and log.stat().st_mtime >= started and (words := last_lines(log)):
            outcome: Outcome = "out of memory" if _OOM.search(words) else "unknown"
            return outcome, f"{reason}; {log} ends with:\n{words}"
    return "unknown", reason
