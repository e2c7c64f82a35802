"""What a phase's files say about its checkpoints: the newest one's step, and how long a job needs to write one."""

from __future__ import annotations

from math import ceil
from pathlib import Path

from slurm.records.progress import last_metrics

_SIGNAL_AT_FIRST = 300
"""Seconds for the first checkpoint of a phase, whose time nobody has measured yet."""
_MARGIN = 60
"""Slurm looks at its time limits every half minute, and ranks need some seconds to end."""


def newest_step(folder: Path) -> int:
    """Return the step of the newest whole checkpoint in a phase's folder, 0 if there is none."""
    manifests = folder.glob("checkpoints/step-*/manifest.json")
    steps = [manifest.parent.name.removeprefix("step-") for manifest in manifests]
    return max((int(step) for step in steps if step.isdecimal()), default=0)


def signal_seconds(folder: Path, minutes: int) -> int:
    """Return how long before its time limit of `minutes` a job of this phase must hear of it.

    Long enough for the step in progress, three times the longest measured save, and Slurm's own half-minute grid; at
    most a quarter of the time limit.
    """
    lines = last_metrics(folder)
    saves = [line["save_seconds"] for line in lines if line.get("save_seconds")]
    steps = [line["step_seconds"] for line in lines if "step_seconds" in line]
    wanted = _MARGIN + ceil(2 * max(steps) + 3 * max(saves)) if saves else _SIGNAL_AT_FIRST
    return min(wanted, minutes * 60 // 4)
