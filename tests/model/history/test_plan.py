"""Two plans agree in history as far as they do the same, and no further; names are no part of it."""

from itertools import islice, takewhile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.history.plan import Plan, Point, passing
from recipe.schema import Batch, LearningRate, Optimizer
from tests.model.history.history_cases import phase, plan, stage


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rows")


def done(made: Plan, point: Point) -> tuple[Any, ...]:
    """All that a step does, in words of its own."""
    each = made.content.stages[point.stage]
    drawn = tuple((part.text, part.component.rowset, part.share) for part in made.blends[point.stage].parts)
    return *point.batch, each.length, each.rope_theta, each.masking_rate, drawn


def agreement(one: Plan, other: Plan) -> tuple[int, int]:
    """Return how many steps two plans do alike from the first on, and how many have the same history."""
    both = list(zip(one.points(), other.points(), strict=False))
    alike = len(list(takewhile(lambda pair: done(one, pair[0]) == done(other, pair[1]), both)))
    same = [a.history == b.history for a, b in both]
    assert same == [True] * sum(same) + [False] * (len(same) - sum(same)), "what has parted never meets again"
    return alike, sum(same)


rates = st.builds(LearningRate, peak=st.sampled_from([1e-3, 2e-3]), shape=st.sampled_from(["constant", "1-sqrt"]))
stages = st.builds(
    stage,
    tokens=st.integers(700, 9000),
    length=st.sampled_from([16, 32]),
    factors=st.sampled_from([{"one": 1.0, "two": 2.0}, {"two": 4.0, "one": 2.0}, {"one": 1.0}]),
    rate=rates,
    rope_theta=st.sampled_from([1e4, 1e6]),
    masking_rate=st.sampled_from([0.3, 0.15]),
    batch=st.sampled_from([Batch(tokens=320), Batch(tokens=640)]),
)


@given(st.lists(stages, min_size=1, max_size=3), st.lists(stages, min_size=1, max_size=3), st.integers(0, 3))
def test_two_plans_agree_in_history_up_to_the_first_step_that_they_do_otherwise(folder, common, other, shared):
    one, two = phase(*common), phase(*common[:shared], *other)
    alike, same = agreement(plan(one, folder), plan(two, folder))
    assert alike == same


@given(st.lists(stages, min_size=1, max_size=2))
def test_names_of_sources_runs_and_phases_are_no_part_of_a_history(folder, asked):
    renamed = [
        each.model_copy(
            update={"components": [part.model_copy(update={"source": f"zz-{part.source}"}) for part in each.components]}
        )
        for each in asked
    ]
    texts = {"zz-one": "first text", "zz-two": "second text"}
    before = [point.history for point in plan(phase(*asked), folder).points()]
    after = plan(phase(*renamed, run="another", name="other"), folder, texts=texts)
    assert [point.history for point in after.points()] == before


def last(made: Plan) -> Point:
    return list(made.points())[-1]


def test_more_tokens_at_a_constant_rate_leave_every_step_of_the_shorter_phase_as_it_was(folder):
    short, long = plan(phase(stage(tokens=6400)), folder), plan(phase(stage(tokens=9600)), folder)
    assert last(short).history in {point.history for point in long.points()}


def test_a_plan_that_is_walked_again_after_any_part_of_it_tells_the_same_steps(folder):
    content = phase(stage(skip_rows=[(95, 104)]), stage(rope_theta=1e6))
    expected = list(plan(content, folder).points())
    walked = plan(content, folder)
    assert list(islice(walked.points(), 7)) == expected[:7]
    behind, ahead = walked.points(), islice(walked.points(), 30)
    assert [next(behind), *ahead, *behind] == [expected[0], *expected[:30], *expected[1:]]
    assert list(walked.points()) == expected


