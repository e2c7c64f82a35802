"""What another recipe or format left in the folder of a phase: it is set aside, never deleted and never continued."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from common.finished import FINISHED
from model.training import checkpoint


def superseded(newest: Path, inputs: str) -> tuple[str, str] | None:
    """Return what to call what `newest` belongs to, and why it is not continued; None if it is.

    Args:
        newest: a whole checkpoint.
        inputs: digest of what decides the result of the phase now.
    """
    if problem := checkpoint.other_format(newest):
        return f"format-{checkpoint.format_of(newest)}", problem
    before = checkpoint.load_state(newest)["inputs"]
    if before != inputs:
        return before[:12], f"the recipe or the data has changed since {newest.name} was written"
    return None


def set_aside(folder: Path, name: str, reason: str, say: Callable[[str], None]) -> None:
    """Move all that a phase left in `folder` to `superseded/{name}` there, and `say` why."""
    aside = folder / "superseded" / name
    aside.mkdir(parents=True, exist_ok=True)
    for left in ("checkpoints", "metrics.jsonl", "tensorboard", FINISHED):
        if (folder / left).exists():
            (folder / left).rename(aside / f"{left}-{time.time_ns()}")
    say(f"{reason}; moved what was here to {aside}")
