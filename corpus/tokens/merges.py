"""From counted words to the merges of a BPE: those of `tokenizers`' trainer, by arrays instead of a set for each pair.

The words lie one after the other in one array of ids, a separator between them. A token's id stands at its first and at
its last place there, so that a token's neighbours are found without links; all between is dead. Merging a pair visits
the places where it was met and nothing else.

Only pairs that are frequent enough to be chosen soon have their places kept. A pair's count never grows after the merge
that brought it about, so what is below the threshold then stays below. When the best pair falls below, all pairs are
counted anew (`_survey`), with a lower threshold. Counts in the heap are upper bounds for the same reason, and are made
exact when they come to its top.

*Objectives.* Words are in groups. `classical` has one; with several the objective is parity (Foroutan et al. 2025,
arXiv 2508.04796, algorithm 1): each merge is the best pair of the group that has the most tokens a byte.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from common.errors import UserError

Pair = tuple[int, int]
Ids = NDArray[np.int32]

_SEPARATOR, _DEAD = -1, -2
_BLOCK = 1 << 21
"""Places looked at together in a survey."""
_DENSE = 1 << 22
"""Sums that are made for all pairs of ids, met or not; where there are more, pairs are sorted."""
_STEP = 16
"""Between two surveys the count of the best pair falls to so small a part."""


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
        words = [_words_of(group) for group in groups]
        size = 1 + sum(len(data) + len(begins) - 1 for data, begins in words)
        if size >= 2**31:
            raise UserError(f"words of {size / 1e9:.1f} GB are too many to learn merges from; lower word_bytes.")
        self.tokens = np.full(size, _SEPARATOR, np.int32)
        self.word_at = np.zeros(size, np.int32)
        self.count = np.concatenate([np.zeros(0, np.int64), *(group["count"].to_numpy() for group in groups)])
        self.group = np.repeat(np.arange(len(groups), dtype=np.int16), [len(group) for group in groups])
        self.length = np.ones(first, np.int32)
        self.spent = np.zeros(len(groups), np.int64)
        """Tokens of each group."""
        self.made = first
        self._lay_out(words, np.array(alphabet, np.int32))
        self.bytes = self.spent.copy()
        self.places: dict[Pair, Ids] = {}
        self.heaps: list[list[tuple[int, Pair]]] = [[] for _ in groups]
        self.least = np.zeros(len(groups))
        """Count below which a group's pairs are not kept."""

    def _lay_out(self, groups: Sequence[tuple[NDArray[np.uint8], NDArray[np.int64]]], alphabet: Ids) -> None:
        place, word = 1, 0
        for number, (data, begins) in enumerate(groups):
            lengths = np.diff(begins)
            self.spent[number] = lengths @ self.count[word : word + len(lengths)]
            for first in range(0, len(lengths), _BLOCK):
                some = lengths[first : first + _BLOCK]
                start, end = int(begins[first]), int(begins[first + len(some)])
                index = np.repeat(np.arange(len(some), dtype=np.int32), some)
                at = np.arange(end - start, dtype=np.int32) + index + np.int32(place)
                self.tokens[at] = alphabet[data[start:end]]
                self.word_at[at] = index + np.int32(word)
                place, word = place + end - start + len(some), word + len(some)

    def merges(self) -> Iterator[Pair]:
        alive = self._survey()
        while alive:
            group = max(alive, key=lambda one: self.spent[one] / self.bytes[one])
            pair = self._best(group)
            if pair is None:
                alive = self._survey()
                continue
            yield pair
            self._merge(pair)

    def _best(self, group: int) -> Pair | None:
        """Return the most frequent pair of a group; none if it is below the group's threshold."""
        heap = self.heaps[group]
        while heap:
            bound, pair = heapq.heappop(heap)
            if pair not in self.places:  # merged meanwhile, for another group
                continue
            at = self.places[pair]
            after = at + self.length[pair[0]]
            at = self.places[pair] = at[(self.tokens[at] == pair[0]) & (self.tokens[after] == pair[1])]
            word = self.word_at[at]
            weight = self.count[word]
            count = int(weight.sum() if len(self.heaps) == 1 else weight[self.group[word] == group].sum())
            if count == -bound:
                return pair
            if count >= self.least[group]:
                heapq.heappush(heap, (-count, pair))
        return None

    def _merge(self, pair: Pair) -> None:
        """Make one token of a pair wherever it is, from left to right, and keep the pairs that this brings about."""
        tokens, (left, right) = self.tokens, pair
        at = self.places.pop(pair)
        size, left_size = self.length[left] + self.length[right], self.length[left]
        if left == right:
            at = _without_overlaps(at, left_size)
        made = self.made
        self.made += 1
        if made == len(self.length):
            self.length = np.resize(self.length, 2 * made)
        self.length[made] = size
        middle, after = at + left_size, at + size
        tokens[middle - 1] = _DEAD
        tokens[middle] = _DEAD
        tokens[at] = made
        tokens[after - 1] = made
        word = self.word_at[at]
        self.spent -= self._per_group(np.zeros(len(at), np.int64), word, 1)[0].astype(np.int64)
        before, behind = tokens[at - 1], tokens[after]
        # Two that were made side by side are a pair once: the right one's with its left neighbour.
        lefts, rights = before >= 0, (behind >= 0) & (behind != made)
        # Numbers of 16 bits are sorted by radix, several times as fast.
        kind = np.uint16 if 2 * made < 1 << 16 else np.uint32
        keys = np.concatenate([before[lefts], behind[rights] + made + 1]).astype(kind)
        starts = np.concatenate([at[lefts] - self.length[before[lefts]], at[rights]])
        self._keep(keys, starts, np.concatenate([word[lefts], word[rights]]), made)

    def _keep(self, keys: NDArray[Any], starts: Ids, words: Ids, made: int) -> None:
        """Keep the places of frequent new pairs: (key, made) for a key up to `made`, else (made, key - made - 1)."""
        if not len(keys):
            return
        order = np.argsort(keys, kind="stable")
        keys, starts = keys[order], starts[order]
        fresh = np.concatenate([[True], keys[1:] != keys[:-1]])
        begins = np.flatnonzero(fresh)
        counts = self._per_group(np.cumsum(fresh) - 1, words[order], len(begins))
        ends = np.append(begins[1:], len(keys))
        for one in np.flatnonzero((counts >= self.least).any(axis=1)):
            key = int(keys[begins[one]])
            pair = (key, made) if key <= made else (made, key - made - 1)
            self._push(pair, starts[begins[one] : ends[one]].copy(), counts[one])

    def _push(self, pair: Pair, at: Ids, counts: NDArray[np.float64]) -> None:
        self.places[pair] = at
        for group, count in enumerate(counts):
            if count >= self.least[group]:
                heapq.heappush(self.heaps[group], (-int(count), pair))

    def _per_group(self, index: NDArray[np.int64], words: Ids, rows: int) -> NDArray[np.float64]:
        """Return float64[rows, groups]: the counts of the words, summed by index and group; exact below 2^53."""
        groups = len(self.heaps)
        places = index * groups + self.group[words]
        sums: NDArray[Any] = np.bincount(places, self.count[words], rows * groups)  # float64, whatever its stubs say
        return sums.reshape(rows, groups)

    def _survey(self) -> list[int]:
        """Count all pairs, keep the places of the frequent ones, and return the groups that have a pair at all."""
        keys, counts = self._count_pairs()
        best = counts.max(axis=0, initial=0)
        self.least = np.maximum(1, best // _STEP)
        frequent = (counts >= self.least).any(axis=1)
        keys, counts = keys[frequent], counts[frequent]
        self.places, self.heaps = {}, [[] for _ in self.heaps]
        for number, (key, at) in enumerate(zip(keys.tolist(), self._find(keys), strict=True)):
            self._push((key >> 32, key & 0xFFFFFFFF), at, counts[number])
        return [group for group in range(len(self.heaps)) if best[group] > 0]

    def _find(self, keys: NDArray[np.int64]) -> list[Ids]:
        """Return the places of each of some pairs, sorted, in one array for all of them."""
        kind = np.uint16 if len(keys) <= 1 << 16 else np.uint32
        number = np.zeros(len(keys), np.int64)
        for _, which in self._met(keys):
            number += np.bincount(which, minlength=len(keys))
        ends = np.cumsum(number)
        free = ends - number
        found = np.empty(int(number.sum()), np.int32)
        for starts, which in self._met(keys):
            order = np.argsort(which.astype(kind), kind="stable")
            here = np.bincount(which, minlength=len(keys))
            # In a block the places of a pair follow those of the blocks before it.
            found[np.arange(len(order)) + np.repeat(free - (np.cumsum(here) - here), here)] = starts[order]
            free += here
        return np.split(found, ends[:-1])[: len(keys)]

    def _met(self, keys: NDArray[np.int64]) -> Iterator[tuple[Ids, NDArray[np.int64]]]:
        """Yield, block by block, places where one of some sorted pairs is, and which it is."""
        if not len(keys):
            return
        for starts, pairs in self._pairs():
            which = np.minimum(np.searchsorted(keys, pairs), len(keys) - 1)
            hit = keys[which] == pairs
            yield starts[hit], which[hit]

    def _count_pairs(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the distinct pairs, left << 32 | right, sorted, and float64[pairs, groups], their counts."""
        groups, made = len(self.heaps), self.made
        keys, counts = np.zeros(0, np.int64), np.zeros((0, groups))
        if made**2 * groups <= _DENSE:
            counts = np.zeros((made**2, groups))
            for starts, pairs in self._pairs():
                index = (pairs >> 32) * made + (pairs & 0xFFFFFFFF)
                counts += self._per_group(index, self.word_at[starts], made**2)
            met = np.flatnonzero(counts.any(axis=1))
            return met // made << 32 | met % made, counts[met]
        for starts, pairs in self._pairs():
            distinct, index = np.unique(pairs, return_inverse=True)
            some = self._per_group(index, self.word_at[starts], len(distinct))
            both, index = np.unique(np.concatenate([keys, distinct]), return_inverse=True)
            total = np.zeros((len(both), groups))
            total[index[: len(keys)]] = counts
            total[index[len(keys) :]] += some
            keys, counts = both, total
        return keys, counts

    def _pairs(self) -> Iterator[tuple[Ids, NDArray[np.int64]]]:
        """Yield blocks of all places where two tokens of a word meet: the first place of the left one, and the pair."""
        inside = 0
        for begin in range(0, len(self.tokens), _BLOCK):
            block = self.tokens[begin : begin + _BLOCK]
            at = np.flatnonzero(block >= 0).astype(np.int32)
            # Tokens of several bytes stand at their first and their last place in turn, also from block to block.
            long = np.flatnonzero(self.length[block[at]] > 1)
            first = np.ones(len(at), bool)
            first[long] = False
            first[long[inside::2]] = True
            inside = (inside + len(long)) % 2
            at = at[first] + np.int32(begin)
            left = self.tokens[at]
            right = self.tokens[at + self.length[left]]
            met = right >= 0
            yield at[met], left[met].astype(np.int64) << 32 | right[met]


def _without_overlaps(at: Ids, size: int) -> Ids:
    """Return the places that are merged where a pair of equal tokens overlaps itself: every second one of a run."""
    number = np.arange(len(at))
    begins = np.concatenate([[True], np.diff(at) != size]) if len(at) else np.zeros(0, bool)
    in_run = number - np.maximum.accumulate(np.where(begins, number, 0))
    chosen: Ids = at[in_run % 2 == 0]
    return chosen


def _words_of(group: pa.Table) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the bytes of all words, one after the other, and int64[words + 1], where each begins and the last ends."""
    if not len(group):
        return np.zeros(0, np.uint8), np.zeros(1, np.int64)
    column = pa.concat_arrays(group["word"].chunks)
    _, offsets, data = column.buffers()
    begins = np.frombuffer(offsets, np.int64)[column.offset : column.offset + len(column) + 1]
    return np.frombuffer(data, np.uint8)[begins[0] : begins[-1]], begins - begins[0]
