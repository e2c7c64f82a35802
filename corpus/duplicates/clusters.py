"""Near duplicates as clusters, and which of each are kept: source after source, so that none changes those before it.

Documents that share the key of a band are joined by edges from the one with the smallest number to each other one. An
edge belongs to the source of its larger number. When the edges of a source have been added, its own documents are
decided upon: of a cluster of n as it then is, so many are kept as `keep` says, less those that were kept before.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from common.columns import GrowingColumn
from common.workers import map_in_processes
from corpus.duplicates.groups import ITEM_BYTES, groups, ranges, without
from corpus.duplicates.numbering import Numbering
from corpus.duplicates.state import KEPT, NEAR, NEAR_HELD_OUT, State
from corpus.duplicates.words import Index

TOUCHED, UNDECIDED = 1, 2
"""Marks of documents that have an edge, and of those among them that are still to be decided upon."""


@dataclass(frozen=True)
class _Task:
    numbering: Numbering
    state: State
    band: int
    bands: int
    between: tuple[int, int]


def _edges(task: _Task) -> NDArray[np.int64]:
    """Return int64[e, 2], smaller and larger number of documents that share a key of a band in a range."""
    found = groups(task.numbering.parts, "band", task.band, task.bands, task.between)
    found = without(found, task.state.array("fates")[found.numbers] == KEPT)
    smallest = np.repeat(found.numbers[found.starts], found.sizes())
    return np.stack([smallest, found.numbers], 1)[found.numbers > smallest]


def decide(numbering: Numbering, state: State, bands: int, keep: Mapping[int, int], memory: int, workers: int) -> None:
    """Mark in `fates` those near duplicates that are not kept, and training text that is one of a held-out document.

    Args:
        numbering: of the documents.
        state: where `fates` tells which are kept so far.
        bands: of each document.
        keep: documents in a cluster -> how many are kept, from so many on; below the least of them all are kept.
        memory: bytes that may be held at a time, about, by all workers together.
        workers: processes.
    """
    keys = sum(len(part.open().keys.get("band_keys", ())) for part in numbering.parts) // bands
    tasks = [
        _Task(numbering, state, band, bands, between)
        for between in ranges(keys, memory // workers)
        for band in range(bands)
    ]
    with ExitStack() as stack:
        columns = [stack.enter_context(GrowingColumn(np.int64, state.folder)) for _ in range(len(numbering.rank_ends))]
        for edges in map_in_processes(_edges, tasks, workers):
            ranks = numbering.ranks(edges[:, 1])
            for rank in np.unique(ranks).tolist():
                columns[rank].append(edges[ranks == rank].ravel())
        clusters = _Clusters(numbering, state, keep, memory)
        for rank, column in enumerate(columns):
            clusters.add_source(rank, (piece.reshape(-1, 2) for piece in column.column().pieces))
        clusters.refuse_held_out()


class _Clusters:
    """Clusters of documents as a forest: each has a parent with a smaller number, or is the root of its cluster."""

    def __init__(self, numbering: Numbering, state: State, keep: Mapping[int, int], memory: int) -> None:
        self._numbering, self._memory = numbering, memory
        self._least, self._kept_of = (np.array(each, np.int64) for each in zip(*sorted(keep.items()), strict=True))
        self._fates, self._touched = state.array("fates"), state.array("touched")
        self._parents, self._sizes, self._kept = (state.array(name) for name in ("parents", "sizes", "kept"))
        """Number of the parent plus 1, 0 of one without an edge so far; of roots, how many there are and are kept."""

    def add_source(self, rank: int, pieces: Iterable[Index]) -> None:
        """Add the edges of a source, int64[e, 2], and decide upon its documents."""
        start = int(self._numbering.rank_ends[rank - 1]) if rank else 0
        end = int(self._numbering.rank_ends[rank])
        for edges in pieces:
            self._touch(np.unique(edges), start)
            self._join(self._roots(edges[:, 0]), self._roots(edges[:, 1]))
        own = np.flatnonzero(self._touched[start:end] & UNDECIDED) + start
        count = max(1, ceil(len(own) * ITEM_BYTES / self._memory))
        roots = self._roots(own) if count > 1 else None
        for place in range(count):
            self._decide(own if roots is None else own[roots % count == place])
        self._touched[own] = TOUCHED

    def _touch(self, numbers: Index, start: int) -> None:
        new = numbers[self._touched[numbers] == 0]
        self._parents[new] = new + 1
        self._sizes[new] = 1
        # Of a source before, it had no duplicate, and is kept.
        self._kept[new] = new < start
        self._touched[new] = np.where(new < start, TOUCHED, TOUCHED | UNDECIDED)

    def _roots(self, numbers: Index) -> Index:
        while True:
            above = self._parents[numbers] - 1
            if np.array_equal(above, numbers):
                return numbers
            numbers = above

    def _join(self, left: Index, right: Index) -> None:
        """Join clusters, given their roots, into one whose root is the smallest number among them."""
        nodes, places = np.unique(np.concatenate([left, right]), return_inverse=True)
        ends = places[: len(left)], places[len(left) :]
        graph = coo_array((np.ones(len(left), np.bool_), ends), shape=(len(nodes), len(nodes)))
        count, labels = connected_components(graph, directed=False)
        _, first = np.unique(labels, return_index=True)  # nodes ascend, so the first of each is the smallest
        for counts in (self._sizes, self._kept):
            sums = np.bincount(labels, counts[nodes], count).astype(np.uint32)
            counts[nodes[first]] = sums
        self._parents[nodes] = nodes[first][labels] + 1

    def _decide(self, numbers: Index) -> None:
        """Mark which of documents, all of those of their clusters that are undecided, are not kept."""
        roots = self._roots(numbers)
        places = np.empty(len(numbers), np.int64)
        places[self._numbering.precedence(numbers)] = np.arange(len(numbers))
        order = np.lexsort((places, roots))
        numbers, roots = numbers[order], roots[order]
        own, first, counts = np.unique(roots, return_index=True, return_counts=True)
        sizes = self._sizes[own].astype(np.int64)
        wanted = np.searchsorted(self._least, sizes, "right") - 1
        allowed = np.where(wanted < 0, sizes, self._kept_of[np.maximum(wanted, 0)]) - self._kept[own]
        kept = np.clip(allowed, 0, counts)
        within = np.arange(len(numbers)) - np.repeat(first, counts)
        self._fates[numbers[within >= np.repeat(kept, counts)]] = NEAR
        self._kept[own] += kept.astype(np.uint32)

    def refuse_held_out(self) -> None:
        """Mark training text that is kept in a cluster of which a document is held out."""
        firsts = [0, *self._numbering.rank_ends.tolist()]
        found = [np.zeros(0, np.int64)]
        for held_out in (True, False):
            marked = np.unique(np.concatenate(found))
            for start, end in itertools.pairwise(firsts):
                own = np.flatnonzero((self._touched[start:end] > 0) & (self._fates[start:end] == KEPT)) + start
                own = own[self._numbering.held_out(own) == held_out]
                roots = self._roots(own)
                if held_out:
                    found.append(np.unique(roots))
                else:
                    self._fates[own[np.isin(roots, marked)]] = NEAR_HELD_OUT
