"""Held-out rows, masked, and what an encoder guesses in them: for validation in training, and for evaluation.

Which rows are taken and what of them is hidden is a function of (seed, source, length, row): the same for every
checkpoint and on any number of ranks.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from corpus.rows.keys import derive_key
from corpus.rows.permutation import Permutation
from corpus.rows.store import RowReader
from model.batch import FlatBatch, flatten
from model.masking import MaskedRow, mask_row
from model.modernbert import ModernBert

TOKENS_PER_FORWARD = 8192
"""Rows are computed together up to about this many tokens; bounds the memory that is taken."""


class HeldOutRow(NamedTuple):
    """A held-out row as the encoder sees it."""

    source: str
    masked: MaskedRow
    lengths: NDArray[np.int64]
    """int64[p], tokens of each piece."""


class Guesses(NamedTuple):
    """What an encoder made of the M masked tokens of some rows, in their order."""

    rows: Sequence[HeldOutRow]
    batch: FlatBatch
    """The rows as they were computed, on the CPU."""
    loss: NDArray[np.float64]
    """float64[M], nats."""
    correct: NDArray[np.bool_]
    """bool[M], whether the likeliest token is what stood there."""

    @property
    def row(self) -> NDArray[np.int64]:
        """Return of which of the rows each masked token is, int64[M]."""
        return np.repeat(np.arange(len(self.rows)), [len(row.masked.labels) for row in self.rows])


def held_out_rows(
    readers: Mapping[str, RowReader], limit: int, length: int, seed: int, rate: float, vocabulary: int
) -> Iterator[HeldOutRow]:
    """Yield random rows of the sources in turn, sources in the order of their names, masked.

    Rows lie on disk in the order of their documents, of which the first may all be about one thing.

    Args:
        readers: source -> its held-out rows.
        limit: at most so many rows in all.
        length: slots of the rows; with seed and source it chooses rows and masks.
        seed: of the recipe.
        rate: share of ordinary tokens to mask.
        vocabulary: entries of the tokenizer.
    """
    for source, number in _in_turn(readers, limit, length, seed):
        tokens, lengths = readers[source].row(number)
        key = derive_key(seed, "evaluation", source, length)
        yield HeldOutRow(source, mask_row(tokens, number, key, rate, vocabulary), lengths.astype(np.int64))


def held_out_pieces(
    readers: Mapping[str, RowReader], limit: int, length: int, seed: int
) -> Iterator[tuple[str, NDArray[np.int64]]]:
    """Yield (source, tokens) of random pieces, one of each row, from at most `limit` rows of the sources in turn.

    Arguments as those of `held_out_rows`. Of a row's pieces a random one is taken: the first are its longest.
    """
    for source, number in _in_turn(readers, limit, length, seed):
        tokens, lengths = readers[source].row(number)
        ends = np.cumsum(lengths, dtype=np.int64)
        chosen = int.from_bytes(derive_key(seed, "piece", source, length, number)[:8], "little") % len(ends)
        yield source, tokens[ends[chosen] - lengths[chosen] : ends[chosen]].astype(np.int64)


def _in_turn(readers: Mapping[str, RowReader], limit: int, length: int, seed: int) -> Iterator[tuple[str, int]]:
    """Yield (source, row), at most `limit` of them, sources in the order of their names, their rows at random."""
    orders = {source: row_order(readers[source].rows, limit, seed, source, length) for source in sorted(readers)}
    turns = itertools.zip_longest(*([(source, row) for row in order] for source, order in orders.items()))
    yield from itertools.islice((place for turn in turns for place in turn if place), limit)


def row_order(rows: int, limit: int, seed: int, source: str, length: int) -> list[int]:
    """Return which of a source's `rows` held-out rows are taken first, at most `limit` of them."""
    order = Permutation(rows, derive_key(seed, "evaluation order", source, length))
    chosen: list[int] = order(np.arange(min(rows, limit))).tolist()
    return chosen


@torch.inference_mode()
def guess(encoder: ModernBert, rows: Sequence[HeldOutRow], device: torch.device) -> Iterator[Guesses]:
    """Yield what an encoder, already on `device`, makes of rows; some at a time, in their order."""
    for own in _batches(rows):
        flat = flatten([row.masked for row in own], [row.lengths for row in own], encoder.lay_out)
        here = flat.to(device)
        one = torch.ones((), device=device)
        losses = encoder.losses(here.tokens, here.layout, here.positions, here.labels, one)
        yield Guesses(own, flat, losses.each.double().cpu().numpy(), losses.correct.cpu().numpy())


def _batches(rows: Sequence[HeldOutRow]) -> Iterator[list[HeldOutRow]]:
    batch: list[HeldOutRow] = []
    tokens = 0
    for row in rows:
        batch.append(row)
        tokens += len(row.masked.inputs)
        if tokens >= TOKENS_PER_FORWARD:
            yield batch
            batch, tokens = [], 0
    if batch:
        yield batch
