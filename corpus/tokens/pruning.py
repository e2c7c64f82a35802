"""Counts of words in bounded memory: beyond a size the rarest words are left out, and it is known how many.

A word that was left out may come again, and is counted from one on: what is kept is a lower bound of its count, as in
lossy counting (Manku and Motwani 2002). Words so rare decide no merge that a vocabulary of usual size reaches.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus.tokens.pretokens import COUNTS, add_up


@dataclass(frozen=True)
class Pruned:
    """What was left out; a distinct word that was left out twice counts twice."""

    words: int = 0
    """Distinct words."""
    count: int = 0
    """Words of the text."""

    def __add__(self, other: Pruned) -> Pruned:
        """Return the sums."""
        return Pruned(self.words + other.words, self.count + other.count)


class Bounded:
    """Adds up counts of words and leaves out the rarest where they get too many."""

    def __init__(self, word_bytes: int) -> None:
        """Let distinct words have `word_bytes` together; while adding, twice that."""
        self._limit = word_bytes
        self._tables: list[pa.Table] = []
        self._bytes = self._added = 0
        self._pruned = Pruned()

    def add(self, table: pa.Table) -> None:
        """Add counts, a table of `COUNTS` with each word once."""
        self._tables.append(table)
        self._bytes += _word_bytes(table)
        # As much again as there was: every word is added up a few times at most, however many tables there are.
        if self._bytes > 2 * self._added and self._bytes > self._limit:
            self._add_up()

    def result(self) -> tuple[pa.Table, Pruned]:
        """Return all counts, and what was left out of them."""
        if not self._tables:
            return COUNTS.empty_table(), self._pruned
        self._add_up()
        return self._tables[0], self._pruned

    def _add_up(self) -> None:
        table, lost = prune(add_up(self._tables), self._limit)
        self._tables, self._pruned = [table], self._pruned + lost
        self._bytes = self._added = _word_bytes(table)


def prune(table: pa.Table, word_bytes: int) -> tuple[pa.Table, Pruned]:
    """Return the most frequent words that have at most `word_bytes` together, in their order, and what is left out.

    Of the words of the smallest count kept as many as there is room for stay, spread evenly over the table.
    """
    size = pc.binary_length(table["word"]).to_numpy()
    if int(size.sum()) <= word_bytes:
        return table, Pruned()
    count = table["count"].to_numpy()
    _, index = np.unique(count, return_inverse=True)
    # Bytes of the words of each count and of all larger ones; from `least` on they fit.
    above = np.cumsum(np.bincount(index, size)[::-1])[::-1]
    least = int(np.searchsorted(-above, -word_bytes))
    kept = index >= least
    if least:
        room = word_bytes - (int(above[least]) if least < len(above) else 0)
        last = np.flatnonzero(index == least - 1)
        reached = np.cumsum(size[last]) * (room / size[last].sum())
        steps = np.floor(reached / max(1, size[last].mean()))
        some = last[np.diff(steps, prepend=0) > 0]
        kept[some[np.cumsum(size[some]) <= room]] = True
    lost = Pruned(int((~kept).sum()), int(count[~kept].sum()))
    return table.filter(pa.array(kept)).combine_chunks(), lost


def give_memory_back() -> None:
    """Let free memory be the system's again, of which Arrow's own allocator and glibc's keep much, also from now on."""
    pa.set_memory_pool(pa.system_memory_pool())
    pa.system_memory_pool().release_unused()


def budgets(sizes: Mapping[str, int], word_bytes: int) -> dict[str, int]:
    """Return how many bytes of words each language may have, `word_bytes` in all: small languages keep everything.

    What they leave is shared evenly by the others, so that rare words of a large language never displace a small one's.
    """
    given: dict[str, int] = {}
    left = word_bytes
    for place, (language, size) in enumerate(sorted(sizes.items(), key=lambda item: (item[1], item[0]))):
        given[language] = min(size, left // (len(sizes) - place))
        left -= given[language]
    return {language: given[language] for language in sorted(given)}


def _word_bytes(table: pa.Table) -> int:
    return pc.sum(pc.binary_length(table["word"])).as_py() or 0
