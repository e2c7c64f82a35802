"""What the other rules took, by Snakemake's own record of each output: when its job began and when it ended.

On a cluster that is from the submission on, so that time in the queue is in it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

METADATA = Path(".snakemake/metadata")


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
    jobs: dict[str, set[tuple[float, float]]] = {}
    for record in _records(directory / METADATA):
        rule, begin, end = (record.get(key) for key in ("rule", "starttime", "endtime"))
        if isinstance(rule, str) and isinstance(begin, float) and isinstance(end, float) and rule != "train":
            # A job has a record for each of its outputs.
            jobs.setdefault(rule, set()).add((begin, end))
    found = []
    for rule, times in jobs.items():
        hours = [(end - begin) / 3600 for begin, end in times]
        found.append(RuleTook(rule, len(hours), sum(hours), max(hours)))
    return sorted(found, key=lambda one: (-one.hours, one.rule))


def _records(folder: Path) -> Iterator[Mapping[str, Any]]:
    for path in folder.rglob("*"):
        if path.is_file():
            try:
                content = json.loads(path.read_bytes())
            except (OSError, ValueError):
                continue  # that of a job that runs, or of another version of Snakemake
            if isinstance(content, dict):
                yield content
