"""Whether a phase goes on after a run of its job has ended: a function of the history alone.

So the job's own last act, the launch that watches it and a launch started tomorrow come to the same decision.

    finished                               it is done
    time limit, preempted, node failure,
    requeued                               it goes on, for as many jobs as it takes
    rank died, hung, unknown               it goes on, at most `RETRIES` times in a row
    two runs in a row without progress     it stops, whatever ended them (preemption and node failures do not count)
    ten runs in a row without progress     it stops, preempted and on failed nodes too
    out of memory, refused                 it stops: the next run would end in the same way
    cancelled, stopped                     it stops: somebody wanted that

After a stop the same command begins a new series, in which earlier runs do not count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

from slurm.records.history import Run

RETRIES = 3
FRUITLESS = 10
"""So many runs in a row without progress are too many, whoever is to blame: nodes that always fail cost a queue each
time."""
_FAILED = ("rank died", "hung", "unknown")
_BLAMELESS = ("preempted", "node failure", "requeued")
_ADVICE = {
    "cancelled": "The same command continues from the last checkpoint.",
    "stopped": "The same command continues from the last checkpoint.",
    "out of memory": "Set a smaller micro_batch_slots in the profile, or ask for more memory (memory_gib), and run "
    "the same command again; it continues from the last checkpoint.",
    "refused": "Mend what it says and run the same command again.",
}


@dataclass(frozen=True)
class Verdict:
    """Whether another run follows, and why."""

    go_on: bool
    text: str


def decide(history: Sequence[Run]) -> Verdict:
    """Return what follows the last run in `history`, which holds at least one."""
    series: list[Run] = []
    verdict = Verdict(False, "")
    for run in history:
        series.append(run)
        verdict = _judge(series)
        if not verdict.go_on:
            series = []
    return verdict


def _judge(series: Sequence[Run]) -> Verdict:
    last = series[-1]
    name = f"job {last.job_id}"
    why = f"{name} ended: {last.outcome}" + (f" ({last.reason})" if last.reason else "")
    if last.outcome == "finished":
        return Verdict(False, f"{name} finished")
    if last.outcome in _ADVICE:
        return Verdict(False, f"{why}. {_ADVICE[last.outcome]}")
    if _fruitless(series) >= FRUITLESS:
        return Verdict(
            False,
            f"{why}. That was run {FRUITLESS} in a row without a new checkpoint (the newest is of step "
            f"{last.last_step}). If nodes fail, ask the cluster's administrators; if jobs are preempted sooner than "
            "they checkpoint, checkpoint more often. The same command then continues.",
        )
    if _fruitless([run for run in series if run.outcome not in _BLAMELESS]) >= 2:
        more = "Ask for more time or checkpoint more often" if last.outcome == "time limit" else "Mend what ended them"
        return Verdict(
            False,
            f"{why}. It was the second run in a row that ended without a new checkpoint (the newest is of step "
            f"{last.last_step}), so there is no third. {more}; the same command then continues.",
        )
    failures = sum(1 for _ in takewhile(lambda run: run.outcome in _FAILED, reversed(series)))
    if failures > RETRIES:
        return Verdict(False, f"{why}. That was failure {failures} in a row. The same command tries again.")
    return Verdict(True, f"{why}; it made steps {last.first_step} to {last.last_step}")


def _fruitless(series: Sequence[Run]) -> int:
    """Return how many of the last runs in a row made no new checkpoint."""
    return sum(1 for _ in takewhile(lambda run: run.last_step <= run.first_step, reversed(series)))
