"""Documents become pieces, pieces become packed rows: pure functions on lengths.

A *piece* is [CLS], one or more consecutive ids of a document, [SEP]. A document longer than a row becomes several
pieces, as few as its length allows; no other document is cut. Pieces are placed by best-fit decreasing, the row with
the least room that holds the piece (Ding et al. 2024, arXiv 2404.10830, section 3.1), in windows of consecutive
documents, so that the ids of a row lie near each other. A row of a window that is not full is dissolved, and its pieces
wait for those of the next window; the emptiest wait first, and no more than half a window waits. Every id of every
document is in exactly one row.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

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

CUT_TOGETHER = 1 << 18
"""Documents that are cut at a time."""

Array = NDArray[np.int64]
Numbers = NDArray[np.integer[Any]]
Rows = list[list[int]]
"""Indices of the pieces in each row."""


@dataclass(frozen=True)
class Pieces:
    """Where the ids of each of n pieces lie in a buffer of ids."""

    start: Numbers
    """[n], position of the first id."""
    count: Numbers
    """[n], ids in the piece without [CLS] and [SEP], at least 1."""

    @property
    def sizes(self) -> Array:
        """int64[n], slots that each piece takes in a row."""
        return self.count.astype(np.int64) + SPECIALS

    def __getitem__(self, places: Array | slice) -> Pieces:
        """Return the pieces at some places, in their order."""
        return Pieces(self.start[places], self.count[places])


@dataclass(frozen=True)
class Packed:
    """r rows of p pieces."""

    pieces: Pieces
    """In the order of the rows."""
    ends: NDArray[np.uint32]
    """uint32[r], where each row ends in `pieces`."""

    @property
    def filled(self) -> Array:
        """int64[r], tokens in each row."""
        tokens = np.cumsum(self.pieces.sizes)[self.ends - 1]
        return np.diff(tokens, prepend=0)


def _cut_documents(starts: Numbers, counts: Numbers, length: int) -> Pieces:
    """Cut documents, int[d] `counts` ids from int[d] `starts` on, into pieces that fit into a row.

    A document of n ids gives ceil(n / (length - 2)) pieces, all of them full but its last; one without ids gives none.
    """
    starts, counts = starts.astype(np.int64), counts.astype(np.int64)
    room = length - SPECIALS
    parts = -(-counts // room)
    document = np.repeat(np.arange(len(counts)), parts)
    offset = (np.arange(len(document)) - np.repeat(np.cumsum(parts) - parts, parts)) * room
    return Pieces(starts[document] + offset, np.minimum(counts[document] - offset, room))


def pack(starts: Numbers, counts: Numbers, length: int) -> Packed:
    """Cut documents no oftener than their lengths need, and place every piece in exactly one row, window after window.

    The same documents give the same rows. Ids lie below 2^32, and rows have fewer than 2^16 slots: the pieces take six
    bytes each, and only those of a few windows take more for a while.
    """
    lots = (
        _cut_documents(starts[first : first + CUT_TOGETHER], counts[first : first + CUT_TOGETHER], length)
        for first in range(0, len(counts), CUT_TOGETHER)
    )
    placed: list[Pieces] = [Pieces(np.zeros(0, np.uint32), np.zeros(0, np.uint16))]
    ends: list[NDArray[np.uint32]] = [np.zeros(0, np.uint32)]
    waiting = _join([])
    pieces_before = 0
    for window, last in _windows(lots, length):
        pieces = _join([waiting, window])
        rows = best_fit(pieces.sizes, length)
        kept, left = (rows, []) if last else _part_rows(rows, pieces.sizes, length)
        waiting = pieces[np.fromiter(chain.from_iterable(left), dtype=np.int64)]
        waiting = waiting[np.argsort(waiting.start)]
        chosen = pieces[np.fromiter(chain.from_iterable(kept), dtype=np.int64)]
        placed.append(Pieces(chosen.start.astype(np.uint32), chosen.count.astype(np.uint16)))
        ends.append((np.cumsum([len(row) for row in kept], dtype=np.int64) + pieces_before).astype(np.uint32))
        pieces_before += len(chosen.start)
    return Packed(_join(placed), np.concatenate(ends))


def _join(lots: Sequence[Pieces]) -> Pieces:
    if not lots:
        return Pieces(np.zeros(0, np.int64), np.zeros(0, np.int64))
    return Pieces(np.concatenate([lot.start for lot in lots]), np.concatenate([lot.count for lot in lots]))


def _windows(lots: Iterable[Pieces], length: int) -> Iterator[tuple[Pieces, bool]]:
    """Yield consecutive pieces that together take a window of slots, with whether they are the last ones."""
    window = max(WINDOW_SLOTS, WINDOW_ROWS * length)
    slots = current = 0
    held: list[Pieces] = []
    for lot in lots:
        ends = slots + np.cumsum(lot.sizes)
        number = (ends - lot.sizes) // window
        begin = 0
        for edge in np.flatnonzero(np.diff(number, prepend=current)).tolist():
            yield _join([*held, lot[begin:edge]]), False
            held, begin = [], edge
        held.append(lot[begin:])
        if len(ends):
            slots, current = int(ends[-1]), int(number[-1])
    if slots:
        yield _join(held), True


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
