from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from recipe.schedule import batch_rows, learning_rate, stage_rows, step_at, steps
from recipe.schema import Batch, LearningRate
from recipe.slices.types import StageSlice


def stage(tokens=100_000, length=128, batch=None, rate=None):
    return StageSlice(
        length=length,
        tokens=tokens,
        batch=batch or Batch(tokens=1280),
        learning_rate=rate or LearningRate(peak=1e-3),
        rope_theta=10_000.0,
        masking_rate=0.3,
        components=[],
    )


@given(st.integers(1000, 10**6), st.integers(8, 300), st.integers(1, 40), st.integers(0, 10**6))
def test_the_steps_of_a_stage_cover_each_row_once(tokens, length, rows, warmup):
    batch = Batch(tokens=rows * length, start_tokens=length, warmup_tokens=warmup)
    plan = list(steps(stage(tokens, length, batch)))
    assert plan[0].first_row == 0
    assert all(a.first_row + a.rows == b.first_row for a, b in pairwise(plan))
    assert plan[-1].first_row + plan[-1].rows == stage_rows(stage(tokens, length)) >= tokens / length


@given(st.integers(5000, 10**6), st.integers(2, 40))
def test_the_last_batch_is_between_half_and_one_and_a_half(tokens, rows):
    plan = list(steps(stage(tokens, 100, Batch(tokens=rows * 100))))
    assert len(plan) == 1 or rows / 2 <= plan[-1].rows <= rows * 1.5


@given(st.integers(0, 700))
def test_a_step_can_be_computed_from_the_rows_done_alone(skip):
    batch = Batch(tokens=12_800, start_tokens=1280, warmup_tokens=50_000)
    plan = list(steps(stage(batch=batch)))
    step = plan[skip % len(plan)]
    assert step_at(stage(batch=batch), step.first_row) == step


def test_the_batch_grows_linearly_over_its_warmup():
    warm = stage(10**6, 100, Batch(tokens=10_000, start_tokens=1000, warmup_tokens=100_000))
    assert [batch_rows(warm, done) for done in (0, 250, 500, 999, 1000, 5000)] == [10, 32, 55, 99, 100, 100]


def test_learning_rate_warms_up_holds_and_decays_by_one_minus_square_root():
    rate = LearningRate(peak=1.0, warmup_tokens=1000)
    assert [learning_rate(stage(rate=rate), tokens) for tokens in (0, 500, 1000, 90_000)] == [0, 0.5, 1, 1]
    decay = LearningRate(peak=1.0, shape="1-sqrt", final=0.1)
    found = [learning_rate(stage(rate=decay), tokens) for tokens in (0, 25_000, 100_000)]
    assert found == [1.0, 0.1 + 0.9 * 0.5, 0.1]


def test_no_step_has_a_learning_rate_of_zero():
    rate = LearningRate(peak=1.0, warmup_tokens=50_000, shape="1-sqrt")
    assert all(step.learning_rate > 0 for step in steps(stage(rate=rate)))
