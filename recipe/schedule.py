"""What a stage does at a given point: batch and learning rate, functions of the rows done alone.

Everything is counted in slots, the tokens that packed rows can hold: rows x row length. The budgets of a recipe are
called tokens, and met in slots.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, sqrt
from typing import NamedTuple

from recipe.slices.types import PhaseSlice, StageSlice


class Step(NamedTuple):
    """One optimizer step of a stage."""

    first_row: int
    """Global row the batch begins with."""
    rows: int
    """Consecutive global rows in the batch, over all ranks."""
    learning_rate: float


def stage_rows(stage: StageSlice) -> int:
    """Return how many rows the stage trains on: its budget, rounded up to whole rows."""
    return ceil(stage.tokens / stage.length)


def phase_slots(phase: PhaseSlice) -> int:
    """Return how many slots the stages of a phase train on together."""
    return sum(stage_rows(stage) * stage.length for stage in phase.stages)


def batch_rows(stage: StageSlice, rows_done: int) -> int:
    """Return the rows of the batch that begins after `rows_done` rows.

    During the warm-up the batch grows linearly in slots from `start_tokens` to `tokens`. What is left for the last
    batch is between half and one and a half batches, so that no step rests on a few stray rows.
    """
    batch = stage.batch
    slots: float = batch.tokens
    done = rows_done * stage.length
    if batch.start_tokens is not None and done < batch.warmup_tokens:
        slots = batch.start_tokens + (batch.tokens - batch.start_tokens) * done / batch.warmup_tokens
    rows = max(1, int(slots // stage.length))
    left = stage_rows(stage) - rows_done
    return left if left < rows + (rows + 1) // 2 else rows


def learning_rate(stage: StageSlice, slots: float) -> float:
    """Return the learning rate `slots` into the stage.

    Linear warm-up from zero; then constant, or peak -> final as 1 - sqrt(progress) (Haegele et al. 2024, section 4).
    """
    rate = stage.learning_rate
    if slots < rate.warmup_tokens:
        return rate.peak * slots / rate.warmup_tokens
    if rate.shape == "constant":
        return rate.peak
    progress = min(1.0, (slots - rate.warmup_tokens) / (stage.tokens - rate.warmup_tokens))
    return rate.final + (rate.peak - rate.final) * (1.0 - sqrt(progress))


def step_at(stage: StageSlice, rows_done: int) -> Step:
    """Return the step that begins after `rows_done` rows; its learning rate is that at the middle of its batch."""
    rows = batch_rows(stage, rows_done)
    return Step(rows_done, rows, learning_rate(stage, (rows_done + rows / 2) * stage.length))


def steps(stage: StageSlice, rows_done: int = 0) -> Iterator[Step]:
    """Yield the stage's steps from `rows_done` on."""
    total = stage_rows(stage)
    while rows_done < total:
        step = step_at(stage, rows_done)
        yield step
        rows_done += step.rows
