"""Which checkpoints of a phase are kept besides the newest: a function of the plan, the same for each attempt."""

from __future__ import annotations

import shutil
from pathlib import Path

from common.errors import UserError
from common.quantities import amount
from model.history.plan import Plan
from recipe.slices.types import KeepingSlice

BYTES_PER_PARAMETER = 12
"""Of a checkpoint: a weight and its two moments in fp32."""
PASSING = 3
"""Checkpoints that come and go: the newest two, and the one that is being written."""


def kept_steps(plan: Plan, keeping: KeepingSlice) -> frozenset[int]:
    """Return the steps of a phase after which a checkpoint is written and kept.

    These are the last of each stage, the first that reaches a multiple of `every_tokens` slots of the run, and the
    first that reaches each of `at_tokens` slots of the phase.
    """
    kept, every = set(), keeping.every_tokens
    slots, ahead = plan.start.slots, sorted(keeping.at_tokens, reverse=True)
    for point in plan.points():
        spaced = every is not None and point.slots // every > slots // every
        reached = bool(ahead) and point.phase_slots >= ahead[-1]
        while ahead and point.phase_slots >= ahead[-1]:
            ahead.pop()
        if spaced or reached or point.stage_end:
            kept.add(point.step)
        slots = point.slots
    return frozenset(kept)


def check_room(folder: Path, ahead: int, parameters: int) -> None:
    """Raise `UserError` where the disk of `folder` has no room for the `ahead` checkpoints that are still to be kept.

    A quota that the system does not count as free space is not seen.
    """
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint_bytes = BYTES_PER_PARAMETER * parameters
    free, needed = shutil.disk_usage(folder).free, (ahead + PASSING) * checkpoint_bytes
    if free < needed:
        raise UserError(
            f"{folder} has {amount(free)} bytes free, and {amount(needed)} are needed: {ahead} checkpoints of "
            f"{amount(checkpoint_bytes)} bytes are still to be kept there, and {PASSING} more come and go. Free some "
            "space, or keep fewer (checkpoints.keep_every_tokens of the recipe, the number of stages)."
        )
