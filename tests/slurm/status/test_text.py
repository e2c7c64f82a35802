"""Tables and numbers that status shows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.quantities import amount
from slurm.status.phases import PhaseStatus
from slurm.status.text import render, rough_duration


def test_a_table_of_long_names_and_numbers_fits_the_width() -> None:
    status = PhaseStatus(
        run="large-short-edu",
        phase="annealing-edu-large",
        state="continuing",
        notes=["job 12345678 ended: node failure; it made steps 1234567 to 1245678.", "12 restarts: " + "x " * 60],
        waits_for=None,
        cluster="lumi",
        job_id="12345678",
        partition="standard-g",
        nodes=None,
        job_seconds_left=None,
        slots_done=123 * 10**9,
        slots_total=350 * 10**9,
        step=1245678,
        loss=12.345,
        tokens_per_second=1.23e6,
        seconds_left=9.9 * 86400,
        restarts=12,
        checkpoint_step=1245678,
        checkpoint_age_seconds=9.9 * 86400,
        history=[],
    )
    lines = render([status]).splitlines()
    assert len(lines) >= 5
    assert max(map(len, lines)) <= 110


@given(st.floats(0, 9.99e14))
def test_amounts_keep_three_digits_and_never_show_an_exponent(number: float) -> None:
    text = amount(number)
    factor = {"k": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}.get(text[-1], 1.0)
    assert float(text.rstrip("kMBT")) * factor == pytest.approx(number, rel=0.0051)
    if number >= 1e-3:
        assert "e" not in text


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (59.9, "59 s"), (725, "12 min"), (11_400, "3 h 10"), (187_200, "2 d 4 h"), (1e6, "11 d")],
)
def test_durations_name_their_largest_units(seconds: float, words: str) -> None:
    assert rough_duration(seconds) == words
