"""Curves as means over equally many slots, in a phase of small batches as in one of large."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from workflow.report.smoothing import by_slots, limits


def test_a_curve_is_the_mean_over_equally_many_slots() -> None:
    slots = np.array([1.0, 2, 3, 4, 8, 12, 16])
    loss = np.array([9.0, 7, 5, 3, np.nan, 2, 1])
    where, means = by_slots(slots, loss, width=4)
    assert where.tolist() == [2.5, 12, 16]
    assert means.tolist() == [6, 2, 1]


def test_points_lie_as_far_apart_in_a_phase_of_small_batches_as_in_one_of_large() -> None:
    small, large = np.arange(1.0, 1001), np.arange(1040.0, 2001, 40)
    apart = [np.diff(by_slots(slots, slots, width=200)[0]).mean() for slots in (small, large)]
    assert apart == pytest.approx([200, 200])


def test_a_stretch_fits_a_phase_a_whole_number_of_times_so_that_no_point_is_of_one_step_alone() -> None:
    slots = 5000 + np.arange(1.0, 106)
    where, _ = by_slots(slots, slots, width=10)
    assert len(where) == 10
    assert np.ptp(np.diff(where)) < 2


@given(arrays(np.float64, st.integers(1, 300), elements=st.floats(-1e3, 1e3)), st.floats(0.5, 50))
def test_smoothing_keeps_order_and_bounds(y: np.ndarray, width: float) -> None:
    x = np.arange(1.0, len(y) + 1)
    where, means = by_slots(x, y, width)
    assert 1 <= len(where) == len(means) <= max(1, round(len(y) / width))
    assert (np.diff(where) > 0).all()
    assert means.min() >= y.min() - 1e-9
    assert means.max() <= y.max() + 1e-9


def test_nothing_known_is_no_curve_and_limits_without_curves_hold_something() -> None:
    assert len(by_slots(np.array([1.0, 2]), np.array([np.nan, np.nan]), 1)[0]) == 0
    assert len(by_slots(np.array([]), np.array([]), 1)[0]) == 0
    low, high = limits([])
    assert low < high
