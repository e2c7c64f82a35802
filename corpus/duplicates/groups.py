"""Documents, or lines, with equal keys: found range by range of the keys, so that memory is bounded whatever there is.

Keys are hashes, and sorted in each part: a range of them is a stretch of each part's file, about as long in all.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from corpus.duplicates.numbering import NumberedPart
from corpus.duplicates.words import Hashes, Index

ITEM_BYTES = 64
"""Of memory for a key that is looked at: the key, its document, and copies while they are sorted."""


@dataclass(frozen=True)
class Groups:
    """Items with equal keys, two or more of each key."""

    numbers: Index
    """int64[n], numbers of documents, group after group, ascending within each."""
    places: Index
    """int64[n], where each stands in the column of its part, if that was asked for."""
    parts: NDArray[np.int32]
    """int32[n], its part."""
    starts: Index
    """int64[g], where each group begins."""

    def sizes(self) -> Index:
        """Return int64[g]."""
        return np.diff(self.starts, append=len(self.numbers))


def ranges(items: int, memory: int) -> list[tuple[int, int]]:
    """Return ranges of keys, first and one more than the last, that cut so many items into pieces that fit a memory."""
    count = max(1, ceil(items * ITEM_BYTES / memory))
    bounds = [(2**64 * place) // count for place in range(count + 1)]
    return list(itertools.pairwise(bounds))


def groups(parts: list[NumberedPart], kind: str, band: int, bands: int, between: tuple[int, int]) -> Groups:
    """Return the groups of equal keys in a range.

    Args:
        parts: where to look.
        kind: "exact", "band" or "line".
        band: which of `bands` equal stretches the columns consist of; 0 of 1 where there is one.
        bands: see there.
        between: a range of `ranges`.
    """
    keys, numbers = [np.zeros(0, np.uint64)], [np.zeros(0, np.int64)]
    places, owners = [np.zeros(0, np.int64)], [np.zeros(0, np.int32)]
    for owner, part in enumerate(parts):
        columns = part.open().keys
        if f"{kind}_keys" not in columns:
            continue
        size = len(columns[f"{kind}_keys"]) // bands
        own = columns[f"{kind}_keys"][band * size : (band + 1) * size]
        begin = int(np.searchsorted(own, np.uint64(between[0])))
        end = size if between[1] == 2**64 else int(np.searchsorted(own, np.uint64(between[1])))
        keys.append(own[begin:end])
        numbers.append(columns[f"{kind}_documents"][band * size + begin : band * size + end] + np.int64(part.first))
        places.append(np.arange(begin, end))
        owners.append(np.full(end - begin, owner, np.int32))
    return _grouped(np.concatenate(keys), np.concatenate(numbers), np.concatenate(places), np.concatenate(owners))


def _grouped(keys: Hashes, numbers: Index, places: Index, owners: NDArray[np.int32]) -> Groups:
    # A stable sort: within a key, numbers go on ascending as the parts do.
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    same = keys[1:] == keys[:-1]
    several = np.zeros(len(keys), np.bool_)
    several[1:] |= same
    several[:-1] |= same
    chosen = np.flatnonzero(several)
    firsts = np.ones(len(chosen), np.bool_)
    firsts[1:] = keys[chosen[1:]] != keys[chosen[:-1]]
    order = order[chosen]
    return Groups(numbers[order], places[order], owners[order], np.flatnonzero(firsts))


def without(found: Groups, alive: NDArray[np.bool_]) -> Groups:
    """Return groups with those items alone that are alive, bool[n]; of a single one none is left."""
    group = np.repeat(np.arange(len(found.starts)), found.sizes())[alive]
    counts = np.bincount(group, minlength=len(found.starts))
    several = counts[group] > 1
    group = group[several]
    firsts = np.ones(len(group), np.bool_)
    firsts[1:] = group[1:] != group[:-1]
    chosen = np.flatnonzero(alive)[several]
    return Groups(found.numbers[chosen], found.places[chosen], found.parts[chosen], np.flatnonzero(firsts))
