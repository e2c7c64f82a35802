"""Curves of loss over compute: known ones are found again, others as scipy finds them."""

import numpy as np
import pytest
from scipy.optimize import curve_fit

from evaluation.comparison.ladder import fit

COMPUTE = np.array([1e15, 1e16, 1e17, 1e18])


def power(compute: np.ndarray, a: float, b: float, c: float) -> np.ndarray:
    return a + b * (compute / 1e16) ** -c


@pytest.mark.parametrize("points", [3, 4])
def test_a_power_law_is_found_again(points: int) -> None:
    curves = fit(COMPUTE[:points], power(COMPUTE, 1.5, 2.0, 0.15)[None, :points])
    assert curves.form == "power"
    assert curves.c[0] == pytest.approx(0.15, rel=1e-4)
    assert curves.a[0] == pytest.approx(1.5, rel=1e-3)
    assert curves.at(1e20)[0] == pytest.approx(power(np.array(1e20), 1.5, 2.0, 0.15), rel=1e-4)


def test_a_noisy_curve_is_the_one_of_least_squares() -> None:
    compute = np.geomspace(1e14, 1e19, 8)
    losses = power(compute, 1.2, 1.5, 0.2) + np.random.default_rng(0).normal(0, 0.02, size=8)
    curves = fit(compute, losses[None])
    theirs, _ = curve_fit(power, compute, losses, p0=(1.0, 1.0, 0.1))
    assert curves.c[0] == pytest.approx(theirs[2], rel=1e-3)
    assert curves.at(1e20)[0] == pytest.approx(power(np.array(1e20), *theirs), rel=1e-4)


def test_two_points_give_a_line_in_the_logarithm() -> None:
    curves = fit(COMPUTE[:2], np.array([[5.0, 4.0], [6.0, 6.0]]))
    assert curves.form == "line"
    assert curves.at(1e17) == pytest.approx([3.0, 6.0])


def test_no_curve_has_a_negative_floor_or_rises() -> None:
    falling, rising = [9.0, 4.0, 1.0], [3.0, 4.0, 5.0]
    curves = fit(COMPUTE[:3], np.array([falling, rising]))
    assert (curves.a >= 0).all()
    assert (curves.b >= 0).all()
    assert curves.at(1e18)[1] == pytest.approx(4.0), "of losses that rise, the mean"


def test_each_sample_is_fitted_by_itself() -> None:
    losses = np.stack([power(COMPUTE, 1.0, 2.0, c) for c in (0.1, 0.3)])
    together, alone = fit(COMPUTE, losses), fit(COMPUTE, losses[1:])
    assert together.at(1e20)[1] == alone.at(1e20)[0]
