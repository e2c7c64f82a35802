"""Held-out documents, drawn at random from token shards, and how much of them has been found elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from corpus.rows.keys import derive_key
from corpus.rows.permutation import Permutation
from corpus.tokens.ids import Shard, open_shard, read_shards
from evaluation.overlap.windows import WINDOW, Hashes, window_hashes


@dataclass(frozen=True)
class Document:
    """A held-out document."""

    ids: NDArray[np.int64]
    """int64[n]."""
    windows: Hashes
    """uint64[max(0, n - WINDOW + 1)]."""

    def covered(self, found: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return which tokens lie in a window that was found, bool[n]; `found` is bool by window."""
        change = np.zeros(len(self.ids) + 1, dtype=np.int64)
        places = np.flatnonzero(found)
        np.add.at(change, places, 1)
        np.add.at(change, places + WINDOW, -1)
        inside: NDArray[np.bool_] = np.cumsum(change[:-1]) > 0
        return inside


def drawn_documents(manifest_path: Path, split: str, limit: int, seed: int, tokens: Hashes) -> list[Document]:
    """Return random documents of a split until they hold `limit` tokens; all of them if they hold fewer.

    Args:
        manifest_path: of the source's token shards.
        split: `validation` or `test`.
        limit: tokens; the last document may go beyond.
        seed: of the recipe; with source and split it chooses.
        tokens: as `evaluation.overlap.windows.token_hashes` returns them.

    Raises:
        UserError: a shard is absent or damaged.
    """
    manifest = read_shards(manifest_path)
    shards = [open_shard(manifest_path.parent / entry["name"]) for entry in manifest["splits"][split]["files"]]
    found, held = [], 0
    for ids in _at_random(shards, derive_key(seed, "overlap", manifest["source"], split)):
        if held >= limit:
            break
        found.append(Document(ids, window_hashes(ids.astype(np.uint32), tokens)))
        held += len(ids)
    return found


def _at_random(shards: list[Shard], key: bytes) -> Iterator[NDArray[np.int64]]:
    before = np.array([0, *accumulate(len(shard.ends) for shard in shards)])
    order = Permutation(int(before[-1]), key)
    for first in range(0, int(before[-1]), 1024):
        for number in order(np.arange(first, min(first + 1024, int(before[-1])))).tolist():
            place = int(np.searchsorted(before, number, side="right")) - 1
            shard, own = shards[place], number - int(before[place])
            begin = int(shard.ends[own - 1]) if own else 0
            yield shard.ids[begin : int(shard.ends[own])].astype(np.int64)
