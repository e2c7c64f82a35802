"""MinHash (Broder 1997) in bands: near duplicates share a key with the probability that their Jaccard index gives.

A hash function is x -> a x + b modulo 2^32 with odd a. Of two documents whose sets of shingles have a Jaccard index j,
one agrees in its smallest value with probability j, a band of r of them with j^r, and at least one of b bands with
1 - (1 - j^r)^b: with FineWeb2's 14 bands of 8, 0.56 at an index of 0.7, 0.77 at 0.75, 0.92 at 0.8, 0.99 at 0.85.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from corpus.duplicates.words import Hashes, Index, Words, mixed, runs, without_numbers

_BLOCK = 2**15
"""Shingles looked at together: in the processor's second cache, with what is computed of them."""
_SEED = 20_241_208
"""Of the functions. Other functions would make other survivors, so it is no setting."""


def functions(count: int) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Return uint32[count] a and b of as many hash functions."""
    drawn = np.random.Generator(np.random.PCG64(_SEED)).integers(0, 2**32, (count, 2), np.uint32)
    return drawn[:, 0] | np.uint32(1), drawn[:, 1]


def band_keys(words: Words, length: int, bands: int, hashes: int) -> tuple[Hashes, Index]:
    """Return uint64[bands, n], a key of each band of each document that has a shingle, and which documents these are.

    Args:
        words: of documents.
        length: words in a shingle; in it all numbers are one, as in FineWeb2.
        bands: of `hashes` functions each.
    """
    shingles, places = runs(without_numbers(words.hashes), words.ends, length)
    counts = np.diff(np.searchsorted(places, words.ends), prepend=0)
    documents = np.flatnonzero(counts)
    smallest = _smallest(shingles, counts[documents], bands * hashes)
    keys = np.zeros((bands, len(documents)), np.uint64)
    for place in range(hashes):
        keys = mixed((keys + smallest[place::hashes]) * np.uint64(0x9E3779B97F4A7C15))
    return keys, documents


def _smallest(shingles: Hashes, counts: Index, functions_: int) -> NDArray[np.uint32]:
    """Return uint32[functions_, n], the smallest value that each function has of the shingles of each document.

    `counts` are the shingles of each document, none of them 0.
    """
    points = (shingles >> np.uint64(32)).astype(np.uint32)
    multipliers, summands = functions(functions_)
    smallest = np.empty((functions_, len(counts)), np.uint32)
    scratch = np.empty(max(_BLOCK, int(counts.max(initial=0))), np.uint32)
    for first, last, start, end in _blocks(counts):
        block = points[start:end]
        values = scratch[: end - start]
        starts = np.cumsum(counts[first:last]) - counts[first:last]
        for number in range(functions_):
            np.multiply(block, multipliers[number], out=values)
            np.add(values, summands[number], out=values)
            np.minimum.reduceat(values, starts, out=smallest[number, first:last])
    return smallest


def _blocks(counts: Index) -> Iterator[tuple[int, int, int, int]]:
    """Yield first and last document, and first and last shingle, of blocks of some thousand shingles."""
    ends = np.cumsum(counts)
    first = 0
    while first < len(counts):
        start = int(ends[first] - counts[first])
        last = max(first + 1, int(np.searchsorted(ends, start + _BLOCK, "right")))
        yield first, last, start, int(ends[last - 1])
        first = last
