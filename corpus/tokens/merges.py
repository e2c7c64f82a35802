"""From counted words to the merges of a BPE: those of `tokenizers`' trainer, by arrays instead of a set for each pair.

The words lie one after the other in one array of ids, a separator between them. A token's id stands at its first place
there and, as a negative number, at its last, so that a token's neighbours are found without links; all between is dead.
Merging a pair visits the places where it was met and nothing else.

Only pairs that are frequent enough to be chosen soon have their places kept. A pair's count never grows after the merge
that brought it about, so what is below the threshold then stays below. When the best pair falls below, what is dead is
left out of the array (`_pack`) and all pairs are counted anew (`_survey`), with a lower threshold. Counts in the heap
are upper bounds for the same reason, and are made exact when they come to its top.

*Objectives.* Words are in groups. `classical` has one; with several the objective is parity (Foroutan et al. 2025,
arXiv 2508.04796, algorithm 1): each merge is the best pair of the group that has the most tokens a byte.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from common.errors import UserError
from corpus.tokens.pruning import give_memory_back

Pair = tuple[int, int]
Ids = NDArray[np.int32]

_SEPARATOR, _DEAD, _LAST = -1, -2, -3
"""Numbers in the array that are no ids; a token i of several bytes has `_LAST` - i at its last place."""
_BLOCK = 1 << 18
"""Places looked at together in a survey: so few that what is made of them stays in the processor's cache."""
_DENSE = 1 << 22
"""Sums that are made for all pairs of ids, met or not; where there are more, pairs are sorted."""
_STEP = 256
"""Between two surveys the count of the best pair falls to so small a part. A survey takes as long as thousands of
merges; with more, pairs are kept that are never chosen."""


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
        # In float64, exact below 2^53, since that is what `bincount` adds up.
        self.count = np.concatenate([np.zeros(0), *(group["count"].to_numpy().astype(np.float64) for group in groups)])
        self.group = np.repeat(np.arange(len(groups), dtype=np.int16), [len(group) for group in groups])
        self.length = np.ones(first, np.int32)
        self.spent = np.zeros(len(groups), np.int64)
        """Tokens of each group."""
        self.made = first
        self.first = first
        """Ids below it have one place each."""
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
            best = self._best(group)
            if best is None:
                alive = self._survey()
                continue
            yield best[0]
            self._merge(*best)

    def _best(self, group: int) -> tuple[Pair, Ids] | None:
        """Return the most frequent pair of a group and where it is; none if it is below the group's threshold."""
        heap = self.heaps[group]
        while heap:
            bound, pair = heapq.heappop(heap)
            if pair not in self.places:  # merged meanwhile, for another group
                continue
            at = self.places[pair]
            still = (self.tokens[at] == pair[0]) & (self.tokens[at + self.length[pair[0]]] == pair[1])
            gone, at = at[~still], at[still]
            self.places[pair] = at
            if len(self.heaps) == 1:  # the bound was the count of the places as they were
                count = -bound - int(self.count[self.word_at[gone]].sum())
            else:
                word = self.word_at[at]
                count = int(self.count[word[self.group[word] == group]].sum())
            if count == -bound:
                return pair, at
            if count >= self.least[group]:
                heapq.heappush(heap, (-count, pair))
        return None

    def _merge(self, pair: Pair, at: Ids) -> None:
        """Make one token of a pair wherever it is, from left to right, and keep the pairs that this brings about."""
        tokens, (left, right) = self.tokens, pair
        del self.places[pair]
        left_size = int(self.length[left])
        size = left_size + int(self.length[right])
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
        tokens[after - 1] = _LAST - made
        word = self.word_at[at]
        if len(self.heaps) > 1:
            self.spent -= self._per_group(np.zeros(len(at), np.int64), word, 1)[0].astype(np.int64)
        self._keep(at, word, tokens[at - 1], tokens[after])

    def _keep(self, at: Ids, word: Ids, before: Ids, behind: Ids) -> None:
        """Keep the frequent pairs of the token made last, which is at `at`, with its neighbours."""
        made = self.made - 1
        # Neighbours on the left are 0 to `first` - 1 or, as negative numbers, the largest there are; those on the right
        # lie between. Numbers of 16 bits are sorted by radix, several times as fast.
        shift = self.first - _SEPARATOR
        near = np.concatenate([before, behind + np.int32(shift)])
        near = near.astype(np.uint16) if 2 * made + shift - _LAST < 1 << 16 else near.view(np.uint32)
        order = np.argsort(near, kind="stable")
        near = near[order]
        begins = np.flatnonzero(near[1:] != near[:-1]) + 1
        begins = np.concatenate([[0], begins])
        counts = self._sums(begins, np.concatenate([word, word])[order])
        ends = np.append(begins[1:], len(near))
        both = np.concatenate([at, at])
        limit = np.iinfo(near.dtype).max + 1
        for one in np.flatnonzero((counts >= self.least).any(axis=1)):
            key = int(near[begins[one]])
            starts = both[order[begins[one] : ends[one]]]
            if shift <= key <= made + shift:
                # Two that were made side by side are a pair once: the right one's with its left neighbour.
                if key < made + shift:
                    self._push((made, key - shift), starts, counts[one])
            elif key != shift + _SEPARATOR and key != limit + _SEPARATOR:
                other = key if key < self.first else limit + _LAST - key
                self._push((other, made), starts - self.length[other], counts[one])

    def _sums(self, begins: NDArray[np.int64], words: Ids) -> NDArray[np.float64]:
        """Return float64[runs, groups]: the counts of words, summed over the runs that begin there."""
        if len(self.heaps) == 1:
            sums: NDArray[np.float64] = np.add.reduceat(self.count[words], begins)
            return sums[:, None]
        runs = np.repeat(np.arange(len(begins)), np.diff(begins, append=len(words)))
        return self._per_group(runs, words, len(begins))

    def _push(self, pair: Pair, at: Ids, counts: NDArray[np.float64]) -> None:
        self.places[pair] = at
        for group, count in enumerate(counts.tolist()):
            if count >= self.least[group]:
                heapq.heappush(self.heaps[group], (-int(count), pair))

    def _per_group(self, index: NDArray[np.int64], words: Ids, rows: int) -> NDArray[np.float64]:
        """Return float64[rows, groups]: the counts of the words, summed by index and group; exact below 2^53."""
        groups = len(self.heaps)
        places = index * groups + self.group[words] if groups > 1 else index
        sums: NDArray[Any] = np.bincount(places, self.count[words], rows * groups)  # float64, whatever its stubs say
        return sums.reshape(rows, groups)

    def _survey(self) -> list[int]:
        """Count all pairs, keep the places of the frequent ones, and return the groups that have a pair at all."""
        self.places, self.heaps = {}, [[] for _ in self.heaps]
        self._pack()
        give_memory_back()
        keys, counts, number = self._count_pairs()
        best = counts.max(axis=0, initial=0)
        self.least = np.maximum(1, best // _STEP)
        frequent = (counts >= self.least).any(axis=1)
        keys, counts = keys[frequent], counts[frequent]
        for one, (key, at) in enumerate(zip(keys.tolist(), self._find(keys, number[frequent]), strict=True)):
            self._push((key >> 32, key & 0xFFFFFFFF), at, counts[one])
        give_memory_back()
        return [group for group in range(len(self.heaps)) if best[group] > 0]

    def _pack(self) -> None:
        """Give each token one place, and none to words of one token: what is visited lies closer together."""
        if self.made == self.first:
            return
        end = 0
        for begin in range(0, len(self.tokens), _BLOCK):
            block = self.tokens[begin : begin + _BLOCK]
            kept = np.flatnonzero(block >= _SEPARATOR)
            self.tokens[end : end + len(kept)] = block[kept]
            self.word_at[end : end + len(kept)] = self.word_at[begin + kept]
            end += len(kept)
        ends = self.tokens[:end] == _SEPARATOR
        # Of a word of one token, it and the separator behind it.
        last = np.flatnonzero(ends[:-2] & ends[2:]) + 1
        kept = np.ones(end, bool)
        kept[last] = kept[last + 1] = False
        self.tokens = self.tokens[:end][kept]
        self.word_at = self.word_at[:end][kept]
        self.length[: self.made] = 1
        self.first = self.made

    def _find(self, keys: NDArray[np.int64], number: NDArray[np.int64]) -> list[Ids]:
        """Return the places of each of some pairs, sorted, in one array for all of them; `number` is how many."""
        if not len(keys):
            return []
        kind = np.uint16 if len(keys) <= 1 << 16 else np.uint32
        ends = np.cumsum(number)
        free = ends - number
        found = np.empty(int(ends[-1]), np.int32)
        wanted = pa.array(keys)
        for starts, pairs in self._pairs():
            which = pc.fill_null(pc.index_in(pa.array(pairs), wanted), -1).to_numpy()
            hit = np.flatnonzero(which >= 0)
            which = which[hit].astype(kind)
            order = np.argsort(which, kind="stable")
            here = np.bincount(which, minlength=len(keys))
            # In a block the places of a pair follow those of the blocks before it.
            found[np.arange(len(order)) + np.repeat(free - (np.cumsum(here) - here), here)] = starts[hit[order]]
            free += here
        return np.split(found, ends[:-1])

    def _count_pairs(self) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
        """Return the distinct pairs, left << 32 | right, sorted; float64[pairs, groups], their counts; their places."""
        groups, made = len(self.heaps), self.made
        if made**2 * (groups + 1) <= _DENSE:
            counts, number = np.zeros((made**2, groups)), np.zeros(made**2, np.int64)
            for starts, pairs in self._pairs():
                index = (pairs >> 32) * made + (pairs & 0xFFFFFFFF)
                counts += self._per_group(index, self.word_at[starts], made**2)
                number += np.bincount(index, minlength=made**2)
            met = np.flatnonzero(number)
            return met // made << 32 | met % made, counts[met], number[met]
        keys, counts, number = np.zeros(0, np.int64), np.zeros((0, groups)), np.zeros(0, np.int64)
        for starts, pairs in self._pairs():
            encoded = pa.array(pairs).dictionary_encode()
            index, size = encoded.indices.to_numpy(), len(encoded.dictionary)
            some = self._per_group(index.astype(np.int64), self.word_at[starts], size)
            keys, place = np.unique(np.concatenate([keys, encoded.dictionary.to_numpy()]), return_inverse=True)
            known, fresh = place[: len(counts)], place[len(counts) :]
            before = counts, number
            counts, number = np.zeros((len(keys), groups)), np.zeros(len(keys), np.int64)
            counts[known], number[known] = before
            counts[fresh] += some
            number[fresh] += np.bincount(index, minlength=size)
        return keys, counts, number

    def _pairs(self) -> Iterator[tuple[Ids, NDArray[np.int64]]]:
        """Yield blocks of all places where two tokens of a word meet: the first place of the left one, and the pair."""
        for begin in range(0, len(self.tokens), _BLOCK):
            block = self.tokens[begin : begin + _BLOCK]
            begun = np.flatnonzero(block >= 0)
            left = block[begun]
            at = begun.astype(np.int32) + np.int32(begin)
            right = self.tokens[at + self.length[left]]
            met = np.flatnonzero(right >= 0)
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
