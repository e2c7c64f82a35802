"""Where phases stand, as a table for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from itertools import groupby

from common.quantities import amount, duration
from common.tables import aligned
from slurm.status.phases import PhaseStatus

WIDTH = 110
_HEADER = ["", "state", "job", "partition", "slots", "%", "loss", "tok/s", "left", "saved"]
_LEFT_ALIGNED = 4
"""So many columns are text and begin at the left; the others are numbers."""


def render(statuses: Iterable[PhaseStatus]) -> str:
    """Return a table with a heading for each run, a line for each phase, and what else is to be said."""
    shown = list(statuses)
    header, *lines = aligned([_HEADER, *map(_cells, shown)], _LEFT_ALIGNED)
    table = [header]
    for run, phases in groupby(zip(shown, lines, strict=True), key=lambda line: line[0].run):
        table.append(run)
        for status, line in phases:
            table += _with_notes(line, status.notes)
    return "\n".join(table)


def _with_notes(line: str, notes: Sequence[str]) -> list[str]:
    """Put the notes behind the line where there is room, else below it."""
    told = "; ".join(note.rstrip(".") for note in notes)
    if len(line) + 2 + len(told) <= WIDTH:
        return [f"{line}  {told}".rstrip()]
    return [line, *textwrap.wrap(told, WIDTH, initial_indent="    ", subsequent_indent="    ")]


def _cells(status: PhaseStatus) -> list[str]:
    total = status.slots_total
    slots = f"{amount(status.slots_done)}/{amount(total)}" if total else amount(status.slots_done)
    return [
        f"  {status.phase}",
        status.state,
        status.job_id or "",
        status.partition or "",
        slots,
        # Rounded down: a phase that is not done never shows 100.
        f"{1000 * status.slots_done // total / 10:.1f}" if total else "",
        "" if status.loss is None else f"{status.loss:.3f}",
        "" if status.tokens_per_second is None else amount(status.tokens_per_second),
        "" if status.seconds_left is None else duration(status.seconds_left),
        "" if status.checkpoint_age_seconds is None else duration(status.checkpoint_age_seconds),
    ]
