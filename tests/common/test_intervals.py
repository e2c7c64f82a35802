"""Intervals: as wide as theory says, the same each time; a system is best only where the difference is sure."""

import numpy as np
import pytest

from common.intervals import bootstrap_interval, surely_best


def test_the_interval_of_many_normal_values_is_that_of_theory() -> None:
    values = np.random.default_rng(1).normal(5, 2, 1000)
    low, high = bootstrap_interval(values, seed=2)
    error = values.std() / np.sqrt(1000)
    assert (low, high) == pytest.approx((values.mean() - 1.96 * error, values.mean() + 1.96 * error), abs=0.3 * error)
    assert bootstrap_interval(values, seed=2) == (low, high)


def test_equal_values_leave_nothing_open() -> None:
    assert bootstrap_interval(np.full(7, 0.25), seed=0) == (0.25, 0.25)


def test_memory_is_bounded_by_drawing_in_lots(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.arange(50.0)
    at_once = bootstrap_interval(values, seed=3)
    monkeypatch.setattr("common.intervals.DRAWN_TOGETHER", 500)
    assert bootstrap_interval(values, seed=3) == at_once


def test_a_system_is_surely_best_query_by_query_though_the_intervals_overlap() -> None:
    chance = np.random.default_rng(1)
    hard = chance.uniform(0, 0.9, 200)
    scores = {"a": hard + 0.05 + chance.normal(0, 0.05, 200), "b": hard}
    named = {system: {f"q{n}": value for n, value in enumerate(own)} for system, own in scores.items()}
    assert surely_best(named, seed=1) == "a"
    assert bootstrap_interval(scores["a"], 1)[0] < bootstrap_interval(scores["b"], 1)[1]


def test_no_system_is_best_of_equals_or_alone() -> None:
    own = {"q1": 0.5, "q2": 0.7}
    assert surely_best({"a": own, "b": dict(own)}, seed=1) is None
    assert surely_best({"a": own}, seed=1) is None
