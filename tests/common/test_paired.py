"""Differences on the same rows: what is drawn, what falls out, and what several seeds add."""

import numpy as np
import pytest

from common.intervals import CONFIDENCE, RESAMPLES
from common.paired import Estimate, Sampled, difference, estimate, level, mean_of, over_seeds, sampled
from common.summed_scores import sampled_scores, scored


def two(rows: int = 400, gap: float = 0.1, noise: float = 0.05) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what makes rows hard, and two systems' sums over rows of different weights, the second better by a gap."""
    chance = np.random.default_rng(0)
    weights = chance.integers(10, 40, size=rows).astype(float)
    hard = chance.normal(5, 1, size=rows)
    sums = np.stack([weights * (hard - less + chance.normal(0, noise, size=rows)) for less in (0, gap)])
    return hard, sums, weights


def test_a_mean_counts_each_row_by_its_weight() -> None:
    found = sampled(np.array([[6.0, 1.0], [2.0, 8.0]]), np.array([3.0, 1.0]), seed=1)
    assert found.values.tolist() == [7 / 4, 10 / 4]
    assert found.samples.shape == (RESAMPLES, 2)
    # Two rows can be drawn in three ways.
    assert {round(value, 6) for value in found.samples[:, 0]} == {2.0, 1.75, 1.0}


def test_what_makes_rows_hard_falls_out_of_the_difference() -> None:
    _, sums, weights = two()
    both = sampled(sums, weights, seed=1)
    found = difference(both.of([1]), both.of([0]), seed=1)
    alone = level(both.of([1]), seed=1)
    assert found.value == pytest.approx((sums[1] - sums[0]).sum() / weights.sum())
    assert found.low < found.value < found.high < 0
    assert (alone.high - alone.low) > 10 * (found.high - found.low)


def test_the_interval_is_the_ratio_estimators() -> None:
    _, sums, weights = two(noise=0.3)
    both = sampled(sums, weights, seed=1)
    found = difference(both.of([1]), both.of([0]), seed=1)
    apart = sums[1] - sums[0]
    residuals = apart - apart.sum() / weights.sum() * weights
    error = np.sqrt((residuals**2).sum()) / weights.sum()
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * error, rel=0.08)


def test_a_system_does_not_differ_from_itself() -> None:
    _, sums, weights = two()
    one = sampled(sums[:1], weights, seed=1)
    assert difference(one, one, seed=1) == Estimate(0.0, 0.0, 0.0)
    assert not difference(one, one, seed=1).sure


def test_seeds_are_drawn_as_widely_as_new_ones_would_lie() -> None:
    values = np.array([1.0, 2.0, 4.0])
    value, samples = over_seeds(Sampled(values, np.tile(values, (RESAMPLES, 1))), seed=3)
    assert value == pytest.approx(7 / 3)
    assert samples.mean() == pytest.approx(7 / 3, abs=0.05)
    assert samples.var() == pytest.approx(values.var(ddof=1) / 3, rel=0.1)


def test_seeds_of_two_systems_are_drawn_by_themselves() -> None:
    values = np.array([1.0, 2.0, 4.0])
    own = Sampled(values, np.tile(values, (RESAMPLES, 1)))
    found = difference(own, own, seed=3)
    assert found.value == 0
    assert (found.low, found.high) == pytest.approx((-2.45, 2.45), abs=0.4)


def test_a_mean_over_languages_counts_each_the_same() -> None:
    parts = [Sampled(np.array([value]), np.full((RESAMPLES, 1), value)) for value in (1.0, 5.0)]
    assert level(mean_of(parts), seed=0) == Estimate(3.0, 3.0, 3.0)


def test_an_interval_holds_its_share_of_the_samples() -> None:
    samples = np.random.default_rng(0).normal(size=RESAMPLES)
    found = estimate(0.0, samples)
    assert ((samples >= found.low) & (samples <= found.high)).mean() == pytest.approx(CONFIDENCE, abs=0.002)


def test_scores_of_sums_are_paired_too() -> None:
    right = np.random.default_rng(0).random(300) < 0.6
    better = right | (np.arange(300) % 10 == 0)
    systems = [scored("accuracy", [[[int(hit), 1] for hit in hits]]) for hits in (right, better)]
    both = sampled_scores(systems, seed=1)
    assert both.values.tolist() == pytest.approx([right.mean(), better.mean()])
    assert difference(both.of([1]), both.of([0]), seed=1).low >= 0
    with pytest.raises(ValueError, match="different examples"):
        sampled_scores([systems[0], scored("accuracy", [[[1, 1]]])], seed=1)
