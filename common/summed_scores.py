"""Scores of a whole test that follow from counts added up over its examples, such as F1, and how sure they are.

A score like F1 is no mean over examples, so that the bootstrap draws examples and adds up their counts. Fine-tuning
depends on its seed too: what is told is the mean over seeds, and each sample draws the seeds anew as well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from common.intervals import CONFIDENCE, DRAWN_TOGETHER, RESAMPLES
from common.paired import Sampled

Floats = NDArray[np.float64]


def ratio(sums: Floats) -> Floats:
    """Return float64[...] of float64[..., 2]: how many of how many, 0 of none."""
    return sums[..., 0] / np.maximum(sums[..., 1], 1)


def f1(sums: Floats) -> Floats:
    """Return float64[...] of float64[..., 3]: 2 right / (predicted + wanted) of these three counts, 0 of none."""
    return 2 * sums[..., 0] / np.maximum(sums[..., 1] + sums[..., 2], 1)


def macro_f1(sums: Floats) -> Floats:
    """Return float64[...] of float64[..., 3 C]: the mean of `f1` over the classes that are predicted or wanted at all.

    Three counts of each class follow one another. That is scikit-learn's `f1_score` with `average="macro"`, and of
    several labels an example with `zero_division=nan` too.
    """
    classes = sums.reshape(*sums.shape[:-1], -1, 3)
    there = classes[..., 1:].sum(-1) > 0
    means: Floats = (f1(classes) * there).sum(-1) / np.maximum(there.sum(-1), 1)
    return means


SCORES: dict[str, Callable[[Floats], Floats]] = {
    "accuracy": ratio,
    "exact_match": ratio,
    "token_f1": ratio,
    "span_f1": f1,
    "macro_f1": macro_f1,
    "micro_f1": f1,
    "macro_f1_of_labels": macro_f1,
    "r_precision": ratio,
}
"""Metric -> its score from counts."""


@dataclass(frozen=True)
class Scored:
    """Counts of one system on each example of a test, seed by seed."""

    counts: Floats
    """float64[seeds, examples, columns]."""
    score: Callable[[Floats], Floats]

    def values(self) -> Floats:
        """Return float64[seeds], the score of each seed."""
        return self.score(self.counts.sum(axis=1))


def scored(metric: str, rows: ArrayLike) -> Scored:
    """Return the counts that a result holds.

    Args:
        metric: one of `SCORES`.
        rows: [seeds, examples, columns] as the score takes them; for macro_f1 the numbers of the class that is wanted
            and of the one that is predicted; for macro_f1_of_labels, where an example has several, for each label 1 if
            it is wanted, and 2 more if it is predicted.

    Raises:
        KeyError: there is no such metric.
        ValueError: the rows are no such array.
    """
    counts = np.asarray(rows, np.float64)
    if counts.ndim != 3 or not counts.size:
        raise ValueError("counts are [seeds, examples, columns]")
    if metric == "macro_f1":
        wanted, predicted = (np.eye(int(counts.max()) + 1)[counts[..., column].astype(int)] for column in (0, 1))
        counts = _of_classes(wanted, predicted)
    elif metric == "macro_f1_of_labels":
        counts = _of_classes(counts % 2, counts // 2)
    return Scored(counts, SCORES[metric])


def _of_classes(wanted: Floats, predicted: Floats) -> Floats:
    """Return float64[seeds, examples, 3 C] of float64[seeds, examples, C], 1 where a class is wanted or predicted."""
    return np.stack([wanted * predicted, predicted, wanted], axis=-1).reshape(*wanted.shape[:2], -1)


def summed_interval(system: Scored, seed: int) -> tuple[float, float]:
    """Return the ends of the percentile interval of `CONFIDENCE` for the mean score over seeds."""
    return _ends(_resampled(system, seed, 0))


def surely_best_of_sums(systems: Mapping[str, Scored], seed: int) -> str | None:
    """Return the system that is better than every other, sure by `CONFIDENCE` of the difference.

    A sample draws the same examples for all systems, and seeds for each by itself: the first of one has nothing to do
    with the first of another.

    Returns:
        None where there is none, or only one system.

    Raises:
        ValueError: they were not scored on equally many examples.
    """
    if len(systems) < 2:
        return None
    if len({system.counts.shape[1] for system in systems.values()}) > 1:
        raise ValueError("the systems were scored on different examples")
    best = max(systems, key=lambda name: float(systems[name].values().mean()))
    drawn = {name: _resampled(system, seed, place) for place, (name, system) in enumerate(systems.items())}
    others = (own for name, own in drawn.items() if name != best)
    return best if all(_ends(drawn[best] - own)[0] > 0 for own in others) else None


def sampled_scores(systems: Sequence[Scored], seed: int) -> Sampled:
    """Return the mean scores over seeds of systems, and those of the same examples drawn anew, and seeds for each.

    Raises:
        ValueError: they were not scored on equally many examples.
    """
    if len({system.counts.shape[1] for system in systems}) > 1:
        raise ValueError("the systems were scored on different examples")
    values = np.array([system.values().mean() for system in systems])
    return Sampled(values, np.stack([_resampled(one, seed, place) for place, one in enumerate(systems)], axis=1))


def _resampled(system: Scored, seed: int, place: int) -> Floats:
    """Return float64[RESAMPLES], the mean score over seeds of samples of examples and seeds with replacement."""
    seeds, number, _ = system.counts.shape
    chance = np.random.default_rng(seed)
    together = max(1, DRAWN_TOGETHER // number)
    found = []
    for first in range(0, RESAMPLES, together):
        samples = min(together, RESAMPLES - first)
        drawn = chance.integers(0, number, (samples, number)) + number * np.arange(samples)[:, None]
        times = np.bincount(drawn.ravel(), minlength=samples * number).reshape(samples, number).astype(np.float64)
        found.append(np.stack([system.score(times @ own) for own in system.counts], axis=1))
    chosen = np.random.default_rng([seed, place]).integers(0, seeds, (RESAMPLES, seeds))
    means: Floats = np.take_along_axis(np.concatenate(found), chosen, axis=1).mean(axis=1)
    return means


def _ends(values: Floats) -> tuple[float, float]:
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)
