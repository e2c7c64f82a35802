"""Operations, steps, jobs and bytes of a phase."""

from __future__ import annotations

from math import ceil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import UserError
from recipe.reading import read_recipe
from recipe.schedule import steps
from recipe.slices.making import phase_slice
from workflow.plan.estimate import (
    SAVE_MINUTES,
    START_UP_MINUTES,
    jobs_needed,
    saves,
    stage_work,
)

ROOT = Path(__file__).parents[3]
DEMO = read_recipe(ROOT / "config" / "demo.yaml")
OVERHEAD = START_UP_MINUTES + SAVE_MINUTES


@pytest.mark.parametrize("ranks", [1, 3, 64])
def test_steps_are_the_trainers(ranks: int) -> None:
    for stage in (stage for phase in DEMO.phases for stage in phase_slices(phase)):
        taken = list(steps(stage))
        work = stage_work(stage, ranks)
        assert work.steps == len(taken)
        assert work.slots == sum(step.rows for step in taken) * stage.length
        assert work.slots_of_a_rank == sum(ceil(step.rows / ranks) for step in taken) * stage.length


def phase_slices(phase: str) -> list:
    run = next(run for run in DEMO.runs if phase in DEMO.runs[run].phases)
    return phase_slice(DEMO, run, phase).stages


@given(hours=st.floats(0, 1e5), minutes=st.floats(OVERHEAD + 1, 10_000))
def test_jobs_have_room_for_all_the_training_and_one_less_has_not(hours: float, minutes: float) -> None:
    jobs, usable = jobs_needed(hours, minutes), (minutes - OVERHEAD) / 60
    assert jobs * usable >= hours * (1 - 1e-12)
    assert jobs == 1 or (jobs - 1) * usable < hours


@given(hours=st.floats(0, 1e4), more=st.floats(0, 1e4), minutes=st.floats(OVERHEAD + 1, 10_000))
def test_more_training_never_takes_fewer_jobs_or_bytes(hours: float, more: float, minutes: float) -> None:
    first, second = jobs_needed(hours, minutes), jobs_needed(hours + more, minutes)
    assert first <= second
    assert saves(hours, 900, 2, first) <= saves(hours + more, 900, 2, second)


def test_a_walltime_that_start_and_checkpoint_use_up_is_an_error() -> None:
    with pytest.raises(UserError, match="a runtime of 15 min leaves no time to train"):
        jobs_needed(1.0, OVERHEAD)


def test_checkpoints_are_written_at_intervals_after_stages_and_where_a_job_ends() -> None:
    assert saves(training_hours=1.0, checkpoint_seconds=900, stages=1, jobs=1) == 4 + 1
    assert saves(training_hours=10.0, checkpoint_seconds=3600, stages=6, jobs=3) == 10 + 6 + 2
