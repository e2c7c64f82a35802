"""The table that status shows."""

from __future__ import annotations

from slurm.status.phases import PhaseStatus
from slurm.status.text import render


def test_a_table_of_long_names_and_numbers_fits_the_width() -> None:
    status = PhaseStatus(
        run="large-short-edu",
        phase="annealing-fi-large",
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
