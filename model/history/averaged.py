"""Which checkpoints of a phase a mean is of; needs no torch, so that what is missing is told before any job."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from common.quantities import amount
from model.history.position import Position
from model.history.store import load_state


def kept_at(directories: Sequence[Path], at_tokens: Sequence[int]) -> list[Path | None]:
    """Return the checkpoint that first reaches each of some numbers of a phase's slots; None where none was kept.

    Args:
        directories: whole checkpoints of the phase, oldest first.
        at_tokens: slots of the phase, rising.

    Raises:
        UserError: one is of another format.
    """
    placed = [(Position.read(load_state(directory)["position"]).phase_slots, directory) for directory in directories]
    apart = min((after - before for before, after in pairwise(at_tokens)), default=at_tokens[0] if at_tokens else 0)
    found: list[Path | None] = []
    for tokens in at_tokens:
        slots, directory = min((one for one in placed if one[0] >= tokens), default=(0, None))
        # One that was kept for a later point is none for this one.
        missing = directory is None or slots - tokens >= apart or directory in found
        found.append(None if missing else directory)
    return found


def not_kept(folder: Path, missing: Sequence[int]) -> str:
    """Return what to say where no checkpoint was kept after some numbers of slots of the phase in `folder`."""
    points = ", ".join(map(amount, missing))
    return (
        f"no checkpoint was kept after {points} slots of {folder}, which was trained before the average was asked for. "
        "`average` of a run and `checkpoints.keep_every_tokens` keep them while a phase trains: "
        "take the average out, or move that directory away, and the phase is trained anew and keeps them."
    )
