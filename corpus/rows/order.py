"""The order in which the rows of one source are read: a function of the seed, the source and how many were read before.

Rows stand on disk in the order of their documents. An epoch takes them in *blocks*, equal runs of neighbouring rows, in
an order that is drawn anew for each epoch, `GROUP` blocks at a time, all rows of a group shuffled together. So the rows
of a batch come from many places of the source, while the storage sees a few runs of megabytes, each read once.

How many blocks there are, and their order, is common to all sets of rows of a source, whatever their length and their
documents' words: block b of B holds the same b-th part of the documents in each. Whoever goes on at another length
after half an epoch goes on with documents that were not read yet.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from corpus.rows.keys import derive_key
from corpus.rows.permutation import Indices, Permutation

LEAST_BLOCK_IDS, MOST_BLOCK_IDS = 1 << 16, 1 << 22
"""Ids of a block, about: at most 8 MB of two bytes each, which a disk reads as fast as any amount."""
WANTED_BLOCKS = 1024
GROUP = 16
"""Blocks whose rows are shuffled together."""


def block_count(ids: int) -> int:
    """Return the number of blocks of a source that has so many ids: of `MOST_BLOCK_IDS` each if it is large.

    A small source has blocks that are smaller, so that what is unevenly read when the row length changes within an
    epoch, a group of blocks, is a small part of it.
    """
    return max(1, ids // min(max(ids // WANTED_BLOCKS, LEAST_BLOCK_IDS), MOST_BLOCK_IDS))


@dataclass(frozen=True)
class SourceOrder:
    """The order of a set of rows.

    Attributes:
        rows: How many there are; at least one.
        blocks: `block_count` of the source. Rows that do not divide evenly come last in each epoch.
        key: Chooses the order of the blocks; that of the source.
        name: Of the set of rows; with `key` it chooses the order within a group.
    """

    rows: int
    blocks: int
    key: bytes
    name: str

    def __call__(self, occurrences: Indices) -> Indices:
        """Return the row read at each occurrence, int64[n], 0 being the first row ever drawn from the source.

        Every `rows` consecutive occurrences from a multiple of `rows` on, an epoch, hold each row exactly once.
        """
        result = np.empty_like(occurrences)
        epochs = occurrences // self.rows
        for epoch in np.unique(epochs).tolist():
            here = epochs == epoch
            result[here] = self._in_epoch(occurrences[here] - epoch * self.rows, self._epoch_key(epoch))
        return result

    def touched(self, first: int, count: int) -> Iterator[tuple[int, int]]:
        """Yield ranges [begin, end) of rows that hold all that are read at `count` occurrences from `first` on.

        They are whole blocks, and a range may come twice.
        """
        if count >= self.rows:
            yield 0, self.rows
            return
        end = first + count
        while first < end:
            epoch, place = divmod(first, self.rows)
            last = min(self.rows, place + end - first)
            yield from self._touched(place, last, self._epoch_key(epoch))
            first += last - place

    @property
    def block_rows(self) -> int:
        """Rows of a block."""
        return self.rows // self.blocks

    def _epoch_key(self, epoch: int) -> bytes:
        return derive_key(self.key.hex(), "epoch", epoch)

    def _in_epoch(self, places: Indices, key: bytes) -> Indices:
        blocked = self.block_rows * self.blocks
        order = np.empty_like(places)
        rest = places >= blocked
        shuffled = Permutation(self.rows - blocked, derive_key(key.hex(), self.name, "rest"))(places[rest] - blocked)
        order[rest] = blocked + shuffled
        if blocked:
            order[~rest] = self._in_blocks(places[~rest], key)
        return order

    def _in_blocks(self, places: Indices, key: bytes) -> Indices:
        size = self.block_rows
        shuffled = np.empty_like(places)
        groups = places // (GROUP * size)
        for group in np.unique(groups).tolist():
            here = groups == group
            first = group * GROUP
            members = min(GROUP, self.blocks - first) * size
            shuffle = Permutation(members, derive_key(key.hex(), self.name, "group", group))
            shuffled[here] = first * size + shuffle(places[here] - first * size)
        return self._block_order(key)(shuffled // size) * size + shuffled % size

    def _block_order(self, key: bytes) -> Permutation:
        return Permutation(self.blocks, derive_key(key.hex(), "blocks"))

    def _touched(self, place: int, last: int, key: bytes) -> Iterator[tuple[int, int]]:
        size = self.block_rows
        blocked = size * self.blocks
        if place < blocked:
            first = place // (GROUP * size) * GROUP
            end = min(self.blocks, -(-min(last, blocked) // (GROUP * size)) * GROUP)
            for block in self._block_order(key)(np.arange(first, end)).tolist():
                yield block * size, (block + 1) * size
        if last > blocked:
            yield blocked, self.rows
