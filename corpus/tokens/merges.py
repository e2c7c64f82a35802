"""From counted words to the merges of a BPE: those of `tokenizers`' trainer, by arrays instead of a set for each pair.

Only pairs that are frequent enough to be chosen soon have their places kept. A pair's count never grows after the merge
that brought it about, so what is below the threshold then stays below. When the best pair falls below, what is dead is
left out of the array and all pairs are counted anew (`_survey`), with a lower threshold. Counts in the heap are former
ones, upper bounds for the same reason, and are made exact when they come to its top.

Most merges are of pairs that are in a few words only, so merges are noted and joined in the text together, as many as
cannot touch one another. Merging (a, b) takes tokens from pairs (b, ...) and (..., a), so it is joined before one of
these is chosen. Its new pairs, (ab, c) and (x, ab), can wait as long: they are where (b, c) and (x, a) were, and these,
at least as frequent, come to the top before them.

*Objectives.* Words are in groups. `classical` has one; with several the objective is parity (Foroutan et al. 2025,
arXiv 2508.04796, algorithm 1): each merge is the best pair of the group that has the most tokens a byte.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from operator import sub

import pyarrow as pa

from corpus.tokens.pruning import give_memory_back
from corpus.tokens.segmentation import Counts, Ids, Pair, Segmentation

_STEP = 256
"""Between two surveys the count of the best pair falls to so small a part. A survey takes as long as thousands of
merges; with more, pairs are kept that are never chosen."""
_MERGES, _PLACES = 256, 1 << 18
"""Merges, and places of theirs, that are joined together."""


def learn_merges(groups: Sequence[pa.Table], alphabet: Sequence[int], first: int) -> Iterator[Pair]:
    """Yield merges, the best first, until no two tokens of a word are left; merge i makes the id `first` + i.

    Of pairs with equal counts the one with the smaller ids comes first, as in `tokenizers`. A pair's count is how often
    its tokens are neighbours, also where that overlaps (twice in "aaa").

    Args:
        groups: of each group, distinct words with their counts (`corpus.tokens.pretokens.COUNTS`).
        alphabet: id of each byte; all below `first`.
        first: id of the first merge.

    Raises:
        UserError: the words are together too long for 32-bit places.
    """
    return _Learner(groups, alphabet, first).merges()


class _Learner:
    def __init__(self, groups: Sequence[pa.Table], alphabet: Sequence[int], first: int) -> None:
        self.text = Segmentation(groups, alphabet, first)
        self.bytes = self.text.tokens.tolist()
        self.places_of: dict[Pair, Ids] = {}
        """Where pairs are, and where they were, ascending."""
        self.counts: dict[Pair, Counts] = {}
        """How often they are in each group."""
        self.heaps: list[list[tuple[int, Pair]]] = [[] for _ in groups]
        """Of each group its pairs, with former counts as negative numbers."""
        self.least = [1] * len(groups)
        """Count below which a group's pairs are not kept."""
        self.noted: dict[Pair, Ids] = {}
        """Merges that are not yet joined in the text, and where they may be."""
        self.places = 0
        self.lefts: set[int] = set()
        self.rights: set[int] = set()

    def merges(self) -> Iterator[Pair]:
        alive = self._survey()
        while alive:
            group = alive[0] if len(alive) == 1 else max(alive, key=lambda one: self.text.tokens[one] / self.bytes[one])
            pair = self._best(group)
            if pair is None:
                alive = self._survey()
                continue
            yield pair
            self._note(pair)

    def _best(self, group: int) -> Pair | None:
        """Return the most frequent pair of a group; none if it is below the group's threshold."""
        heap, least = self.heaps[group], self.least[group]
        while heap or self.noted:
            if not heap:
                self._join()
                continue
            count, pair = heap[0]
            if pair[0] in self.rights or pair[1] in self.lefts:
                self._join()
                continue
            exact = self.counts[pair][group] if pair in self.counts else 0
            if exact == -count:
                return pair
            if exact >= least:
                heapq.heapreplace(heap, (-exact, pair))
            else:
                heapq.heappop(heap)
        return None

    def _note(self, pair: Pair) -> None:
        """Merge a pair, sooner or later."""
        # Of several groups one is chosen by what the last merge has left; and pairs that equal tokens bring about are
        # where the pair itself was.
        alone = pair[0] == pair[1] or len(self.heaps) > 1
        if alone:
            self._join()
        del self.counts[pair]
        self.noted[pair] = self.places_of.pop(pair)
        self.places += len(self.noted[pair])
        self.lefts.add(pair[0])
        self.rights.add(pair[1])
        if alone or self.places > _PLACES or len(self.noted) == _MERGES:
            self._join()

    def _join(self) -> None:
        """Make the merges that were noted in the text, and keep the frequent pairs that this brings about."""
        if not self.noted:
            return
        joined = self.text.join(list(self.noted), list(self.noted.values()), self.least)
        for pair, counts in joined.lost:
            if before := self.counts.get(pair):
                self.counts[pair] = tuple(map(sub, before, counts))
        for found in joined.new:
            self._keep(*found)
        self.noted, self.places, self.lefts, self.rights = {}, 0, set(), set()

    def _keep(self, pair: Pair, at: Ids, counts: Counts) -> None:
        """Keep a pair, which is frequent enough in one group at least."""
        self.places_of[pair], self.counts[pair] = at, counts
        for heap, count, least in zip(self.heaps, counts, self.least, strict=True):
            if count >= least:
                heapq.heappush(heap, (-count, pair))

    def _survey(self) -> list[int]:
        """Count all pairs, keep the places of the frequent ones, and return the groups that have a pair at all."""
        self.places_of, self.counts, self.heaps = {}, {}, [[] for _ in self.heaps]
        best, frequent = self.text.survey(_STEP)
        self.least = [max(1, int(count) // _STEP) for count in best]
        for found in frequent:
            self._keep(*found)
        give_memory_back()
        return [group for group in range(len(self.heaps)) if best[group] > 0]
