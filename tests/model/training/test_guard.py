"""Which steps are skipped, by the losses and gradient norms before them."""

import json
import math

import numpy as np
import pytest

from model.training import guard
from model.training.guard import DEVIATIONS, MOST_SKIPPED, WINDOW, Guard

TRAINED = {"mixture": "m", "length": 32}


def noise(count, seed=0):
    """(loss, norm) of so many steps that are in line."""
    random = np.random.default_rng(seed)
    return list(zip(3 + 0.1 * random.standard_normal(count), 1 + 0.2 * random.random(count), strict=True))


def watched(values, state=None):
    """A guard that has judged some steps, and what it said."""
    one = Guard(state or {})
    one.enter(TRAINED)
    return one, [one.judge(step, *map(float, value)) for step, value in enumerate(values, 1)]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("which", [0, 1])
def test_what_is_not_finite_is_skipped_from_the_first_step_on_and_never_enters_a_window(bad, which):
    value = (3.0, bad) if which else (bad, 1.0)
    one, said = watched([value])
    assert "is not a finite number" in said[0]
    assert ("gradient's norm" in said[0]) == bool(which)
    assert all(map(math.isfinite, one.state()["losses"] + one.state()["norms"]))
    assert one.count == 1


@pytest.mark.parametrize(("which", "what"), [(0, "the loss (30)"), (1, "the gradient's norm (30)")])
def test_a_value_far_above_those_before_is_skipped_once_half_the_window_is_filled(which, what):
    value = (3.0, 30.0) if which else (30.0, 1.0)
    early, late = (watched([*noise(count), value])[1] for count in (WINDOW // 2 - 1, WINDOW // 2))
    assert early[-1] is None
    assert late[-1].startswith(f"{what} is more than 6 standard deviations")
    assert "the mean of the last 64 steps" in late[-1]


def test_a_value_far_below_those_before_is_in_line():
    assert watched([*noise(WINDOW), (0.0, 0.0)])[1][-1] is None


def test_the_limit_is_six_deviations_of_the_last_128_values():
    before = [(100.0, 1.0)] * 5 + noise(WINDOW)  # what lies further back does not count
    losses = np.array([loss for loss, _ in before[-WINDOW:]])
    limit = float(losses.mean() + DEVIATIONS * losses.std(ddof=1))
    below, above = (watched([*before, (limit + off, 1.0)])[1][-1] for off in (-1e-6, 1e-6))
    assert below is None
    assert above


def test_a_loss_that_stays_higher_is_accepted_after_some_steps_and_not_skipped_for_ever():
    said = watched([*noise(WINDOW), *((loss + 3, norm) for loss, norm in noise(WINDOW, 1))])[1]
    skipped = [step for step, reason in enumerate(said) if reason]
    assert 1 <= len(skipped) <= MOST_SKIPPED
    assert max(skipped) < WINDOW + MOST_SKIPPED


def test_windows_begin_anew_where_what_is_trained_changes_and_go_on_where_it_does_not():
    one, _ = watched(noise(WINDOW))
    one.enter(dict(TRAINED))
    assert one.judge(WINDOW + 1, 30.0, 1.0)
    one.enter(TRAINED | {"length": 48})
    assert one.judge(WINDOW + 2, 60.0, 5.0) is None


def test_a_guard_that_was_written_and_read_judges_as_one_that_went_on():
    before, after = [*noise(100), (math.nan, 1.0), (30.0, 1.0)], [*noise(40, 1), (5.0, 1.0), *noise(9, 2)]
    whole, said = watched([*before, *after])
    first, _ = watched(before)
    second = Guard(json.loads(json.dumps(first.state())))
    second.enter(TRAINED)
    assert [second.judge(step, *map(float, one)) for step, one in enumerate(after, 103)] == said[102:]
    assert second.state() == whole.state()


def test_one_more_skipped_step_of_128_than_may_be_is_too_many():
    bad = (math.nan, 1.0)
    assert not watched([bad] * MOST_SKIPPED)[0].too_many
    assert watched([bad] * (MOST_SKIPPED + 1))[0].too_many
    assert not watched([*[bad] * MOST_SKIPPED, *noise(WINDOW - MOST_SKIPPED), bad])[0].too_many
    assert watched([*[bad] * MOST_SKIPPED, *noise(WINDOW - MOST_SKIPPED - 1), bad])[0].too_many


def test_the_sentence_that_ends_a_phase_names_the_newest_checkpoint_before_what_was_skipped(tmp_path):
    one, _ = watched([*noise(20), *[(math.nan, 1.0)] * 9])
    none = guard.in_vain(one, 29, tmp_path)
    assert "9 of the last 128 steps were skipped, the last at step 29" in none
    assert "Train anew, as there is no checkpoint, with a lower rate" in none
    directories = [tmp_path / "checkpoints" / f"step-{step:08}" for step in (10, 20, 25)]
    for directory in reversed(directories):
        directory.mkdir(parents=True)
        (directory / "manifest.json").touch()
        told = guard.in_vain(one, 29, tmp_path)
        if directory is directories[-1]:
            assert f"Go on from {directory}, the newest checkpoint, in whose weights no skipped step" in told
        else:
            assert f"Go on from {directories[1]}, the newest checkpoint from before the first of them" in told
