"""What a phase asks for, step by step, and the history that each step ends.

A *history* is 16 bytes that stand for all that led to a checkpoint. The first depends on what weights and order begin
with: seed, shape, tokenizer, optimizer, and the weights themselves where they are not the seed's. Each step makes the
next from the one before it and from what it does itself,

    h_0 = H(seed, shape, padded vocabulary, tokenizer, optimizer, digest of the start if there is one)
    h_i = H(h_(i-1), what is drawn from, stream, length, RoPE theta, masking rate, the batch's global rows, its rate)

with H BLAKE2b of 128 bits. How many tokens are still to come is no part of it, nor is any name: of a source, a phase or
a run. Two recipes that do the same up to a step have the same history there.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

from common.errors import UserError
from corpus.rows.blend import Blend, blend
from corpus.rows.keys import derive_key
from model.history.position import Position
from recipe.schedule import stage_rows, steps
from recipe.slices.types import PhaseSlice, StageSlice

FORMAT = 1
DIGEST_BYTES = 16


class Batch(NamedTuple):
    """What one step trains on."""

    ranges: tuple[tuple[int, int], ...]
    """Global rows [begin, end) of the stream, in order; at least one."""
    learning_rate: float

    @property
    def rows(self) -> int:
        """Rows of the batch, over all ranks."""
        return sum(end - begin for begin, end in self.ranges)


class Point(NamedTuple):
    """A step of a plan, and where training stands after it."""

    batch: Batch
    step: int
    """Steps of the whole lineage."""
    slots: int
    """Of the whole lineage."""
    history: str
    """Hexadecimal."""
    stage: int
    phase_slots: int
    stage_end: bool


@dataclass(frozen=True)
class Plan:
    """A phase that begins where another ended, or with fresh weights."""

    content: PhaseSlice
    blends: tuple[Blend, ...]
    """What each stage draws from."""
    start: Position
    """Where training stands before the first step."""

    def points(self) -> Iterator[Point]:
        """Yield every step of the phase."""
        step, slots, history = self.start.step, self.start.slots, bytes.fromhex(self.start.history)
        place, first_step, begun, known = self.start.data, self.start.step, self.start.slots, self._histories
        for number, (stage, mixed) in enumerate(zip(self.content.stages, self.blends, strict=True)):
            place = place.following(mixed.digest)
            rows, facts = place.rows, _facts(stage, mixed, place.stream)
            total, length, skipped = stage_rows(stage), stage.length, stage.skip_rows
            for first, count, learning_rate in steps(stage):
                batch = Batch(passing(rows, count, skipped), learning_rate)
                rows = batch.ranges[-1][1]
                if step - first_step == len(known):
                    known.append(_link(history, facts, batch))
                history = known[step - first_step]
                step, slots = step + 1, slots + count * length
                yield Point(batch, step, slots, history.hex(), number, slots - begun, first + count == total)
            place = replace(place, rows=rows)

    @cached_property
    def _histories(self) -> list[bytes]:
        """Histories of the first steps, as far as they were ever asked for; what is made once is kept."""
        return []

    @cached_property
    def ends(self) -> list[Point]:
        """The last step of each stage."""
        return [point for point in self.points() if point.stage_end]

    def names(self) -> dict[str, str]:
        """Return text identity -> source, for all that the phase draws from."""
        return {part.text: part.component.source for mixed in self.blends for part in mixed.parts}

    def position_at(self, point: Point, reached: Position) -> Position:
        """Return where the phase stands at one of its points.

        Args:
            point: of this plan.
            reached: what a checkpoint with the same history says, of whatever phase it was written by.
        """
        before, names = self.start.tokens, self.names()
        drawn = {names[text]: count - before.get(text, 0) for text, count in reached.tokens.items() if text in names}
        return replace(
            reached,
            stage=point.stage,
            phase_slots=point.phase_slots,
            stage_end=point.stage_end,
            drawn={source: count for source, count in sorted(drawn.items()) if count},
        )


def plan_of(
    content: PhaseSlice,
    indexes: Mapping[tuple[str, str], Any],
    tokenizer: Mapping[str, Any],
    before: Position | None,
    started: str | None = None,
) -> Plan:
    """Return the plan of a phase.

    Args:
        content: its slice.
        indexes: of its rows, as `corpus.rows.listing.read_list` returns them.
        tokenizer: its manifest.
        before: what the checkpoint that it begins from says, of the phase before; None where there is none.
        started: digest of the weights that it begins with where there is none before it; None for fresh ones.

    Raises:
        UserError: an index is damaged, or a stage has nothing to draw from.
    """
    start = before.next_phase() if before else Position(history=_root(content, tokenizer, started))
    return Plan(content, blends_of(content, indexes), start)


def blends_of(content: PhaseSlice, indexes: Mapping[tuple[str, str], Any]) -> tuple[Blend, ...]:
    """Return what each stage of a phase draws from. Arguments and errors are those of `plan_of`."""
    blends = tuple(blend(stage.components, indexes) for stage in content.stages)
    for stage, mixed in zip(content.stages, blends, strict=True):
        if not mixed.parts:
            raise UserError(f"no source of the mixture has a row of {stage.length} slots; check its word bins.")
    return blends


def passing(first: int, count: int, skipped: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Return the ranges [begin, end) of `count` rows from row `first` on, without the skipped ones.

    `skipped` are ranges [first, last], in order and apart. What is skipped after the last of the rows is not looked at,
    so that a batch before it is the same as without it.
    """
    ranges = []
    for begin, last in skipped:
        if begin >= first + count:
            break
        if begin > first:
            ranges.append((first, begin))
            count -= begin - first
        first = max(first, last + 1)
    return (*ranges, (first, first + count))


def left_out(blends: Sequence[Blend]) -> list[str]:
    """Return a sentence for each set of rows that is empty for some sources."""
    empty = {rowset: sources for mixed in blends for rowset, sources in mixed.empty.items()}
    return [
        f"left out of the mixture, as they have no rows in {rowset}: {', '.join(sources)}"
        for rowset, sources in empty.items()
    ]


def _root(content: PhaseSlice, tokenizer: Mapping[str, Any], started: str | None) -> str:
    # Without defaults: a key that recipes get later, with a default that does what was done before, changes no history.
    facts = {
        "seed": content.seed,
        "model": content.model.model_dump(mode="json", exclude_defaults=True),
        "optimizer": content.optimizer.model_dump(mode="json", exclude_defaults=True),
        "padded_vocabulary": tokenizer["padded_vocabulary"],
        "tokenizer": tokenizer["fingerprint"],
    }
    facts |= {"start": started} if started else {}
    return derive_key("history", FORMAT, json.dumps(facts, sort_keys=True))[:DIGEST_BYTES].hex()


def _facts(stage: StageSlice, mixed: Blend, stream: int) -> bytes:
    numbers = (float(stage.rope_theta).hex(), float(stage.masking_rate).hex())
    return derive_key("stage", mixed.digest, stream, stage.length, *numbers)


def _link(history: bytes, facts: bytes, batch: Batch) -> bytes:
    edges = [edge for range_ in batch.ranges for edge in range_]
    done = struct.pack(f"<{len(edges)}qd", *edges, batch.learning_rate)
    return hashlib.blake2b(history + facts + done, digest_size=DIGEST_BYTES).digest()
