"""Steps of a stage: functions of the rows done, the same for a longer stage and before a change."""

from itertools import pairwise
from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recipe.schedule import batch_sizes, rows_before, stage_rows, step_at, step_count, steps
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


@st.composite
def batches(draw):
    """A batch of 1 to 40 rows of some length, with a warm-up or without."""
    length, rows = draw(st.integers(8, 300)), draw(st.integers(1, 40))
    tokens = rows * length + draw(st.integers(0, length - 1))
    if draw(st.booleans()):
        return length, Batch(tokens=tokens)
    start = draw(st.integers(length, tokens))
    return length, Batch(tokens=tokens, start_tokens=start, warmup_steps=draw(st.integers(1, 200)))


@st.composite
def stages(draw, shapes=("constant", "1-sqrt")):
    """A stage of some steps to some hundreds, whose budget may end anywhere, in the warm-ups too."""
    length, batch = draw(batches())
    rate = LearningRate(peak=1e-3, warmup_steps=draw(st.integers(0, 300)), shape=draw(st.sampled_from(shapes)))
    return stage(draw(st.integers(1, 200 * batch.tokens)), length, batch, rate)


def with_changes(one, changes):
    return one.model_copy(update={"learning_rate": one.learning_rate.model_copy(update={"changes": changes})})


@given(stages())
def test_the_steps_of_a_stage_cover_each_row_once_and_end_with_the_batch_that_meets_the_budget(one):
    plan = list(steps(one))
    assert plan[0].first_row == 0
    assert all(a.first_row + a.rows == b.first_row for a, b in pairwise(plan))
    assert plan[-1].first_row + plan[-1].rows == stage_rows(one)
    assert plan[-1].first_row < one.tokens / one.length <= stage_rows(one)
    assert len(plan) == step_count(one)
    assert [rows for rows, count in batch_sizes(one) for _ in range(count)] == [step.rows for step in plan]


@given(stages(), st.data())
def test_a_step_can_be_computed_from_the_rows_done_alone(one, data):
    plan = list(steps(one))
    number = data.draw(st.integers(0, len(plan) - 1))
    done = plan[number].first_row
    assert rows_before(one, number) == done
    assert step_at(one, done) == plan[number]
    assert list(steps(one, done)) == plan[number:]


@given(stages(shapes=["constant"]), st.integers(0, 10**6))
def test_a_longer_stage_at_a_constant_rate_begins_with_the_very_steps_of_the_shorter_one(one, more):
    longer = one.model_copy(update={"tokens": one.tokens + more})
    plan = list(steps(one))
    assert list(steps(longer))[: len(plan)] == plan


@given(stages())
def test_batches_grow_to_their_size_and_never_shrink(one):
    rows = [step.rows for step in steps(one)]
    assert all(a <= b for a, b in pairwise(rows))
    full, warmup = one.batch.tokens // one.length, one.batch.warmup_steps
    assert all(count == full for count in rows[warmup:])
    assert all(1 <= count <= full for count in rows)


@given(stages(), st.data())
def test_every_step_before_a_change_is_the_same_with_it_and_without_it(one, data):
    slots = data.draw(st.integers(1, one.tokens))
    plan, changed = list(steps(one)), list(steps(with_changes(one, {slots: 5e-4})))
    before = sum(step.first_row * one.length < slots for step in plan)
    assert changed[:before] == plan[:before]
    assert [(step.first_row, step.rows) for step in changed] == [(step.first_row, step.rows) for step in plan]
    after = [step.learning_rate for step in changed[before:]]
    assert after == pytest.approx([step.learning_rate / 2 for step in plan[before:]])


def test_the_latest_change_counts_in_whatever_order_a_slice_lists_them():
    changed = with_changes(stage(), {10_000: 3e-4, 5_000: 5e-4, 9_000: 4e-4})
    again = StageSlice.model_validate_json(changed.model_dump_json())
    expected = [1e-3] * 4 + [5e-4] * 4 + [3e-4] * 71  # steps of 1280 slots
    assert [step.learning_rate for step in steps(changed)] == expected == [step.learning_rate for step in steps(again)]


@given(stages())
def test_no_step_has_a_learning_rate_of_zero_or_one_above_the_peak(one):
    assert all(0 < step.learning_rate <= 1e-3 for step in steps(one))


def test_the_batch_grows_linearly_in_steps():
    warm = stage(10**5, 100, Batch(tokens=10_000, start_tokens=1000, warmup_steps=4))
    assert [step.rows for step in steps(warm)] == [10, 32, 55, 77, *[100] * 9]


def test_a_batch_has_at_least_one_row():
    warm = stage(1000, 100, Batch(tokens=300, start_tokens=10, warmup_steps=3))
    assert [step.rows for step in steps(warm)] == [1, 1, 2, 3, 3]


def test_the_rate_rises_linearly_in_steps_while_the_batch_grows():
    batch = Batch(tokens=1280, start_tokens=128, warmup_steps=100)
    plan = steps(stage(batch=batch, rate=LearningRate(peak=1.0, warmup_steps=4)))
    assert [next(plan).learning_rate for _ in range(6)] == [0.125, 0.375, 0.625, 0.875, 1, 1]


def test_the_rate_falls_by_one_minus_square_root_over_the_rounded_slots_after_the_warmup():
    batch = Batch(tokens=1000, start_tokens=500, warmup_steps=2)
    rate = LearningRate(peak=1.0, warmup_steps=3, shape="1-sqrt", final=0.1)
    found = [(step.rows, step.learning_rate) for step in steps(stage(5_900, 100, batch, rate))]
    # 5, 7 and 10 rows of warm-up, and four batches more for the 37 rows that are missing.
    assert [rows for rows, _ in found] == [5, 7, 10, 10, 10, 10, 10]
    falling = [0.1 + 0.9 * (1 - sqrt(middle / 40)) for middle in (5, 15, 25, 35)]
    assert [step for _, step in found] == pytest.approx([1 / 6, 3 / 6, 5 / 6, *falling])


def test_what_begins_no_step_is_an_error():
    warm = stage(batch=Batch(tokens=1280, start_tokens=128, warmup_steps=9))
    for rows in (2, stage_rows(warm) - 1):
        with pytest.raises(ValueError, match=f"no step of the stage begins after {rows} rows"):
            step_at(warm, rows)
    total = stage_rows(warm)
    assert list(steps(warm, total)) == []
    with pytest.raises(ValueError, match="are over"):
        step_at(warm, total)


def test_the_rows_of_a_stage_are_known_without_walking_its_steps():
    batch = Batch(tokens=2560, start_tokens=1280, warmup_steps=1000)
    long = stage(10**17, batch=batch)  # more steps than could ever be walked
    assert stage_rows(long) == pytest.approx(10**17 / 128, rel=1e-12)
    last = step_at(long, stage_rows(long) - 20)
    assert (last.rows, last.learning_rate) == (20, 1e-3)


@given(st.integers(1, 10_000), st.sampled_from(["constant", "1-sqrt"]))
def test_a_stage_that_ends_early_takes_the_steps_of_the_whole_one_up_to_there(until, shape):
    whole = stage(10_000, 100, Batch(tokens=500), LearningRate(peak=1e-3, shape=shape))
    taken = list(steps(whole.model_copy(update={"until": until})))
    assert taken == list(steps(whole))[: len(taken)]
    assert (len(taken) - 1) * 500 < until <= len(taken) * 500
