"""Counted words as the tokens of which they consist by now, in one array: where two tokens meet, and joining them.

The words lie one after the other in one array of ids, a separator between them. A token's id stands at its first place
there and, as a negative number, at its last, so that a token's neighbours are found without links; all between is dead.
Joining pairs visits the places where they were met and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from common.errors import UserError
from corpus.tokens.pruning import give_memory_back

Pair = tuple[int, int]
Ids = NDArray[np.int32]
Index = NDArray[np.int64]
"""Places and numbers that index arrays: numpy is slow to index by any other integers."""

_SEPARATOR, _DEAD, _LAST = -1, -2, -3
"""Numbers in the array that are no ids; a token i of several bytes has `_LAST` - i at its last place."""
_BLOCK = 1 << 18
"""Places looked at together: so few that what is made of them stays in the processor's cache."""
_SORTED_BLOCK = 1 << 21
"""Places looked at together where their pairs are sorted with those of all blocks before."""
_NEAR = 1 << 14
"""Places, far from each other, that are visited together: what is made of them needs no new memory."""
_DENSE = 1 << 19
"""Sums that are made for all pairs of ids, met or not; where there are more, pairs are sorted."""


Counts = tuple[int, ...]
"""Of each group."""
Found = tuple[Pair, Ids, Counts]
"""A pair, the first places of its left tokens, ascending, and how often it is there."""


@dataclass(frozen=True)
class Joined:
    """What merges have changed: pairs that were lost and their count in each group, and new pairs and their places."""

    lost: Iterable[tuple[Pair, Counts]]
    new: Iterable[Found]


@dataclass(frozen=True)
class _Merges:
    """Merges that are made together; merge i makes the id `first` + i of `left`[i] and `right`[i]."""

    left: Index
    right: Index
    first: int


