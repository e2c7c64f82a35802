"""Documents become pieces, pieces become packed rows: pure functions on lengths.

A *piece* is [CLS], one or more consecutive ids of a document, [SEP]. A document longer than a row becomes several
pieces. Pieces are placed by best-fit decreasing, the row with the least room that holds the piece, which needs no cut
(Ding et al. 2024, arXiv 2404.10830, section 3.1). Where that leaves holes, because most pieces are a little over half a
row, say, the sparsest rows are dissolved and their pieces cut to the size of the holes of the others, until
`MIN_FILL` of the slots hold tokens. A hole of one or two slots is left: no piece is that small.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MIN_FILL = 0.99
SPECIALS = 2
"""[CLS] and [SEP] of each piece."""
SMALLEST = SPECIALS + 1

Rows = list[list[int]]
"""Indices of the pieces in each row."""
Array = NDArray[np.int64]


@dataclass(frozen=True)
class Pieces:
    """Where the ids of each piece lie in a buffer of ids."""

    start: Array
    """int64[n], position of the first id."""
    count: Array
    """int64[n], ids in the piece without [CLS] and [SEP], at least 1."""
    cut: NDArray[np.bool_]
    """bool[n], whether the document lies in more than one piece."""

    @property
    def sizes(self) -> Array:
        """int64[n], slots that each piece takes in a row."""
        return self.count + SPECIALS


@dataclass(frozen=True)
class Packed:
    """Rows, the fullest first, and the pieces they refer to."""

    pieces: Pieces
    rows: Rows
    newly_cut: int
    """Pieces that were a whole document and were cut to fill a hole."""


def cut_documents(counts: Array, length: int) -> Pieces:
    """Cut documents of `counts` ids, int64[d], one after the other in a buffer, into pieces that fit into a row.

    A document of n ids gives ceil(n / (length - 2)) pieces, all of them full but its last; one without ids gives none.
    """
    room = length - SPECIALS
    parts = -(-counts // room)
    document = np.repeat(np.arange(len(counts)), parts)
    number = np.arange(len(document)) - np.repeat(np.cumsum(parts) - parts, parts)
    offset = number * room
    start = (np.cumsum(counts) - counts)[document] + offset
    return Pieces(start, np.minimum(counts[document] - offset, room), (parts > 1)[document])


def pack(pieces: Pieces, length: int) -> Packed:
    """Place every piece, at most `length` slots each, in exactly one row of `length` slots.

    All rows but the last together are at least `MIN_FILL` full, or, where rows are so short that holes of two slots
    matter, no row has a larger hole. The same pieces give the same rows.
    """
    rows = best_fit(pieces.sizes, length)
    uncut = Packed(pieces, _fullest_first(rows, pieces), 0)
    if fill(uncut, length) >= MIN_FILL:
        return uncut
    best = uncut
    # The estimate cannot know which pieces are too short to be cut, so more rows may have to go, in the end all.
    for dissolved in _growing_steps(_rows_to_dissolve(_filled(uncut.rows, pieces), length), len(rows)):
        best = max(best, _dissolve(uncut, dissolved, length), key=lambda packed: fill(packed, length))
        if fill(best, length) >= MIN_FILL:
            break
    return best


def fill(packed: Packed, length: int) -> float:
    """Share of the slots that hold tokens in all rows but the last; 1.0 where there are no others."""
    filled = _filled(packed.rows, packed.pieces)[:-1]
    return float(filled.sum() / (len(filled) * length)) if len(filled) else 1.0


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


def _filled(rows: Rows, pieces: Pieces) -> Array:
    """Return int64[r], tokens in each row."""
    if not rows:
        return np.zeros(0, dtype=np.int64)
    order = np.concatenate([np.array(row, dtype=np.int64) for row in rows])
    starts = np.cumsum([0] + [len(row) for row in rows[:-1]])
    filled: Array = np.add.reduceat(pieces.sizes[order], starts)
    return filled


def _fullest_first(rows: Rows, pieces: Pieces) -> Rows:
    return [rows[row] for row in np.argsort(-_filled(rows, pieces), kind="stable")]


def _rows_to_dissolve(filled: Array, length: int) -> int:
    """Estimate how many of the last rows of int64[r] `filled`, fullest first, must go to fill the others."""
    ascending = filled[::-1]
    holes = np.where(length - ascending >= SMALLEST, length - ascending, 0)
    freed = np.concatenate([[0], np.cumsum(ascending)])
    room = holes.sum() - np.concatenate([[0], np.cumsum(holes)])
    fresh = -(-np.maximum(freed - room, 0) // length)
    rows = len(filled) - np.arange(len(filled) + 1) + fresh
    enough = filled.sum() >= MIN_FILL * length * rows
    return max(1, int(enough.argmax())) if enough.any() else len(filled)


def _growing_steps(first: int, last: int) -> Iterator[int]:
    while first < last:
        yield first
        first += 1 + first // 4
    yield last


def _dissolve(packed: Packed, dissolved: int, length: int) -> Packed:
    """Pour the pieces of the last `dissolved` rows into the holes of the others, then into rows of their own."""
    start, count, cut = (column.tolist() for column in (packed.pieces.start, packed.pieces.count, packed.pieces.cut))
    kept = len(packed.rows) - dissolved
    rows = [list(row) for row in packed.rows[:kept]]
    # Longest first, so that the fewest documents are cut; a stack, so that the rest of a cut piece is next.
    waiting = sorted((piece for row in packed.rows[kept:] for piece in row), key=lambda piece: (count[piece], -piece))
    targets = list(zip(rows, (length - _filled(rows, packed.pieces)).tolist(), strict=True))
    newly_cut = 0
    while waiting:
        if targets:
            row, free = targets.pop()
        else:
            row, free = [], length
            rows.append(row)
        while waiting and free >= SMALLEST:
            piece = waiting[-1]
            if count[piece] + SPECIALS <= free:
                row.append(waiting.pop())
                free -= count[piece] + SPECIALS
                continue
            newly_cut += not cut[piece]
            row.append(len(start))
            start.append(start[piece])
            count.append(free - SPECIALS)
            cut.append(True)
            start[piece] += free - SPECIALS
            count[piece] -= free - SPECIALS
            cut[piece] = True
            free = 0
    pieces = Pieces(np.array(start, dtype=np.int64), np.array(count, dtype=np.int64), np.array(cut, dtype=np.bool_))
    return Packed(pieces, _fullest_first(rows, pieces), newly_cut)
