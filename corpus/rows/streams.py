"""A stream: the rows that consecutive stages draw which read the same mixture, and how far they bring each source."""

from __future__ import annotations

from collections.abc import Sequence

from corpus.rows.blend import Blend, Part
from corpus.rows.heads import Heads, first_occurrence, head_name
from corpus.rows.keys import derive_key
from corpus.rows.mixture import Mixture
from corpus.rows.order import SourceOrder, block_count


def stream_key(seed: int, number: int) -> bytes:
    """Return the key of a run's stream, numbered from 0 on over its lineage."""
    return derive_key(seed, "stream", number)


def mixture_of(mixed: Blend, begun: Heads, seed: int, number: int) -> Mixture:
    """Return the mixture of a stream.

    Args:
        mixed: what it draws from, with at least one part.
        begun: how far each source had been read when it began.
        seed: of the recipe.
        number: of the stream.
    """
    return Mixture(
        orders=tuple(_order(seed, part) for part in mixed.parts),
        firsts=tuple(
            first_occurrence(begun, part.text, part.component.rowset, part.content["rows"]) for part in mixed.parts
        ),
        weights=tuple(part.share for part in mixed.parts),
        key=derive_key(stream_key(seed, number).hex(), "order"),
    )


def heads_after(mixed: Blend, mixture: Mixture, begun: Heads, drawn: Sequence[int]) -> Heads:
    """Return how far each source has been read, given the rows of each component that a stream has drawn."""
    parts = zip(mixed.parts, mixture.orders, mixture.firsts, drawn, strict=True)
    return begun | {
        head_name(part.text, part.component.rowset): [first + count, order.rows] for part, order, first, count in parts
    }


def _order(seed: int, part: Part) -> SourceOrder:
    blocks = block_count(part.content["split_ids"])
    return SourceOrder(part.content["rows"], blocks, derive_key(seed, "source", part.text), part.component.rowset)
