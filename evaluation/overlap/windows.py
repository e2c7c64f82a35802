"""Runs of `WINDOW` consecutive tokens as 64-bit hashes, and a set of them that many threads ask at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

WINDOW = 16
"""Tokens, a power of two. Some 9 to 12 words; Brown et al. 2020 (arXiv 2005.14165, appendix C) take 13 words."""
SLOTS = 16
"""Entries of the table for each hash in it: it lets one in so many pass that is not there."""
_STEPS = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xD6E8FEB86659FD93)
"""Odd numbers by which the first half of a window is told from the second, at each doubling."""

Hashes = NDArray[np.uint64]


def token_hashes(vocabulary: int) -> Hashes:
    """Return a random number for each id, uint64[vocabulary], always the same."""
    numbers: Hashes = np.random.Philox(key=0).random_raw(vocabulary)
    return numbers


def window_hashes(ids: NDArray[np.unsignedinteger], tokens: Hashes) -> Hashes:
    """Return the hash of ids[i : i + WINDOW] for each i, uint64[max(0, n - WINDOW + 1)].

    Args:
        ids: unsigned [n].
        tokens: as `token_hashes` returns them.

    A sum of the tokens' numbers, each times a product of odd numbers that depends on its place, modulo 2^64.
    """
    hashes: Hashes = tokens[ids]
    span = 1
    for step in _STEPS:
        if len(hashes) <= span:
            return hashes[:0]
        hashes = hashes[:-span] * np.uint64(step) + hashes[span:]
        span *= 2
    return hashes


def starts_inside(ends: NDArray[np.integer], n: int) -> NDArray[np.bool_]:
    """Return for each window of n ids whether it lies within one document, bool[max(0, n - WINDOW + 1)].

    Args:
        ends: where each document ends in the ids, ascending.
        n: ids.
    """
    inside = np.ones(max(0, n - WINDOW + 1), dtype=bool)
    for back in range(1, WINDOW):
        crossing = ends - back
        inside[crossing[(crossing >= 0) & (crossing < len(inside))]] = False
    return inside


class HashSet:
    """Distinct hashes, sorted, behind a table that turns most others away at the first look."""

    def __init__(self, hashes: Hashes) -> None:
        """Hold the distinct ones of `hashes`: 8 bytes each, and `SLOTS` to twice as many of table."""
        self.hashes: Hashes = np.unique(hashes)
        bits = max(10, (SLOTS * len(self.hashes)).bit_length())
        self._shift = np.uint64(64 - bits)
        self._table = np.zeros(1 << bits, dtype=bool)
        self._table[self.hashes >> self._shift] = True

    def find(self, hashes: Hashes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return which of `hashes` are in the set, and their numbers in it: two int64[found]."""
        maybe = np.flatnonzero(self._table[hashes >> self._shift])
        numbers = np.searchsorted(self.hashes, hashes[maybe])
        there = numbers < len(self.hashes)
        there[there] = self.hashes[numbers[there]] == hashes[maybe[there]]
        return maybe[there], numbers[there]
