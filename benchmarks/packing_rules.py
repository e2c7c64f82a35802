"""What rules for filling rows make of the same documents: slots that hold tokens, tokens that are lost, documents cut.

Each is written anew, from what its authors say of it, as a function of the documents' sizes alone.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from corpus.rows.packing import SPECIALS, best_fit, pack

GROUPED = 1000
"""Documents that `datasets.map` gives to `group_texts` at a time."""
BUFFER = 1000
"""Documents that nanochat chooses from."""
Sizes = NDArray[np.int64]


@dataclass(frozen=True)
class Outcome:
    """What a rule made of documents."""

    rows: int
    tokens: int
    """In the rows."""
    lost: int
    """Tokens of documents that are in no row."""
    cut: int
    """Documents that would fit into a row and are cut."""


def ours(sizes: Sizes, length: int) -> Outcome:
    """Pack as `corpus.rows.packing` does: nothing is lost, nothing cut that fits."""
    counts = sizes - SPECIALS
    packed = pack(np.cumsum(counts) - counts, counts, length)
    return Outcome(len(packed.ends), int(packed.filled.sum()), 0, 0)


def padded(sizes: Sizes, length: int) -> Outcome:
    """Give each document a row, and leave out what does not fit: the paper's way."""
    kept = np.minimum(sizes, length)
    return Outcome(len(sizes), int(kept.sum()), int((sizes - kept).sum()), 0)


def grouped(sizes: Sizes, length: int) -> Outcome:
    """Join a thousand documents and cut every `length` tokens, dropping the rest: `group_texts` of transformers."""
    rows = lost = cut = 0
    for begin in range(0, len(sizes), GROUPED):
        some = sizes[begin : begin + GROUPED]
        ends = np.cumsum(some)
        whole = int(ends[-1]) // length
        rows += whole
        lost += int(ends[-1]) - whole * length
        cut += int((((ends - some) // length != (ends - 1) // length) & (some <= length)).sum())
    return Outcome(rows, rows * length, lost, cut)


def truncated(sizes: Sizes, length: int) -> Outcome:
    """Leave out what does not fit into a row, and place the rest by best fit, the longest of all documents first."""
    kept = np.minimum(sizes, length)
    return Outcome(len(best_fit(kept, length)), int(kept.sum()), int((sizes - kept).sum()), 0)


def cropped(sizes: Sizes, length: int) -> Outcome:
    """Fill a row with the largest of a thousand documents that fits, again and again, then crop the shortest: nanochat.

    What is left of a cropped document is lost. Documents that do not fill the last row are left out of the count.
    """
    waiting = sorted(sizes[:BUFFER].tolist())
    coming = iter(sizes[BUFFER:].tolist())
    rows = lost = cut = 0
    while sum(waiting) >= length:
        room = length
        while room:
            place = bisect_right(waiting, room)
            size = waiting.pop(place - 1 if place else 0)
            if not place:
                lost += size - room
                cut += size <= length
            room -= min(size, room)
            if (following := next(coming, None)) is not None:
                insort(waiting, following)
            if room and not waiting:
                break
        rows += 1
    return Outcome(rows, rows * length, lost, cut)


RULES: dict[str, Callable[[Sizes, int], Outcome]] = {
    "ours": ours,
    "padded, the paper's": padded,
    "joined and cut, `group_texts`": grouped,
    "best fit, long documents truncated": truncated,
    "best fit, the rest cropped, nanochat": cropped,
}
"""Name -> rule, which takes int64[d] tokens of each document, [CLS] and [SEP] with them, and the slots of a row."""


def rule_rows(counts: NDArray[np.int64], length: int) -> list[list[str]]:
    """Return rows of a table: each rule on documents of int64[d] `counts` ids, without [CLS] and [SEP]."""
    rows = []
    for name, rule in RULES.items():
        outcome = rule(counts + SPECIALS, length)
        rows.append(
            [
                f"{length:,}, {name}",
                f"{outcome.tokens / (outcome.rows * length):.2%}",
                f"{outcome.lost / (counts + SPECIALS).sum():.2%}",
                f"{outcome.cut / len(counts):.2%}",
            ]
        )
    return rows
