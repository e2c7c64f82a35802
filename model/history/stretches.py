"""The history of a checkpoint in words: one stretch of steps after another, each with what was done in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from corpus.rows.blend import Blend
from recipe.slices.types import PhaseSlice

Stretch = dict[str, Any]
"""What was done, as `described` returns it; `first_step`, `last_step`, and `slots` of the lineage up to its end."""


def described(content: PhaseSlice, number: int, mixed: Blend) -> dict[str, Any]:
    """Return what stage `number` of a phase does, and by which run and phase it is done."""
    stage = content.stages[number]
    shares: dict[str, float] = {}
    for part in mixed.parts:
        shares[part.component.source] = shares.get(part.component.source, 0.0) + float(part.share)
    return {
        "run": content.run,
        "phase": content.phase,
        "stage": number,
        "row_shares": dict(sorted(shares.items())),
        **stage.model_dump(mode="json", exclude={"components", "tokens"}),
    }


def extended(stretches: Sequence[Stretch], done: dict[str, Any], step: int, slots: int) -> list[Stretch]:
    """Return the stretches with what was done up to `step`, in the last of them or in one of its own."""
    before = list(stretches)
    first = before[-1]["last_step"] + 1 if before else 1
    if before and {key: before[-1].get(key) for key in done} == done:
        first = before.pop()["first_step"]
    return [*before, {**done, "first_step": first, "last_step": step, "slots": slots}]