class Segmentation:
    """The words of all groups, as tokens."""

    def __init__(self, groups: Sequence[pa.Table], alphabet: Sequence[int], first: int) -> None:
        """Lay out the bytes of words as tokens; arguments and errors are those of `learn_merges`."""
        words = [_words_of(group) for group in groups]
        size = 1 + sum(len(data) + len(begins) - 1 for data, begins in words)
        if size >= 2**31:
            raise UserError(f"words of {size / 1e9:.1f} GB are too many to learn merges from; lower word_bytes.")
        self.groups = len(groups)
        self.made = first
        """The id that is made next."""
        self.tokens = np.zeros(len(groups), np.int64)
        """Tokens of each group."""
        self._tokens = np.full(size, _SEPARATOR, np.int32)
        self._word_at = np.zeros(size, np.int32)
        # In float64, exact below 2^53, since that is what `bincount` adds up.
        self._count = np.concatenate([np.zeros(0), *(group["count"].to_numpy().astype(np.float64) for group in groups)])
        self._group = np.repeat(np.arange(len(groups), dtype=np.int16), [len(group) for group in groups])
        self._length = np.ones(first, np.int32)
        self._single = first
        """Ids below it have one place each."""
        self._lay_out(words, np.array(alphabet, np.int32))

    def _lay_out(self, groups: Sequence[tuple[NDArray[np.uint8], NDArray[np.int64]]], alphabet: Ids) -> None:
        place, word = 1, 0
        for number, (data, begins) in enumerate(groups):
            lengths = np.diff(begins)
            self.tokens[number] = lengths @ self._count[word : word + len(lengths)]
            for first in range(0, len(lengths), _BLOCK):
                some = lengths[first : first + _BLOCK] + 1
                ends = np.cumsum(some)
                end = place + int(ends[-1])
                of_word = np.ones(end - place, bool)
                of_word[ends - 1] = False
                data_here = data[begins[first] : begins[first + len(some)]]
                self._tokens[place:end][of_word] = alphabet[data_here]
                self._word_at[place:end] = np.repeat(np.arange(word, word + len(some), dtype=np.int32), some)
                place, word = end, word + len(some)

    def join(self, pairs: list[Pair], places: list[Ids], least: Sequence[int]) -> Joined:
        """Make one token of each pair wherever it is, from left to right.

        Args:
            pairs: what is merged. No two of them overlap; one of equal tokens comes alone.
            places: where each is, or was, ascending.
            least: count in each group; new pairs that are below all of them are left out.
        """
        left, right = np.array(pairs, np.int64).T
        merges = _Merges(left, right, self.made)
        self.made += len(pairs)
        if self.made > len(self._length):
            self._length = np.resize(self._length, 2 * self.made)
        self._length[merges.first : self.made] = self._length[left] + self._length[right]
        at = np.concatenate(places).astype(np.int64)
        which = np.repeat(np.arange(len(places)), [len(some) for some in places])
        # Where a pair may overlap itself its places are looked at together.
        step = len(at) if left[0] == right[0] else _NEAR
        blocks = [slice(begin, begin + step) for begin in range(0, len(at), step)]
        made = [self._make(merges, at[block], which[block]) for block in blocks]
        return self._changes(merges, [self._around(merges, *some) for some in made], least)

    def _make(self, merges: _Merges, at: Index, which: Index) -> tuple[Index, Index]:
        """Make tokens where the pairs of the merges `which` still are, of some places; return those, and which."""
        size = self._length[merges.left].astype(np.int64)
        still = self._tokens[at] == merges.left[which]
        still &= self._tokens[at + size[which]] == merges.right[which]
        kept = np.flatnonzero(still)
        at, which = at[kept], which[kept]
        if merges.left[0] == merges.right[0]:
            at = _without_overlaps(at, int(size[0]))
            which = which[: len(at)]
        made = which + merges.first
        middle, last = at + size[which], at + self._length[made] - 1
        self._tokens[middle - 1] = _DEAD
        self._tokens[middle] = _DEAD
        self._tokens[at] = made
        self._tokens[last] = _LAST - made
        return at, which

    def _around(self, merges: _Merges, at: Index, which: Index) -> tuple[Index, Ids, Ids]:
        """Return the pairs of tokens made at some places with their neighbours, their words and their places.

        A pair is one number: which merge, on which side its token is, and the other token.
        """
        word = self._word_at[at]
        if self.groups > 1:
            self.tokens -= self._per_group(np.zeros(len(at), np.int64), word, 1)[0].astype(np.int64)
        before, behind = self._tokens[at - 1], self._tokens[at + self._length[which + merges.first]]
        before = np.where(before <= _LAST, _LAST - before, before)
        # Two tokens made now meet once, as the neighbour on the right.
        some, others = np.flatnonzero((before >= 0) & (before < merges.first)), np.flatnonzero(behind >= 0)
        before, behind = before[some], behind[others]
        keys = np.concatenate([which[some] * (2 * self.made) + before, (which[others] * 2 + 1) * self.made + behind])
        starts = np.concatenate([at[some] - self._length[before], at[others]]).astype(np.int32)
        return keys, np.concatenate([word[some], word[others]]), starts

    def _changes(self, merges: _Merges, around: Sequence[tuple[Index, Ids, Ids]], least: Sequence[int]) -> Joined:
        """Put together what `_around` found."""
        left, right, first, made = merges.left, merges.right, merges.first, self.made
        keys, words, starts = (np.concatenate(some) for some in zip(*around, strict=True))
        keys, order = _sorted(keys, 2 * len(left) * made)
        begins = np.flatnonzero(np.diff(keys, prepend=-1))
        counts = self._sums(begins, words[order])
        many = _tuples(counts)
        which, rest = np.divmod(keys[begins], 2 * made)
        on_left, other = rest < made, rest % made
        # Of a token made now, its left one was there.
        was = np.where(other < first, other, left[np.maximum(other - first, 0)])
        lost = _pair(np.where(on_left, was, right[which]), np.where(on_left, left[which], was))
        kept = np.flatnonzero((counts >= least).any(axis=1))
        ends = np.append(begins[1:], len(keys))[kept]
        at = [starts[order[begin:end]] for begin, end in zip(begins[kept].tolist(), ends.tolist(), strict=True)]
        new, other, on_left = which[kept] + first, other[kept], on_left[kept]
        pairs = _pair(np.where(on_left, other, new), np.where(on_left, new, other))
        often = [many[one] for one in kept.tolist()]
        return Joined(zip(lost, many, strict=True), zip(pairs, at, often, strict=True))

    def survey(self, part: int) -> tuple[NDArray[np.float64], Iterator[Found]]:
        """Count all pairs; return float64[groups], how often the best is there, and the frequent ones.

        These have at least a `part`-th of the best one's count in a group.
        """
        self._pack()
        give_memory_back()
        keys, counts, number = self._count_pairs()
        best = counts.max(axis=0, initial=0)
        frequent = np.flatnonzero((counts >= np.maximum(1, best // part)).any(axis=1))
        keys = keys[frequent]
        places = self._find(keys, number[frequent])
        pairs = _pair(keys >> 32, keys & 0xFFFFFFFF)
        return best, zip(pairs, places, _tuples(counts[frequent]), strict=True)

    def _sums(self, begins: Index, words: Ids) -> NDArray[np.float64]:
        """Return float64[runs, groups]: the counts of words, summed over the runs that begin there."""
        if self.groups == 1:
            sums: NDArray[np.float64] = np.add.reduceat(self._count.take(words), begins)
            return sums[:, None]
        runs = np.repeat(np.arange(len(begins)), np.diff(begins, append=len(words)))
        return self._per_group(runs, words, len(begins))

    def _per_group(self, index: Index, words: Ids, rows: int) -> NDArray[np.float64]:
        """Return float64[rows, groups]: the counts of the words, summed by index and group; exact below 2^53."""
        places = index * self.groups + self._group[words] if self.groups > 1 else index
        sums: NDArray[Any] = np.bincount(places, self._count[words], rows * self.groups)  # whatever its stubs say
        return sums.reshape(rows, self.groups)

    def _pack(self) -> None:
        """Give each token one place, and none to words of one token: what is visited lies closer together."""
        if self.made == self._single:
            return
        end = 0
        for begin in range(0, len(self._tokens), _BLOCK):
            block = self._tokens[begin : begin + _BLOCK]
            kept = np.flatnonzero(block >= _SEPARATOR)
            self._tokens[end : end + len(kept)] = block[kept]
            self._word_at[end : end + len(kept)] = self._word_at[begin + kept]
            end += len(kept)
        ends = self._tokens[:end] == _SEPARATOR
        # Of a word of one token, it and the separator behind it.
        last = np.flatnonzero(ends[:-2] & ends[2:]) + 1
        kept = np.ones(end, bool)
        kept[last] = kept[last + 1] = False
        self._tokens = self._tokens[:end][kept]
        self._word_at = self._word_at[:end][kept]
        self._length[: self.made] = 1
        self._single = self.made

    def _find(self, keys: Index, number: Index) -> list[Ids]:
        """Return the places of each of some pairs, sorted, in one array for all of them; `number` is how many."""
        if not len(keys):
            return []
        kind = np.uint16 if len(keys) <= 1 << 16 else np.uint32
        ends = np.cumsum(number)
        free = ends - number
        found = np.empty(int(ends[-1]), np.int32)
        if self._is_dense():
            wanted = np.full(self.made**2, -1, np.int32)
            wanted[(keys >> 32) * self.made + (keys & 0xFFFFFFFF)] = np.arange(len(keys))
        for starts, left, right in self._pairs(_BLOCK):
            if self._is_dense():
                which = wanted[left * self.made + right]
            else:
                which = pc.fill_null(pc.index_in(pa.array(left << 32 | right), pa.array(keys)), -1).to_numpy()
            hit = np.flatnonzero(which >= 0)
            which = which[hit].astype(kind)
            order = np.argsort(which, kind="stable")
            here = np.bincount(which, minlength=len(keys))
            # In a block the places of a pair follow those of the blocks before it.
            found[np.arange(len(order)) + np.repeat(free - (np.cumsum(here) - here), here)] = starts[hit[order]]
            free += here
        return _split(found, number)

    def _is_dense(self) -> bool:
        return self.made**2 * (self.groups + 1) <= _DENSE

    def _count_pairs(self) -> tuple[Index, NDArray[np.float64], Index]:
        """Return the distinct pairs, left << 32 | right, sorted; float64[pairs, groups], their counts; their places."""
        groups, made = self.groups, self.made
        if self._is_dense():
            counts, number = np.zeros((made**2, groups)), np.zeros(made**2, np.int64)
            for starts, left, right in self._pairs(_BLOCK):
                index = left * made + right
                counts += self._per_group(index, self._word_at[starts], made**2)
                number += np.bincount(index, minlength=made**2)
            met = np.flatnonzero(number)
            return met // made << 32 | met % made, counts[met], number[met]
        keys, counts, number = np.zeros(0, np.int64), np.zeros((0, groups)), np.zeros(0, np.int64)
        for starts, left, right in self._pairs(_SORTED_BLOCK):
            encoded = pa.array(left << 32 | right).dictionary_encode()
            index, size = encoded.indices.to_numpy().astype(np.int64), len(encoded.dictionary)
            some = self._per_group(index, self._word_at[starts], size)
            keys, place = np.unique(np.concatenate([keys, encoded.dictionary.to_numpy()]), return_inverse=True)
            known, fresh = place[: len(counts)], place[len(counts) :]
            before = counts, number
            counts, number = np.zeros((len(keys), groups)), np.zeros(len(keys), np.int64)
            counts[known], number[known] = before
            counts[fresh] += some
            number[fresh] += np.bincount(index, minlength=size)
        return keys, counts, number

    def _pairs(self, size: int) -> Iterator[tuple[Index, Index, Ids]]:
        """Yield by blocks all places where two tokens of a word meet, and both, when each token has one place."""
        for begin in range(0, len(self._tokens) - 1, size):
            left, right = self._tokens[begin : begin + size], self._tokens[begin + 1 : begin + size + 1]
            left = left[: len(right)]
            met = np.flatnonzero((left >= 0) & (right >= 0))
            yield met + begin, left[met].astype(np.int64), right[met]


def _sorted(keys: Index, most: int) -> tuple[Index, Index]:
    """Return numbers below `most` sorted, and where each was, equal ones in their order."""
    # One sort of numbers that hold both is many times as fast as an argsort; of 32 bits twice that.
    shift = len(keys).bit_length()
    kind = np.int32 if most << shift < 1 << 31 else np.int64
    both: NDArray[Any] = np.left_shift(keys.astype(kind), shift)
    both |= np.arange(len(keys), dtype=kind)
    both.sort()
    return (both >> shift).astype(np.int64), (both & ((1 << shift) - 1)).astype(np.int64)


def _pair(left: Index, right: Index) -> Iterator[Pair]:
    return zip(left.tolist(), right.tolist(), strict=True)


def _tuples(counts: NDArray[np.float64]) -> list[Counts]:
    """Return the rows. Lists would cost more: Python's garbage collector looks through them again and again."""
    return list(zip(*counts.T.astype(np.int64).tolist(), strict=True))


def _without_overlaps(at: Index, size: int) -> Index:
    """Return the places that are merged where a pair of equal tokens overlaps itself: every second one of a run."""
    number = np.arange(len(at))
    begins = np.diff(at, prepend=-1) != size
    in_run = number - np.maximum.accumulate(np.where(begins, number, 0))
    return at[np.flatnonzero(in_run % 2 == 0)]


def _split(at: Ids, sizes: Index) -> list[Ids]:
    """Return pieces of some places, one after the other."""
    ends = np.cumsum(sizes).tolist()
    return [at[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]


def _words_of(group: pa.Table) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the bytes of all words, one after the other, and int64[words + 1], where each begins and the last ends."""
    if not len(group):
        return np.zeros(0, np.uint8), np.zeros(1, np.int64)
    column = pa.concat_arrays(group["word"].chunks)
    _, offsets, data = column.buffers()
    begins = np.frombuffer(offsets, np.int64)[column.offset : column.offset + len(column) + 1]
    return np.frombuffer(data, np.uint8)[begins[0] : begins[-1]], begins - begins[0]
