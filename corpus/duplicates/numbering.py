"""All documents of all sources under one numbering, source after source in the order in which their copies stay.

So a document with a smaller number is of the same source or of one that comes before. What is decided of a source looks
at smaller numbers and at those of the source itself alone: a source that is added at the end changes nothing before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.files import read_json
from corpus.duplicates.fingerprints import FOUND, KEYS, Fingerprints, open_fingerprints
from corpus.duplicates.words import Index
from corpus.sampling.documents import SPLITS, read_manifest


@dataclass(frozen=True)
class NumberedPart:
    """A part of a source, and where its documents stand among all."""

    source: str
    rank: int
    """Of the source, from 0."""
    split: str
    entry: dict[str, Any]
    """Of the part in the manifest of its source."""
    directory: Path
    """Where its fingerprints lie."""
    names: dict[str, str]
    first: int
    """Number of its first document."""

    @property
    def end(self) -> int:
        """One more than the number of its last document."""
        return self.first + int(self.entry["documents"])

    def open(self) -> Fingerprints:
        """Open its fingerprints."""
        found = self.directory / self.names[FOUND] if FOUND in self.names else None
        return open_fingerprints(self.directory / self.names[KEYS], found)


@dataclass(frozen=True)
class Numbering:
    """The parts of all sources, in order."""

    parts: list[NumberedPart]

    @staticmethod
    def of(order: Sequence[str], documents: dict[str, Path], fingerprints: dict[str, Path]) -> Numbering:
        """Number the documents of sources, given the manifests of each."""
        parts: list[NumberedPart] = []
        first = 0
        for rank, source in enumerate(order):
            splits = read_manifest(documents[source])["splits"]
            made = read_json(fingerprints[source])["parts"]
            directory = fingerprints[source].parent
            for split in SPLITS:
                for entry in splits[split]["files"]:
                    parts.append(NumberedPart(source, rank, split, entry, directory, made[entry["name"]], first))
                    first += entry["documents"]
        return Numbering(parts)

    @property
    def count(self) -> int:
        """Of all documents."""
        return self.parts[-1].end if self.parts else 0

    @cached_property
    def firsts(self) -> Index:
        """int64[p], the number of the first document of each part."""
        return np.array([part.first for part in self.parts], np.int64)

    @cached_property
    def rank_ends(self) -> Index:
        """int64[r], one more than the last number of each source."""
        ends = dict.fromkeys(range(1 + max((part.rank for part in self.parts), default=-1)), 0)
        for part in self.parts:
            ends[part.rank] = part.end
        return np.maximum.accumulate(np.array(list(ends.values()), np.int64)) if ends else np.zeros(0, np.int64)

    def ranks(self, numbers: Index) -> Index:
        """Return int64[n], the ranks of the sources of documents."""
        return np.searchsorted(self.rank_ends, numbers, "right").astype(np.int64)

    def held_out(self, numbers: Index) -> NDArray[np.bool_]:
        """Return bool[n], whether documents are of a split that is not trained on."""
        held_out = np.array([part.split != "train" for part in self.parts], np.bool_)
        return held_out[np.searchsorted(self.firsts, numbers, "right") - 1]

    def precedence(self, numbers: Index) -> Index:
        """Return int64[n], the places of documents when sorted by which copy stays.

        That of the source that comes first stays; within a source, a hash of the text decides, then one of its name.
        """
        order, identity = (self._gather(name, numbers) for name in ("order", "identity"))
        return np.lexsort((numbers, identity, order, self.ranks(numbers)))

    def _gather(self, name: str, numbers: Index) -> NDArray[Any]:
        """Return what a column of the fingerprints says of documents."""
        values = np.zeros(len(numbers), np.uint64)
        sorting = np.argsort(numbers, kind="stable")
        bounds = np.searchsorted(numbers[sorting], [*self.firsts, self.count])
        for part, begin, end in zip(self.parts, bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
            if end > begin:
                places = sorting[begin:end]
                values[places] = part.open().keys[name][numbers[places] - part.first]
        return values
