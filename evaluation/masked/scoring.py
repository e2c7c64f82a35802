"""What an encoder makes of held-out rows: loss and accuracy beside guessing by frequency.

Losses are in nats per masked token, every masked token counting the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from corpus.tokens.special import FIRST_ORDINARY
from model.held_out import HeldOutRow, guess
from model.modernbert import ModernBert

FIRST_RANGE = 32
"""Tokens of the first range of positions."""


class RowScores(NamedTuple):
    """What an encoder made of r rows, by where in its piece a masked token stood: b ranges of `position_range`."""

    tokens: NDArray[np.int64]
    """int64[r], in the row."""
    masked: NDArray[np.int64]
    """int64[r, b]."""
    loss: NDArray[np.float64]
    """float64[r, b], sum over the masked tokens, nats."""
    correct: NDArray[np.int64]
    """int64[r, b]."""
    unigram_loss: NDArray[np.float64]
    """float64[r, b], sum over the masked tokens, nats."""


@dataclass(frozen=True)
class Measures:
    """What is measured on some rows, or on a part of their tokens."""

    rows: int
    masked: int
    loss: float
    """Nats per masked token."""
    loss_stderr: float | None
    """Standard error of `loss` over rows; none for a single row."""
    accuracy: float
    unigram_loss: float


@dataclass(frozen=True)
class SourceMeasures(Measures):
    """Of the rows of one source."""

    source: str


@dataclass(frozen=True)
class PositionMeasures(Measures):
    """Of the masked tokens that stand at [begin, end) in their piece, [CLS] at 0."""

    begin: int
    end: int


@dataclass(frozen=True)
class Score(Measures):
    """Of a language at one length."""

    language: str
    length: int
    tokens: int
    sources: list[SourceMeasures]
    """Those with a masked token, in the order of their names."""
    positions: list[PositionMeasures]
    """Those with a masked token, the first ones first."""


def unigram_losses(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return -log p of each ordinary token, float64[vocabulary - FIRST_ORDINARY], by add-one-smoothed frequency.

    Args:
        counts: int64[vocabulary], how often each id occurs; those of special ids do not count.
    """
    smoothed = counts[FIRST_ORDINARY:].astype(np.float64) + 1
    losses: NDArray[np.float64] = np.log(smoothed.sum()) - np.log(smoothed)
    return losses


def score_rows(
    encoder: ModernBert, rows: Sequence[HeldOutRow], unigram: NDArray[np.float64], device: torch.device
) -> RowScores:
    """Measure an encoder, already on `device`, on masked rows; `unigram` as `unigram_losses` returns it."""
    parts = []
    ranges = _range_of(max(int(row.lengths.max()) for row in rows) - 1) + 1
    for guesses in guess(encoder, rows, device):
        flat, count = guesses.batch, len(guesses.rows)
        sizes = np.array([len(row.masked.inputs) for row in guesses.rows])
        baseline = unigram[flat.labels.numpy() - FIRST_ORDINARY]
        starts, positions = flat.cu_seqlens.numpy(), flat.positions.numpy()
        offsets = positions - starts[np.searchsorted(starts, positions, side="right") - 1]
        cell = guesses.row * ranges + _range_of(offsets)
        weights = (np.ones(len(cell)), guesses.loss, guesses.correct, baseline)
        parts.append((sizes, *(np.bincount(cell, one, count * ranges).reshape(count, ranges) for one in weights)))
    tokens, masked, loss, correct, unigrams = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return RowScores(tokens, masked.astype(np.int64), loss, correct.astype(np.int64), unigrams)


def _range_of(offsets: Any) -> Any:
    """Return the number of the range in which each offset in a piece lies, int64[n]: 0, then one for each doubling."""
    return np.ceil(np.log2(offsets // FIRST_RANGE + 1)).astype(np.int64)


def position_range(number: int) -> tuple[int, int]:
    """Return [begin, end) of a range of positions: `FIRST_RANGE` tokens, and from there on to the double of each."""
    return FIRST_RANGE << number - 1 if number else 0, FIRST_RANGE << number


def ratio_stderr(sums: NDArray[np.float64], counts: NDArray[np.int64]) -> float | None:
    """Return the standard error of sum(sums) / sum(counts) over rows drawn at random; None for a single row.

    The ratio estimator's, for both vary from row to row (Cochran 1977, Sampling Techniques, section 2.11).
    """
    if len(sums) < 2:
        return None
    residuals = sums - sums.sum() / counts.sum() * counts
    return float(np.sqrt(len(sums) / (len(sums) - 1) * (residuals**2).sum()) / counts.sum())


def summary(language: str, length: int, rows: Sequence[HeldOutRow], scores: RowScores) -> Score:
    """Return the score of a language at one length, whole and by source and position; a token must be masked."""
    own = np.array([row.source for row in rows])
    every = np.ones_like(scores.masked, dtype=bool)
    sources = {source: every & (own == source)[:, None] for source in sorted(set(own.tolist()))}
    numbers = range(every.shape[1])
    ranges = {position_range(number): every & (np.array(numbers) == number) for number in numbers}
    return Score(
        language=language,
        length=length,
        tokens=int(scores.tokens.sum()),
        sources=[
            SourceMeasures(source=source, **_measures(scores, chosen))
            for source, chosen in sources.items()
            if scores.masked[chosen].any()
        ],
        positions=[
            PositionMeasures(**_measures(scores, chosen), begin=begin, end=end)
            for (begin, end), chosen in ranges.items()
            if scores.masked[chosen].any()
        ],
        **(_measures(scores, every) | {"rows": len(rows)}),
    )


def _measures(scores: RowScores, chosen: NDArray[np.bool_]) -> dict[str, Any]:
    """Return the fields of `Measures` for the cells bool[r, b] that are chosen, over rows with a masked token there."""
    masked, loss = (np.where(chosen, one, 0).sum(axis=1) for one in (scores.masked, scores.loss))
    count = int(masked.sum())
    return {
        "rows": int((masked > 0).sum()),
        "masked": count,
        "loss": float(loss.sum() / count),
        "loss_stderr": ratio_stderr(loss[masked > 0], masked[masked > 0]),
        "accuracy": float(scores.correct[chosen].sum() / count),
        "unigram_loss": float(scores.unigram_loss[chosen].sum() / count),
    }