@pytest.mark.parametrize(
    "other",
    [
        phase(stage(), seed=2),
        phase(stage(), optimizer=Optimizer(beta2=0.9)),
        phase(stage(rope_theta=2e4)),
        phase(stage(masking_rate=0.2)),
        phase(stage(batch=Batch(tokens=640))),
        phase(stage(rate=LearningRate(peak=2e-3))),
        phase(stage(factors={"one": 1.0, "two": 2.5})),
        phase(stage(length=16)),
    ],
    ids=["seed", "optimizer", "theta", "masking", "batch", "rate", "mixture", "length"],
)
def test_whatever_changes_what_the_first_step_does_changes_every_history(folder, other):
    assert agreement(plan(phase(stage()), folder), plan(other, folder))[1] == 0


def test_another_text_under_the_same_name_is_another_history(folder):
    one = last(plan(phase(stage()), folder))
    other = last(plan(phase(stage()), folder, texts={"one": "first text", "two": "another text"}))
    assert one.history != other.history


def test_a_phase_goes_on_in_the_history_of_the_one_before_wherever_a_recipe_cuts_it(folder):
    whole = plan(phase(stage(tokens=3200), stage(tokens=3200, rope_theta=1e6)), folder)
    first = plan(phase(stage(tokens=3200)), folder)
    end = last(first)
    reached = first.start
    reached.step, reached.slots, reached.history = end.step, end.slots, end.history
    reached.data = reached.data.following(first.blends[0].digest)
    reached.data = type(reached.data)(reached.data.stream, reached.data.mixture, end.batch.ranges[-1][1])
    second = plan(phase(stage(tokens=3200, rope_theta=1e6)), folder, before=reached)
    assert last(second)[1:4] == last(whole)[1:4]


def test_the_history_of_a_known_phase_never_changes(folder):
    """Another answer here means that every phase that was ever trained would be trained anew."""
    assert last(plan(phase(stage()), folder)).history == "e6133142c4fee9279cd19f374f3ba98a"


def test_weights_that_a_lineage_begins_with_are_part_of_its_history(folder):
    plain, one, two = (plan(phase(stage()), folder, started=started) for started in (None, "d1", "d2"))
    assert len({plain.start.history, one.start.history, two.start.history}) == 3
    assert one.start.history == plan(phase(stage()), folder, started="d1").start.history


def test_defaults_that_histories_leave_out_never_change():
    """Whoever changes one, or what it does, counts up `model.history.plan.FORMAT`."""
    assert Optimizer().model_dump() == {
        "name": "adamw",
        "momentum": 0.95,
        "rest_rate_factor": 1.0,
        "beta1": 0.9,
        "beta2": 0.98,
        "eps": 1e-6,
        "weight_decay": 1e-6,
        "gradient_clip": 1.0,
    }
    shape = phase(stage()).model.model_dump()
    assert {key: value for key, value in shape.items() if key not in ("layers", "hidden", "heads", "intermediate")} == {
        "global_every": 3,
        "local_attention": 128,
        "local_rope_theta": 10000.0,
        "norm_eps": 1e-05,
    }


@given(
    st.integers(0, 200),
    st.integers(1, 60),
    st.lists(st.tuples(st.integers(0, 20), st.integers(1, 15)), max_size=6),
)
def test_a_batch_passes_over_skipped_rows_and_has_as_many_others(first, count, gaps):
    skipped, end = [], 0
    for gap, size in gaps:
        skipped.append((end + gap, end + gap + size - 1))
        end += gap + size + 1
    rows = [row for begin, end in passing(first, count, skipped) for row in range(begin, end)]
    out = {row for begin, last in skipped for row in range(begin, last + 1)}
    expected = [row for row in range(first, first + count + 200) if row not in out][:count]
    assert rows == expected


def test_steps_before_a_skipped_row_or_a_changed_rate_keep_their_history(folder):
    before = plan(phase(stage()), folder)
    skipping = plan(phase(stage(skip_rows=[(95, 104)])), folder)
    assert agreement(before, skipping) == (9, 9)
    slower = plan(phase(stage(rate=LearningRate(peak=1e-3, changes={3200: 5e-4}))), folder)
    assert agreement(before, slower) == (10, 10)
    assert [point.batch.rows for point in skipping.points()] == [10] * 20
    assert last(skipping).batch.ranges[-1][1] == 210
