"""Held-out rows, masked, and what an encoder makes of them: loss and accuracy beside guessing by frequency.

Losses are in nats per masked token, every masked token counting the same.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from corpus.rows.permutation import Permutation, derive_key
from corpus.rows.store import RowReader
from corpus.tokens.special import FIRST_ORDINARY
from model.batch import flatten
from model.masking import MaskedRow, mask_row
from model.modernbert import ModernBert

TOKENS_PER_FORWARD = 8192
"""Rows are computed together up to about this many tokens; bounds the memory that logits take."""


class HeldOutRow(NamedTuple):
    """A validation row as the encoder sees it."""

    masked: MaskedRow
    lengths: NDArray[np.int64]
    """int64[p], tokens of each piece."""


class RowScores(NamedTuple):
    """What an encoder made of rows, one entry a row."""

    tokens: NDArray[np.int64]
    masked: NDArray[np.int64]
    loss: NDArray[np.float64]
    """Sum over the row's masked tokens, nats."""
    correct: NDArray[np.int64]
    unigram_loss: NDArray[np.float64]
    """Sum over the row's masked tokens, nats."""


@dataclass(frozen=True)
class Score:
    """One line of mlm.json."""

    language: str
    length: int
    rows: int
    tokens: int
    masked: int
    loss: float
    """Nats per masked token."""
    loss_stderr: float | None
    """Standard error of `loss` over rows; none for a single row."""
    accuracy: float
    unigram_loss: float


def held_out_rows(
    readers: Mapping[str, RowReader], limit: int, length: int, seed: int, rate: float, vocabulary: int
) -> list[HeldOutRow]:
    """Take random rows from the sources in turn, sources in the order of their names, and mask them.

    Rows lie on disk in the order of their documents, of which the first may all be about one thing.

    Args:
        readers: source -> its validation rows.
        limit: at most so many rows in all.
        length: slots of the rows; with seed and source it chooses rows and masks.
        seed: of the recipe.
        rate: share of ordinary tokens to mask.
        vocabulary: entries of the tokenizer.
    """
    orders = {source: row_order(readers[source].rows, limit, seed, source, length) for source in sorted(readers)}
    turns = itertools.zip_longest(*([(source, row) for row in order] for source, order in orders.items()))
    taken = itertools.islice((place for turn in turns for place in turn if place), limit)
    rows = []
    for source, number in taken:
        tokens, lengths = readers[source].row(number)
        key = derive_key(seed, "evaluation", source, length)
        rows.append(HeldOutRow(mask_row(tokens, number, key, rate, vocabulary), lengths.astype(np.int64)))
    return rows


def row_order(rows: int, limit: int, seed: int, source: str, length: int) -> list[int]:
    """Return which of a source's `rows` held-out rows are taken first, at most `limit` of them."""
    order = Permutation(rows, derive_key(seed, "evaluation order", source, length))
    chosen: list[int] = order(np.arange(min(rows, limit))).tolist()
    return chosen


def unigram_losses(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return -log p of each ordinary token, float64[vocabulary - FIRST_ORDINARY], by add-one-smoothed frequency.

    Args:
        counts: int64[vocabulary], how often each id occurs; those of special ids do not count.
    """
    smoothed = counts[FIRST_ORDINARY:].astype(np.float64) + 1
    losses: NDArray[np.float64] = np.log(smoothed.sum()) - np.log(smoothed)
    return losses


@torch.inference_mode()
def score_rows(
    encoder: ModernBert, rows: Sequence[HeldOutRow], unigram: NDArray[np.float64], device: torch.device
) -> RowScores:
    """Measure an encoder, already on `device`, on masked rows; `unigram` as `unigram_losses` returns it."""
    parts = []
    for batch in _batches(rows):
        sizes = np.array([len(row.masked.inputs) for row in batch])
        counts = np.array([len(row.masked.labels) for row in batch])
        flat = flatten([row.masked for row in batch], [row.lengths for row in batch])
        baseline = unigram[flat.labels.numpy() - FIRST_ORDINARY]
        here = flat.to(device)
        logits = encoder(here.tokens, here.cu_seqlens, here.positions)
        loss = F.cross_entropy(logits.float(), here.labels, reduction="none").double().cpu().numpy()
        correct = (logits.argmax(-1) == here.labels).cpu().numpy()
        row_of = np.repeat(np.arange(len(batch)), counts)
        parts.append((sizes, counts, *(np.bincount(row_of, x, len(batch)) for x in (loss, correct, baseline))))
    tokens_, masked, loss, correct, baseline = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return RowScores(tokens_, masked, loss, correct.astype(np.int64), baseline)


def ratio_stderr(sums: NDArray[np.float64], counts: NDArray[np.int64]) -> float | None:
    """Return the standard error of sum(sums) / sum(counts) over rows drawn at random; None for a single row.

    The ratio estimator's, for both vary from row to row (Cochran 1977, Sampling Techniques, section 2.11).
    """
    if len(sums) < 2:
        return None
    residuals = sums - sums.sum() / counts.sum() * counts
    return float(np.sqrt(len(sums) / (len(sums) - 1) * (residuals**2).sum()) / counts.sum())


def summary(language: str, length: int, scores: RowScores) -> Score:
    """Return the score of a language at one length; at least one token must be masked."""
    masked = int(scores.masked.sum())
    return Score(
        language=language,
        length=length,
        rows=len(scores.masked),
        tokens=int(scores.tokens.sum()),
        masked=masked,
        loss=float(scores.loss.sum() / masked),
        loss_stderr=ratio_stderr(scores.loss, scores.masked),
        accuracy=float(scores.correct.sum() / masked),
        unigram_loss=float(scores.unigram_loss.sum() / masked),
    )


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
