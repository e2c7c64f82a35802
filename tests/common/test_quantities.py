"""Numbers and times as people read them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.quantities import amount, clock, duration


@given(st.floats(0, 9.99e14))
def test_amounts_keep_three_digits_and_never_show_an_exponent(number: float) -> None:
    text = amount(number)
    factor = {"k": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}.get(text[-1], 1.0)
    assert float(text.rstrip("kMBT")) * factor == pytest.approx(number, rel=0.0051)
    if number >= 1e-3:
        assert "e" not in text


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (59.9, "59 s"),
        (725, "12 min"),
        (3600, "1 h"),
        (11_400, "3 h 10"),
        (172_800, "2 d"),
        (187_200, "2 d 4 h"),
        (1e6, "11 d"),
    ],
)
def test_durations_name_their_largest_units(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0, "0:00:00"), (59.6, "0:01:00"), (3_725, "1:02:05"), (187_205, "2 d 4:00:05")]
)
def test_a_clock_counts_seconds_and_puts_days_before_hours(seconds: float, shown: str) -> None:
    assert clock(seconds) == shown
