"""How long before its time limit Slurm is to signal a job, so that its ranks can still write a checkpoint."""

from __future__ import annotations

from math import ceil
from pathlib import Path

from slurm.records.progress import last_metrics

_AT_FIRST = 300
"""Seconds for the first checkpoint of a phase, whose time nobody has measured yet."""
_MARGIN = 60
"""Slurm looks at its time limits every half minute, and ranks need some seconds to end."""


def signal_seconds(folder: Path, minutes: int) -> int:
    """Return how long before its time limit of `minutes` a job of this phase must hear of it.

    Long enough for the step in progress, three times the longest measured save, and Slurm's own half-minute grid; at
    most a quarter of the time limit.
    """
    lines = last_metrics(folder)
    saves = [line["save_seconds"] for line in lines if line.get("save_seconds")]
    steps = [line["step_seconds"] for line in lines if "step_seconds" in line]
    wanted = _MARGIN + ceil(2 * max(steps) + 3 * max(saves)) if saves else _AT_FIRST
    return min(wanted, minutes * 60 // 4)
