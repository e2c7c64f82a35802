"""How much one system differs from another on the same rows or queries, and how sure that is.

Rows are drawn with replacement, the same ones for both systems, so that what makes a row hard for both falls out of the
difference (Efron and Tibshirani 1993, An Introduction to the Bootstrap, 8.3 and 13.3). Where a system was trained with
several seeds, each sample draws seeds as well, for either system by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from common.intervals import CONFIDENCE, DRAWN_TOGETHER, RESAMPLES

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A number and the ends of its percentile interval of `CONFIDENCE`."""

    value: float
    low: float
    high: float

    @property
    def sure(self) -> bool:
        """Whether the interval leaves zero out."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class Sampled:
    """Means of k systems over rows, as they are and in samples of the rows."""

    values: Floats
    """float64[k]."""
    samples: Floats
    """float64[RESAMPLES, k]; a sample's rows are the same for all systems."""

    def of(self, systems: Sequence[int]) -> Sampled:
        """Return some of the systems, by their numbers."""
        return Sampled(self.values[list(systems)], self.samples[:, list(systems)])


def sampled(sums: Floats, weights: Floats, seed: int | Sequence[int]) -> Sampled:
    """Return means over rows of which each counts by its weight, and the same of rows drawn at random.

    Args:
        sums: float64[k, n], what each of k systems has in each of n rows, added up over what is in the row.
        weights: float64[n], how much that is: masked tokens of a row, 1 for a query.
        seed: of the bootstrap; another one draws other rows.
    """
    number = len(weights)
    chance = np.random.default_rng(seed)
    together = max(1, DRAWN_TOGETHER // number)
    columns = np.vstack([sums, weights]).T
    found = []
    for first in range(0, RESAMPLES, together):
        samples = min(together, RESAMPLES - first)
        rows = chance.integers(0, number, (samples, number)) + number * np.arange(samples)[:, None]
        times = np.bincount(rows.ravel(), minlength=samples * number).reshape(samples, number)
        drawn = times.astype(np.float64) @ columns
        found.append(drawn[:, :-1] / drawn[:, -1:])
    return Sampled(sums.sum(axis=1) / weights.sum(), np.concatenate(found))


def mean_of(parts: Sequence[Sampled]) -> Sampled:
    """Return the mean over parts, such as languages, each counting the same; each part's rows are drawn by itself."""
    return Sampled(np.mean([part.values for part in parts], axis=0), np.mean([part.samples for part in parts], axis=0))


def over_seeds(own: Sampled, seed: int) -> tuple[float, Floats]:
    """Return the mean over the systems, which are seeds of one, and float64[RESAMPLES] with seeds drawn as well.

    The variance of the mean of S drawn from S is (S - 1) / S times that of S new ones: deviations are widened by the
    root of S / (S - 1).
    """
    count = len(own.values)
    if count == 1:
        return float(own.values[0]), own.samples[:, 0]
    mean = own.samples.mean(axis=1, keepdims=True)
    widened = mean + (own.samples - mean) * np.sqrt(count / (count - 1))
    chosen = np.random.default_rng(seed).integers(0, count, widened.shape)
    return float(own.values.mean()), np.take_along_axis(widened, chosen, axis=1).mean(axis=1)


def difference(system: Sampled, reference: Sampled, seed: int) -> Estimate:
    """Return the mean over a system's seeds less that over the reference's; both were sampled on the same rows."""
    value, samples = over_seeds(system, _own_seed(seed, 0))
    other, others = over_seeds(reference, _own_seed(seed, 1))
    return estimate(value - other, samples - others)


def level(system: Sampled, seed: int) -> Estimate:
    """Return the mean over a system's seeds."""
    return estimate(*over_seeds(system, _own_seed(seed, 0)))


def estimate(value: float, samples: Floats) -> Estimate:
    """Return a value with the ends of the interval that its samples give."""
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(samples, [tail, 1 - tail])
    return Estimate(float(value), float(low), float(high))


def _own_seed(seed: int, place: int) -> int:
    """Return a seed of its own for each system: the first seed of one has nothing to do with the first of another."""
    return int(np.random.SeedSequence([seed, place]).generate_state(1)[0])
