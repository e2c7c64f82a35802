"""What the other rules took, by Snakemake's own record of each output: when its job began and when it ended.

On a cluster that is from the submission on, so that time in the queue is in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from workflow.noted import read_jobs


@dataclass(frozen=True)
class RuleTook:
    """All jobs of a rule that are on record."""

    rule: str
    jobs: int
    hours: float
    """From start to end, added up."""
    longest_hours: float


def rules_took(directory: Path) -> list[RuleTook]:
    """Return what each rule but `train` took in a working directory, the dearest first; of a job made anew the last."""
    found: dict[str, list[float]] = {}
    for job in read_jobs(directory):
        if job.rule != "train":
            found.setdefault(job.rule, []).append(job.hours)
    took = [RuleTook(rule, len(hours), sum(hours), max(hours)) for rule, hours in found.items()]
    return sorted(took, key=lambda one: (-one.hours, one.rule))
