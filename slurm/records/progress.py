"""How far a phase has come, how fast, and how soon it can save, from the end of its metrics, however long they are."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

_TAIL = 64 * 1024
"""Bytes read of metrics.jsonl, which may hold millions of lines."""
_RECENT = 20
"""Steps that the speed is the median of: a checkpoint or a slow disk then counts for little."""
_FIRST_SAVE = 300
"""Seconds for the first checkpoint of a phase, whose time nobody has measured yet."""
_MARGIN = 60
"""Slurm looks at its time limits every half minute, and ranks need some seconds to end."""

Read = TypeVar("Read")


@dataclass(frozen=True)
class Pace:
    """The last step in metrics.jsonl, with the speed of the last `_RECENT`."""

    step: int
    """Over the lineage."""
    phase_slots: int
    """Slots of the phase up to and with it."""
    loss: float
    """Nats per masked token."""
    tokens_per_second: float
    """Real tokens, all ranks together."""
    slots_per_second: float
    """The same with the empty slots of rows; this is what a phase is counted in."""
    written: float
    """When the last line was written, in seconds since the epoch."""


def read_steps(folder: Path, read: Callable[[dict[str, Any]], Read]) -> list[Read]:
    """Return what `read` makes of the last steps that metrics.jsonl in a phase's folder tells of, oldest first.

    Lines that are no objects, or in which `read` misses something, are passed over: the last may be cut off, or be half
    written at this moment.
    """
    try:
        with open(folder / "metrics.jsonl", "rb") as stream:
            begin = max(0, stream.seek(0, os.SEEK_END) - _TAIL)
            stream.seek(begin)
            lines = stream.read().splitlines()
    except FileNotFoundError:
        return []
    steps = []
    for line in lines[1 if begin else 0 :]:
        with suppress(ValueError, KeyError, TypeError, ZeroDivisionError):
            steps.append(read(json.loads(line)))
    return steps


def read_pace(folder: Path) -> Pace | None:
    """Return how the last steps of a phase went, or None if there are none."""

    def read(row: dict[str, Any]) -> Pace:
        slots_per_second = row["batch_rows"] * row["length"] / row["step_seconds"]
        loss = float(row["loss"])  # null, and the step passed over, where it was not finite
        return Pace(row["step"], row["phase_slots"], loss, row["tokens_per_second"], slots_per_second, written)

    try:
        written = (folder / "metrics.jsonl").stat().st_mtime
    except FileNotFoundError:
        return None
    recent = read_steps(folder, read)[-_RECENT:]
    if not recent:
        return None
    return replace(
        recent[-1],
        tokens_per_second=median(step.tokens_per_second for step in recent),
        slots_per_second=median(step.slots_per_second for step in recent),
    )


def signal_seconds(folder: Path, minutes: int) -> int:
    """Return how long before its time limit of `minutes` a job of this phase must hear of it, to write a checkpoint.

    Long enough for the step in progress, three times the longest measured save, which may find another one in progress,
    and Slurm's own half-minute grid; at most a quarter of the time limit.
    """
    # Until the first checkpoint is on the disk only the copy has been measured.
    save = max(
        read_steps(folder, lambda row: row["write_seconds"] and row["save_seconds"] + row["write_seconds"]), default=0
    )
    step = max(read_steps(folder, lambda row: row["step_seconds"]), default=0)
    wanted = _MARGIN + ceil(2 * step + 3 * save) if save else _FIRST_SAVE
    return min(wanted, minutes * 60 // 4)
