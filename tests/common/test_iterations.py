"""EuroEval's scores are compared iteration by iteration."""

from __future__ import annotations

from statistics import fmean, stdev
from typing import Any

import pytest

from common.iterations import paired

HARD = [60.0, 71.0, 64.0, 80.0, 55.0, 68.0]


def result(values: list[float], **other: Any) -> dict[str, Any]:
    return {
        "metric": "mcc",
        "examples": 100,
        "iterations": len(values),
        "values": values,
        "value": fmean(values),
    } | other


def test_what_makes_an_iteration_hard_for_both_falls_out() -> None:
    gains = [1.0, 1.2, 0.8, 1.1, 0.9, 1.0]
    found = paired([result([one + gain for one, gain in zip(HARD, gains, strict=True)])], [result(HARD)])
    reach = 2.570582 * stdev(gains) / 6**0.5  # Student's quantile of five degrees, from a table
    assert found.value == pytest.approx(1.0)
    assert (found.low, found.high) == pytest.approx((1.0 - reach, 1.0 + reach), abs=1e-6)
    assert found.sure


def test_seeds_that_differ_make_it_less_sure() -> None:
    other = [result(HARD)]
    alike = paired([result([one + 1 for one in HARD]), result([one + 1.01 for one in HARD])], other)
    apart = paired([result([one - 2 for one in HARD]), result([one + 4.01 for one in HARD])], other)
    assert alike.value == pytest.approx(apart.value)
    assert alike.sure
    assert not apart.sure


@pytest.mark.parametrize(
    ("one", "why"),
    [
        (result(HARD, metric="f1"), "another metric"),
        (result(HARD[:-1]), "other iterations"),
        (result(HARD, examples=99), "other examples"),
    ],
)
def test_what_was_measured_otherwise_does_not_compare(one: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        paired([one], [result(HARD)])


def test_a_single_iteration_tells_of_no_spread() -> None:
    with pytest.raises(ValueError, match="a single iteration"):
        paired([result([1.0])], [result([2.0])])
