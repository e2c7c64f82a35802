"""How sure a mean over queries is: bootstrap intervals, and whether one system is really better than another."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
RESAMPLES = 2000
DRAWN_TOGETHER = 1 << 22
"""Numbers drawn at a time, at most: bounds memory."""


def bootstrap_interval(values: NDArray[np.float64], seed: int) -> tuple[float, float]:
    """Return the ends of the percentile interval of `CONFIDENCE` for the mean of float64[n], n at least 1.

    Of `RESAMPLES` samples of n with replacement (Efron and Tibshirani 1993, An Introduction to the Bootstrap, 13.3).
    """
    chance = np.random.default_rng(seed)
    together = max(1, DRAWN_TOGETHER // len(values))
    means = [
        values[chance.integers(0, len(values), (min(together, RESAMPLES - first), len(values)))].mean(axis=1)
        for first in range(0, RESAMPLES, together)
    ]
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(np.concatenate(means), [tail, 1 - tail])
    return float(low), float(high)


def surely_best(scores: Mapping[str, Mapping[str, float]], seed: int) -> str | None:
    """Return the system that is better than every other, sure by `CONFIDENCE` of the difference query by query.

    Args:
        scores: system -> query -> score; all systems of the same queries.
        seed: of the bootstrap.

    Returns:
        None where there is none, or only one system.
    """
    if len(scores) < 2:
        return None
    queries = sorted(next(iter(scores.values())))
    values = {system: np.array([own[query] for query in queries]) for system, own in scores.items()}
    best = max(values, key=lambda system: float(values[system].mean()))
    others = (own for system, own in values.items() if system != best)
    return best if all(bootstrap_interval(values[best] - own, seed)[0] > 0 for own in others) else None
