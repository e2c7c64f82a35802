"""Words and lines of a batch of texts as spans of one array of characters, each with a hash of what it holds.

A word is what stands between white space, without the punctuation around it; punctuation at either end is a word of its
own, one for each run of one character. So `(esim. Helsinki-Vantaa)...` has six: `(`, `esim`, `.`, `Helsinki-Vantaa`,
`)` and `...`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]
Hashes = NDArray[np.uint64]

BATCH_CHARACTERS = 2**18
"""Looked at together, if they are of more than one text: what is computed of them stays in the processor's cache."""
BASE = 0x9E3779B97F4A7C15
"""Odd, so that it has an inverse among the numbers of 64 bits."""
_SPACE, _MARK, _LETTER, _OTHER = range(4)
_NEWLINE = ord("\n")


@dataclass(frozen=True)
class Spans:
    """Spans of characters, in order: int64[s] where each begins and ends, and the text that it is of."""

    starts: Indices
    ends: Indices
    owners: Indices

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.starts)

    def where(self, chosen: NDArray[np.bool_]) -> Spans:
        """Return those that are chosen."""
        return Spans(self.starts[chosen], self.ends[chosen], self.owners[chosen])


class Characters:
    """The characters of some texts, one after the other, each text followed by a newline."""

    def __init__(self, texts: Sequence[str]) -> None:
        """Take texts; a newline is put after each."""
        joined = "\n".join([*texts, ""]).encode("utf-32-le", "surrogatepass")
        self.points = np.frombuffer(joined, "<u4")
        self.lengths = np.fromiter(map(len, texts), np.int64, len(texts))
        """int64[d], characters of each text, without that newline."""
        self.kinds = _kinds()[self.points]
        self._inside = self.kinds != _SPACE
        self._wordy = self.kinds >= _LETTER

    @cached_property
    def _hash_sums(self) -> Hashes:
        """uint64[n + 1], sums of random numbers for the characters before each place, times powers of `BASE`."""
        sums = np.zeros(len(self.points) + 1, np.uint64)
        np.cumsum(_random_numbers()[self.points] * powers(len(self.points)), out=sums[1:])
        return sums

    def hashes(self, spans: Spans) -> Hashes:
        """Return uint64[s], a hash of the characters of each span, the same wherever it stands."""
        sums = self._hash_sums
        return mixed((sums[spans.ends] - sums[spans.starts]) * powers(len(self.points), inverse=True)[spans.starts])

    @cached_property
    def lines(self) -> Spans:
        """Lines, those too that hold nothing; the last one of a text that ends with a newline is none."""
        ends = np.flatnonzero(self.points == _NEWLINE)
        starts = np.concatenate([[0], ends[:-1] + 1]) if len(ends) else ends
        text_ends = np.cumsum(self.lengths + 1) - 1
        owners = np.searchsorted(text_ends, ends)
        last_and_empty = (ends == text_ends[owners]) & (starts == ends) & (self.lengths[owners] > 0)
        return Spans(starts, ends, owners).where(~last_and_empty)

    @cached_property
    def trimmed_lines(self) -> Spans:
        """Lines that hold more than white space, without that at their ends."""
        return self._trimmed(self.lines, self._inside)

    @cached_property
    def words(self) -> Spans:
        """Words, and punctuation."""
        # Between white space, then without punctuation at the ends; what is left over is punctuation.
        edges = np.diff(self._inside, prepend=False).nonzero()[0].reshape(-1, 2)
        chunks = Spans(edges[:, 0], edges[:, 1], np.zeros(len(edges), np.int64))
        cores = self._trimmed(chunks, self._wordy)
        outer = self._inside.copy()
        bounds = np.zeros(len(self.points) + 1, np.int8)
        bounds[cores.starts] += 1
        bounds[cores.ends] -= 1
        outer &= np.cumsum(bounds[:-1], dtype=np.int8) == 0
        first = outer.copy()
        first[1:] &= ~(outer[:-1] & (self.points[1:] == self.points[:-1]))
        last = outer.copy()
        last[:-1] &= ~(outer[1:] & (self.points[1:] == self.points[:-1]))
        first[cores.starts] = True
        last[cores.ends - 1] = True
        starts = first.nonzero()[0]
        owners = np.repeat(np.arange(len(self.lengths)), self.lengths + 1)[starts]
        return Spans(starts, last.nonzero()[0] + 1, owners)

    @cached_property
    def word_lengths(self) -> Indices:
        """int64[w], characters of each word."""
        return self.words.ends - self.words.starts

    def holds_word(self) -> NDArray[np.bool_]:
        """Return bool[w], whether each of `words` is more than punctuation."""
        more: NDArray[np.bool_] = self._wordy[self.words.starts]
        return more

    def holds_letter(self) -> NDArray[np.bool_]:
        """Return bool[w], whether each of `words` holds a letter."""
        letters = _before(self.kinds == _LETTER)
        return letters[self.words.ends] > letters[self.words.starts]

    def _trimmed(self, spans: Spans, wanted: NDArray[np.bool_]) -> Spans:
        """Return spans from their first to their last character that is wanted, without spans that hold none."""
        before, places = _before(wanted), wanted.nonzero()[0]
        first, last = before[spans.starts], before[spans.ends] - 1
        there = first <= last
        return Spans(places[first[there]], places[last[there]] + 1, spans.owners[there])


def batches(texts: Sequence[bytes]) -> Iterator[list[str]]:
    """Yield texts in UTF-8 as strings, as many together as are looked at at a time."""
    batch: list[str] = []
    size = 0
    for text in texts:
        if batch and size + len(text) > BATCH_CHARACTERS:
            yield batch
            batch, size = [], 0
        batch.append(text.decode())
        size += len(text)
    if batch:
        yield batch


def _before(there: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Return int32[n + 1], how many are true before each place."""
    counts = np.zeros(len(there) + 1, np.int32)
    np.cumsum(there, out=counts[1:])
    return counts


def mixed(numbers: Hashes) -> Hashes:
    """Return numbers of 64 bits each of whose bits depends on all of the number given: the end of SplitMix64."""
    numbers = (numbers ^ numbers >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ numbers >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return numbers ^ numbers >> np.uint64(31)


@cache
def _random_numbers() -> Hashes:
    """uint64[1114112], a number for each character: SplitMix64."""
    return mixed(np.arange(1, 0x110001, dtype=np.uint64) * np.uint64(BASE))


_POWERS: dict[bool, Hashes] = {}


def powers(size: int, inverse: bool = False) -> Hashes:
    """Return uint64[size], powers of `BASE` or of its inverse, from the power 0."""
    if inverse not in _POWERS or len(_POWERS[inverse]) < size:
        base = pow(BASE, -1, 2**64) if inverse else BASE
        factors = np.full(max(size, BATCH_CHARACTERS * 2), base, np.uint64)
        factors[0] = 1
        _POWERS[inverse] = np.cumprod(factors)
    return _POWERS[inverse][:size]


@cache
def _kinds() -> NDArray[np.uint8]:
    """uint8[1114112], the kind of each character: white space, punctuation, symbol or control, letter, or other."""
    kinds = np.full(0x110000, _OTHER, np.uint8)
    for point in range(0x110000):
        character = chr(point)
        if character.isspace():
            kinds[point] = _SPACE
        elif (category := unicodedata.category(character))[0] in "PS" or category == "Cc":
            kinds[point] = _MARK
        elif category[0] == "L":
            kinds[point] = _LETTER
    return kinds
