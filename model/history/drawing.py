"""What a phase draws of each source: rows, counted exactly, from its slice and the sizes of sets of rows alone.

No step is walked and no row is read: a mixture says in closed form what lies between two of its rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from corpus.rows.blend import Blend, Part
from corpus.rows.mixture import Mixture
from corpus.rows.streams import heads_after, mixture_of
from model.history.plan import passing
from model.history.position import DataPosition
from recipe.schedule import stage_rows
from recipe.slices.types import PhaseSlice


class Drawn(NamedTuple):
    """What a stage trains on of a component."""

    stage: int
    """Of the phase, from 0 on."""
    part: Part
    rows: int


def draw(content: PhaseSlice, blends: Sequence[Blend], start: DataPosition) -> tuple[list[Drawn], DataPosition]:
    """Return what the stages of a phase draw, and where the data stands at its end.

    Args:
        content: its slice.
        blends: what each stage draws from, with at least one part.
        start: where the data stands before it.
    """
    drawn: list[Drawn] = []
    place = start
    for number, (stage, mixed) in enumerate(zip(content.stages, blends, strict=True)):
        place = place.following(mixed.digest)
        mixture = mixture_of(mixed, place.begun, content.seed, place.stream)
        ranges = passing(place.rows, stage_rows(stage), stage.skip_rows)
        counts, after = _counts(mixture, ranges)
        drawn += [Drawn(number, part, rows) for part, rows in zip(mixed.parts, counts, strict=True)]
        place = replace(place, rows=ranges[-1][1], heads=heads_after(mixed, mixture, place.begun, after))
    return drawn, place


def _counts(mixture: Mixture, ranges: Sequence[tuple[int, int]]) -> tuple[list[int], list[int]]:
    """Return how many rows of each component lie in ranges [begin, end) of global rows, and before the last end."""
    counts = [0] * len(mixture.orders)
    after = counts
    for begin, end in ranges:
        before, after = mixture.drawn(begin), mixture.drawn(end)
        counts = [count + b - a for count, a, b in zip(counts, before, after, strict=True)]
    return counts, after
