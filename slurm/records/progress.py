"""How far a phase has come and how fast, from the end of its metrics, however long they are."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

_TAIL = 64 * 1024
"""Bytes read of metrics.jsonl, which may hold millions of lines."""
_RECENT = 20
"""Steps that the speed is the median of: a checkpoint or a slow disk then counts for little."""


@dataclass(frozen=True)
class _Step:
    """A step in metrics.jsonl."""

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


@dataclass(frozen=True)
class Pace(_Step):
    """The last step in metrics.jsonl, with the speed of the last `_RECENT`."""

    written: float
    """When the last line was written, in seconds since the epoch."""


def last_metrics(folder: Path) -> list[dict[str, Any]]:
    """Return the last steps that metrics.jsonl in a phase's folder tells of, oldest first; none if there is none.

    Lines that are no objects are passed over: the last may be cut off, or be half written at this moment.
    """
    try:
        with open(folder / "metrics.jsonl", "rb") as stream:
            begin = max(0, stream.seek(0, os.SEEK_END) - _TAIL)
            stream.seek(begin)
            lines = stream.read().splitlines()
    except FileNotFoundError:
        return []
    rows = []
    for line in lines[1 if begin else 0 :]:
        with suppress(ValueError):
            row = json.loads(line)
            if isinstance(row, dict):
                rows.append(row)
    return rows


def read_pace(folder: Path) -> Pace | None:
    """Return the last steps of a phase, or None if there are none; lines that are no steps are passed over."""
    steps: list[_Step] = []
    for row in last_metrics(folder):
        with suppress(KeyError, TypeError, ZeroDivisionError):
            steps.append(_step(row))
    if not steps:
        return None
    recent, last = steps[-_RECENT:], steps[-1]
    return Pace(
        last.step,
        last.phase_slots,
        last.loss,
        median(step.tokens_per_second for step in recent),
        median(step.slots_per_second for step in recent),
        (folder / "metrics.jsonl").stat().st_mtime,
    )


def _step(row: dict[str, Any]) -> _Step:
    slots_per_second = row["batch_rows"] * row["length"] / row["step_seconds"]
    return _Step(row["step"], row["phase_slots"], row["loss"], row["tokens_per_second"], slots_per_second)
