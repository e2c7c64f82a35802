"""The newest checkpoint of a phase: its step, and what its state says.

A checkpoint is whole once its manifest is there, which is written last. Checksums are the trainer's affair.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.errors import UserError
from common.files import read_json


@dataclass(frozen=True)
class Saved:
    """What a checkpoint's state says."""

    step: int
    phase_slots: int
    """Slots of the phase up to it."""
    slice: Any
    """The phase's slice of the recipe when it was written."""
    ranks: int
    """Of the job that wrote it."""
    written: float
    """Seconds since the epoch."""


def newest_step(folder: Path) -> int:
    """Return the step of the newest whole checkpoint in a phase's folder, 0 if there is none."""
    return max(_whole(folder), default=0)


def read_newest(folder: Path) -> Saved | None:
    """Return the newest whole checkpoint in a phase's folder whose state can be read, or None if there is none."""
    for _, directory in sorted(_whole(folder).items(), reverse=True):
        with suppress(UserError, OSError, KeyError, TypeError):
            state = read_json(directory / "state.json")
            position, written = state["position"], (directory / "manifest.json").stat().st_mtime
            return Saved(position["step"], position["phase_slots"], state["slice"], state["world_size"], written)
    return None


def _whole(folder: Path) -> dict[int, Path]:
    """Return step -> directory of every whole checkpoint."""
    directories = (manifest.parent for manifest in folder.glob("checkpoints/step-*/manifest.json"))
    steps = ((directory.name.removeprefix("step-"), directory) for directory in directories)
    return {int(step): directory for step, directory in steps if step.isdecimal()}
