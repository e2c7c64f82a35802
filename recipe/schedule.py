"""What a stage does at a given point: batch and learning rate, functions of the rows done alone.

Everything is counted in slots, the tokens that packed rows can hold: rows x row length. The budgets of a recipe are
called tokens, and met in slots. Warm-ups alone are counted in steps, as papers give them (arXiv 2511.09213).

Nothing but the budget and a decay looks at the end of a stage: at a constant rate a stage that asks for more tokens
begins with the very steps of the shorter one, so that its last checkpoint can be continued.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import accumulate
from math import sqrt
from typing import NamedTuple, Protocol

from recipe.schema import Batch, LearningRate


class Timed(Protocol):
    """What of a stage decides its steps, in a recipe and in a slice alike."""

    @property
    def length(self) -> int:
        """Slots in a row."""

    @property
    def tokens(self) -> int:
        """Slots that the stage takes, or a few more."""

    @property
    def until(self) -> int | None:
        """Slots after which it ends, in the middle of its schedule."""

    @property
    def batch(self) -> Batch:
        """Slots in a step."""

    @property
    def learning_rate(self) -> LearningRate:
        """Learning rate of a step."""


class Stages(Protocol):
    """A phase, in a recipe and in a slice alike."""

    @property
    def stages(self) -> Sequence[Timed]:
        """Stages in order."""


class Step(NamedTuple):
    """One optimizer step of a stage."""

    first_row: int
    """Global row the batch begins with."""
    rows: int
    """Consecutive global rows in the batch, over all ranks."""
    learning_rate: float


def step_count(stage: Timed) -> int:
    """Return how many steps the stage takes: whole batches until its budget of tokens is met, or `until`."""
    return _steps_until(stage, stage.tokens if stage.until is None else min(stage.tokens, stage.until))


def _steps_until(stage: Timed, slots: int) -> int:
    ends, wanted = _warmup_ends(stage.batch, stage.length), _whole(slots, stage.length)
    if wanted <= ends[-1]:
        return bisect_left(ends, wanted)
    return len(ends) - 1 + _whole(wanted - ends[-1], _full_rows(stage))


def stage_rows(stage: Timed) -> int:
    """Return how many rows the stage trains on: its budget, rounded up to whole batches."""
    return rows_before(stage, step_count(stage))


def batch_sizes(stage: Timed) -> Iterator[tuple[int, int]]:
    """Yield (rows of a batch, steps that take it in turn), from the first step to the last."""
    count = step_count(stage)
    warmup = min(count, len(_warmup_ends(stage.batch, stage.length)) - 1)
    for number in range(warmup):
        yield rows_before(stage, number + 1) - rows_before(stage, number), 1
    if count > warmup:
        yield _full_rows(stage), count - warmup


def phase_slots(phase: Stages) -> int:
    """Return how many slots the stages of a phase train on together."""
    return sum(stage_rows(stage) * stage.length for stage in phase.stages)


def rows_before(stage: Timed, step: int) -> int:
    """Return how many rows of the stage are done where its step number `step` begins, the first being 0."""
    ends = _warmup_ends(stage.batch, stage.length)
    warmup = len(ends) - 1
    return ends[step] if step <= warmup else ends[-1] + (step - warmup) * _full_rows(stage)


def step_at(stage: Timed, rows_done: int) -> Step:
    """Return the step that begins after `rows_done` rows.

    Raises:
        ValueError: if no step of the stage begins there.
    """
    number = _number(stage, rows_done)
    if number >= (count := step_count(stage)):
        raise ValueError(f"after {rows_done} rows the {count} steps of the stage are over")
    first, end = rows_before(stage, number), rows_before(stage, number + 1)
    return Step(first, end - first, _learning_rate(stage)(number, first, end))


def steps(stage: Timed, rows_done: int = 0) -> Iterator[Step]:
    """Yield the stage's steps from `rows_done` on, none if they are over.

    Raises:
        ValueError: if no step of the stage begins or ends there.
    """
    ends, full, rate = _warmup_ends(stage.batch, stage.length), _full_rows(stage), _learning_rate(stage)
    first = rows_done
    for number in range(_number(stage, rows_done), step_count(stage)):
        end = ends[number + 1] if number + 1 < len(ends) else first + full
        yield Step(first, end - first, rate(number, first, end))
        first = end


def _whole(amount: int, part: int) -> int:
    """Return how many parts hold an amount; exact, where `ceil` of a quotient of large numbers is not."""
    return -(-amount // part)


def _full_rows(stage: Timed) -> int:
    """Return the rows of a batch after the warm-up."""
    return max(1, stage.batch.tokens // stage.length)


# Keyed by what it depends on: a learning rate has a mapping, so that a stage cannot be hashed.
@lru_cache(maxsize=64)
def _warmup_ends(batch: Batch, length: int) -> tuple[int, ...]:
    """Return the rows done before each step of the batch's warm-up and, last, after it; (0,) if there is none.

    Step k of W takes start + (tokens - start) k / W slots, in whole rows, at least one.
    """
    if batch.start_tokens is None:
        return (0,)
    start, warmup = batch.start_tokens, batch.warmup_steps
    slots = (start * warmup + (batch.tokens - start) * k for k in range(warmup))  # times warmup: whole numbers
    return tuple(accumulate((max(1, part // (warmup * length)) for part in slots), initial=0))


def _number(stage: Timed, rows_done: int) -> int:
    """Return the number of the step that begins after `rows_done` rows, the first being 0."""
    ends = _warmup_ends(stage.batch, stage.length)
    past = max(0, rows_done - ends[-1])
    number = bisect_left(ends, rows_done) if not past else len(ends) - 1 + past // _full_rows(stage)
    if rows_before(stage, number) != rows_done:
        raise ValueError(f"no step of the stage begins after {rows_done} rows")
    return number


def _learning_rate(stage: Timed) -> Callable[[int, int, int], float]:
    """Return the learning rate as a function of a step's number, its first row, and the row that it ends before.

    Linear warm-up from zero, taken at the middle of the step; then constant, or peak -> final as 1 - sqrt(progress)
    (Haegele et al. 2024, section 4) at the middle of the batch, so that no step is in vain.
    """
    asked, length = stage.learning_rate, stage.length
    # A slice lists what it maps in the order of text, so that the last one is not the latest.
    begins = sorted(asked.changes)
    peaks = [asked.peak, *(asked.changes[slots] for slots in begins)]
    warmup, constant, final = asked.warmup_steps, asked.shape == "constant", asked.final
    warm, whole = rows_before(stage, warmup), rows_before(stage, _steps_until(stage, stage.tokens))

    def rate(number: int, first: int, end: int) -> float:
        peak = peaks[bisect_right(begins, first * length)]
        if number < warmup:
            return peak * (number + 0.5) / warmup
        if constant:
            return peak
        progress = ((first + end) / 2 - warm) / (whole - warm)
        return final + (peak - final) * (1.0 - sqrt(progress))

    return rate
