"""What becomes of documents: kept, in which split, or dropped for a counted reason.

The order is fixed: the fraction, by a hash of the text as it was read; the steps of cleaning; then the split, by a hash
of the text as it is kept. All of it is done for a batch of documents at a time, which takes a fraction of the time that
it would take one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import compress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from corpus.sampling.account import Account
from corpus.sampling.documents import SPLITS
from corpus.sampling.filters import NO_SPLIT, in_fraction, splits_of
from corpus.sampling.steps import steps_of
from corpus.sampling.words import count_words
from corpus.sampling.writing import Kept
from corpus.sources.readers import Batch, Wanted
from corpus.sources.zstd import json_line

if TYPE_CHECKING:
    from recipe.slices.types import SourceSlice

Item = TypeVar("Item")

OUTSIDE_FRACTION = "not in the fraction"
HELD_OUT_ELSEWHERE = "may be held out in another source"
SPLITTING = "split"
"""The step that leaves those out, where another source holds out more than this one."""


def wanted_by(source: SourceSlice) -> Wanted:
    """Return the fields of a record that a source needs."""
    named = sorted({*source.filters.min_scores, *source.filters.allowed_values})
    return Wanted(tuple(source.text_field), source.id_field, tuple(named))


class Cleaner:
    """The steps of one source, which its batches take one after another."""

    def __init__(self, source: SourceSlice) -> None:  # noqa: D107
        self._source = source
        self._steps = steps_of(source)

    def take(self, batch: Batch, start: int, account: Account) -> Iterator[tuple[str, Kept]]:
        """Count the records of a batch of a span that begins at byte `start`; yield each split with what it keeps."""
        source = self._source
        for reject in batch.rejects:
            account.reject(reject)
        account.read += len(batch.texts)
        inside = in_fraction(batch.texts, source.fraction, source.seed)
        if not inside.all():
            account.dropped[OUTSIDE_FRACTION] += int(np.count_nonzero(~inside))
            batch = batch.where(inside.tolist())
        batch, words = self._clean(batch, account)
        splits = splits_of(batch.texts, source.held_out, source.seed, source.held_out_anywhere)
        if elsewhere := int(np.count_nonzero(splits == NO_SPLIT)):
            account.dropped[HELD_OUT_ELSEWHERE] += elsewhere
            own = splits != NO_SPLIT
            batch, words, splits = batch.where(own.tolist()), words[own], splits[own]
        if source.held_out_anywhere > source.held_out:
            account.left_by(SPLITTING, _sizes(batch), words)
        identifiers = _identifiers(batch, start, source.id_field)
        fields = [json_line(kept)[:-1] if kept else None for kept in batch.fields]
        for number in np.unique(splits).tolist():
            own = splits == number
            kept = Kept(_chosen(identifiers, own), _chosen(batch.texts, own), _chosen(fields, own), words[own])
            account.keep(SPLITS[number], kept.words, sum(map(len, kept.texts)))
            yield SPLITS[number], kept

    def _clean(self, batch: Batch, account: Account) -> tuple[Batch, NDArray[np.uint32]]:
        """Take a batch through all steps; return what is left, and the words of each text."""
        words = count_words(batch.texts)
        account.before(_sizes(batch), words)
        for name, step in self._steps.items():
            left = step(batch, account)
            if left is not batch:
                batch, words = left, count_words(left.texts)
            account.left_by(name, _sizes(batch), words)
        return batch, words


def _sizes(batch: Batch) -> NDArray[np.int64]:
    return np.fromiter(map(len, batch.texts), np.int64, len(batch.texts))


def _chosen(items: Iterable[Item], chosen: NDArray[np.bool_]) -> list[Item]:
    return list(compress(items, chosen.tolist()))


def _identifiers(batch: Batch, start: int, name: str) -> list[str]:
    """Take the field `name` out of the fields of each document and return it as a string.

    Where there is none it is `{file}:{line}`, or `{file}:{start}+{line in the span}` in a span that does not begin the
    file.
    """
    found = [fields.pop(name, None) for fields in batch.fields]
    before = f"{Path(batch.file).name}:{f'{start}+' if start else ''}"
    return [
        f"{before}{line}" if identifier is None else str(identifier)
        for identifier, line in zip(found, batch.lines, strict=True)
    ]
