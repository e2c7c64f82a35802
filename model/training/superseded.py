"""What another recipe or format left in the folder of a phase: it is set aside, and taken back when asked for again.

Nothing is deleted, and nothing is continued that was trained by another recipe.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from common.finished import FINISHED
from model.training import checkpoint

LEFT = ("checkpoints", "metrics.jsonl", "tensorboard", FINISHED)
"""What a phase leaves in its folder."""


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
    now = time.time_ns()
    for left in LEFT:
        if (folder / left).exists():
            (folder / left).rename(aside / f"{left}-{now}")
    say(f"{reason}; moved what was here to {aside}")


def take_back(folder: Path, inputs: str, say: Callable[[str], None]) -> None:
    """Move back what was set aside in `folder` and is what is to be trained now, the last of it; nothing if none is.

    Checkpoints come last: a kill before leaves them aside, to be taken back by the next start.

    Args:
        folder: of a phase, without a checkpoint of its own.
        inputs: digest of what decides the result of the phase now.
        say: told what was found.
    """
    aside = folder / "superseded" / inputs[:12]
    for checkpoints in sorted(aside.glob("checkpoints-*"), reverse=True):
        own = checkpoint.complete_checkpoints(checkpoints)
        if not own or checkpoint.other_format(own[-1]) or checkpoint.load_state(own[-1])["inputs"] != inputs:
            continue
        when = checkpoints.name.removeprefix("checkpoints-")
        for left in reversed(LEFT):
            kept = aside / f"{left}-{when}"
            if kept.exists() and not (folder / left).exists():
                kept.rename(folder / left)
        say(f"what was trained for this recipe before is in {aside}; taken back")
        return
