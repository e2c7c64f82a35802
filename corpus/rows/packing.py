"""Documents become pieces, pieces become packed rows: pure functions on lengths.

A *piece* is [CLS], one or more consecutive ids of a document, [SEP]. A document longer than a row becomes several
pieces, as few as its length allows; no other document is cut. Pieces are placed by best-fit decreasing, the row with
the least room that holds the piece (Ding et al. 2024, arXiv 2404.10830, section 3.1), in windows of consecutive
documents, so that the ids of a row lie near each other. A row of a window that is not full is dissolved, and its pieces
wait for those of the next window; the emptiest wait first, and no more than half a window waits. Every id of every
document is in exactly one row.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, pairwise

import numpy as np
from numpy.typing import NDArray

SPECIALS = 2
"""[CLS] and [SEP] of each piece."""
SMALLEST = SPECIALS + 1
WINDOW_SLOTS = 1 << 20
"""Slots of the documents that are packed together, or `WINDOW_ROWS` rows where those are more."""
WINDOW_ROWS = 64
FULL = 0.998
"""Share of its slots from which on a row waits for nothing better."""

Array = NDArray[np.int64]
Rows = list[list[int]]
"""Indices of the pieces in each row."""


@dataclass(frozen=True)
class Pieces:
    """Where the ids of each of n pieces lie in a buffer of ids."""

    start: Array
    """int64[n], position of the first id."""
    count: Array
    """int64[n], ids in the piece without [CLS] and [SEP], at least 1."""

    @property
    def sizes(self) -> Array:
        """int64[n], slots that each piece takes in a row."""
        return self.count + SPECIALS

    def __getitem__(self, places: Array | slice) -> Pieces:
        """Return the pieces at some places, in their order."""
        return Pieces(self.start[places], self.count[places])


@dataclass(frozen=True)
class Packed:
    """r rows of p pieces."""

    pieces: Pieces
    """In the order of the rows."""
    ends: Array
    """int64[r], where each row ends in `pieces`."""

    @property
    def filled(self) -> Array:
        """int64[r], tokens in each row."""
        tokens = np.cumsum(self.pieces.sizes)[self.ends - 1]
        return np.diff(tokens, prepend=0)


def cut_documents(starts: Array, counts: Array, length: int) -> Pieces:
    """Cut documents, int64[d] `counts` ids from int64[d] `starts` on, into pieces that fit into a row.

    A document of n ids gives ceil(n / (length - 2)) pieces, all of them full but its last; one without ids gives none.
    """
    room = length - SPECIALS
    parts = -(-counts // room)
    document = np.repeat(np.arange(len(counts)), parts)
    offset = (np.arange(len(document)) - np.repeat(np.cumsum(parts) - parts, parts)) * room
    return Pieces(starts[document] + offset, np.minimum(counts[document] - offset, room))


def pack(pieces: Pieces, length: int) -> Packed:
    """Place every piece, at most `length` slots each, in exactly one row of `length` slots, window after window.

    The same pieces give the same rows.
    """
    ordered: list[Array] = []
    ends: list[Array] = []
    waiting = np.zeros(0, dtype=np.int64)
    pieces_before = 0
    for window in _windows(pieces.sizes, length):
        places = np.concatenate([waiting, window])
        sizes = pieces.sizes[places]
        rows = best_fit(sizes, length)
        last = window[-1] == len(pieces.count) - 1
        kept, left = (rows, []) if last else _part_rows(rows, sizes, length)
        waiting = np.sort(places[np.fromiter(chain.from_iterable(left), dtype=np.int64)])
        ordered.append(places[np.fromiter(chain.from_iterable(kept), dtype=np.int64)])
        ends.append(np.cumsum([len(row) for row in kept], dtype=np.int64) + pieces_before)
        pieces_before += len(ordered[-1])
    empty = np.zeros(0, dtype=np.int64)
    return Packed(pieces[np.concatenate([empty, *ordered])], np.concatenate([empty, *ends]))


def _windows(sizes: Array, length: int) -> Iterator[Array]:
    """Yield consecutive places of pieces that together take a window of slots; the last has what is left."""
    window = max(WINDOW_SLOTS, WINDOW_ROWS * length)
    number = (np.cumsum(sizes) - sizes) // window
    starts = np.flatnonzero(np.diff(number, prepend=-1))
    for begin, end in pairwise([*starts, len(sizes)]):
        yield np.arange(begin, end)


def _part_rows(rows: Rows, sizes: Array, length: int) -> tuple[Rows, Rows]:
    """Return the rows that are kept, and those that wait for the next window."""
    filled = np.add.reduceat(
        sizes[np.fromiter(chain.from_iterable(rows), dtype=np.int64)],
        np.cumsum([0] + [len(row) for row in rows[:-1]]),
    )
    by_fill = np.argsort(filled, kind="stable")
    waits = filled[by_fill] < FULL * length
    waits &= np.cumsum(filled[by_fill]) <= max(WINDOW_SLOTS, WINDOW_ROWS * length) // 2
    chosen = np.zeros(len(rows), dtype=bool)
    chosen[by_fill[waits]] = True
    kept = [row for row, wait in zip(rows, chosen.tolist(), strict=True) if not wait]
    return kept, [rows[row] for row in np.flatnonzero(chosen)]


def best_fit(sizes: Array, length: int) -> Rows:
    """Return rows of pieces of int64[n] `sizes`, longest first, each in the row with the least room that holds it.

    Linear in the number of pieces: they are ordered by a radix sort, and rows lie in one stack per free space. Which
    stacks are not empty is a bit mask, in which the smallest fitting space is found by a shift.
    """
    rows: Rows = []
    stacks: list[list[int]] = [[] for _ in range(length + 1)]
    occupied = 0
    order = np.argsort((length - sizes).astype(np.uint16), kind="stable")
    for piece, size in zip(order.tolist(), sizes[order].tolist(), strict=True):
        fitting = occupied >> size
        if fitting:
            space = size + (fitting & -fitting).bit_length() - 1
            row = stacks[space].pop()
            if not stacks[space]:
                occupied ^= 1 << space
            rows[row].append(piece)
        else:
            space, row = length, len(rows)
            rows.append([piece])
        left = space - size
        if left >= SMALLEST:
            stacks[left].append(row)
            occupied |= 1 << left
    return rows
