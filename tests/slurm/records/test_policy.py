"""Whether a phase goes on: for examples, and for any history."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurm.records.history import Outcome, Run
from slurm.records.policy import FRUITLESS, RETRIES, decide

OUTCOMES = get_args(Outcome)
WANTED_OR_USELESS = ("finished", "refused", "out of memory", "cancelled", "stopped")
BLAMELESS = ("preempted", "node failure", "requeued")
FAILED = ("rank died", "hung", "unknown")

Ended = tuple[Outcome, int]
"""How a run ended, and how many steps it made."""


def history_of(*ended: Ended) -> list[Run]:
    runs: list[Run] = []
    step = 0
    for number, (outcome, steps) in enumerate(ended):
        runs.append(Run(str(101 + number), 0, "standard-g", 8, 0.0, 1.0, outcome, "", step, step + steps))
        step += steps
    return runs


def endings(outcomes: tuple[str, ...] = OUTCOMES, least_steps: int = 0) -> st.SearchStrategy[Ended]:
    return st.tuples(st.sampled_from(outcomes), st.integers(least_steps, 2))


histories = st.lists(endings(), max_size=12)


@given(histories, endings(WANTED_OR_USELESS))
def test_nothing_goes_on_that_is_done_or_unwanted_or_would_end_so_again(before: list[Ended], last: Ended) -> None:
    assert not decide(history_of(*before, last)).go_on


@given(st.lists(endings(), max_size=FRUITLESS - 2), endings(BLAMELESS))
def test_preemption_and_broken_nodes_do_not_stop_a_phase(before: list[Ended], last: Ended) -> None:
    assert decide(history_of(*before, last)).go_on


@given(st.lists(st.sampled_from(BLAMELESS), min_size=FRUITLESS, max_size=3 * FRUITLESS))
def test_runs_without_a_checkpoint_come_to_an_end_whoever_is_to_blame(outcomes: list[Outcome]) -> None:
    told = [
        decide(history_of(("time limit", 1), *((outcome, 0) for outcome in outcomes[:number])))
        for number in range(1, len(outcomes) + 1)
    ]
    assert [verdict.go_on for verdict in told] == [number % FRUITLESS != 0 for number in range(1, len(outcomes) + 1)]
    assert f"run {FRUITLESS} in a row without a new checkpoint" in told[FRUITLESS - 1].text


@given(st.lists(endings((*BLAMELESS, "time limit"), least_steps=1), min_size=1, max_size=40))
def test_jobs_that_make_steps_go_on_as_long_as_it_takes(ended: list[Ended]) -> None:
    assert decide(history_of(*ended)).go_on


@given(histories, histories)
def test_after_a_stop_earlier_runs_do_not_count(before: list[Ended], after: list[Ended]) -> None:
    stop: Ended = ("cancelled", 0)
    for length in range(1, len(after) + 1):
        told = decide(history_of(*before, stop, *after[:length])).go_on
        assert told == decide(history_of(*after[:length])).go_on


@given(st.lists(endings(FAILED, least_steps=1), min_size=1, max_size=8))
def test_failures_in_a_row_are_retried_three_times_and_then_begin_a_new_series(ended: list[Ended]) -> None:
    told = [decide(history_of(*ended[:length])).go_on for length in range(1, len(ended) + 1)]
    assert told == [(number + 1) % (RETRIES + 1) != 0 for number in range(len(ended))]


@given(st.lists(endings(BLAMELESS), max_size=5), endings(("time limit", *FAILED)), endings(("time limit", *FAILED)))
def test_two_runs_without_a_checkpoint_stop_it_whatever_blameless_lies_between(
    between: list[Ended], first: Ended, second: Ended
) -> None:
    idle = [(outcome, 0) for outcome, _ in (first, *between, second)]
    assert not decide(history_of(*idle)).go_on
    assert decide(history_of(*idle[:-1])).go_on


@given(histories)
def test_one_run_without_a_checkpoint_after_progress_is_forgiven(before: list[Ended]) -> None:
    assert decide(history_of(*before, ("time limit", 1), ("time limit", 0))).go_on


@given(st.lists(endings(), min_size=1, max_size=12))
def test_every_verdict_names_the_job_and_how_it_ended(ended: list[Ended]) -> None:
    history = history_of(*ended)
    text = decide(history).text
    assert text.startswith(f"job {history[-1].job_id} ")
    assert history[-1].outcome in text


@pytest.mark.parametrize(
    ("outcome", "advice"),
    [
        ("out of memory", "smaller micro_batch_slots"),
        ("refused", "Mend what it says"),
        ("cancelled", "continues from the last checkpoint"),
        ("stopped", "continues from the last checkpoint"),
    ],
)
def test_a_stop_says_what_to_do(outcome: Outcome, advice: str) -> None:
    assert advice in decide(history_of((outcome, 1))).text


def test_a_stop_after_two_idle_runs_says_where_it_stands() -> None:
    text = decide(history_of(("time limit", 7), ("time limit", 0), ("hung", 0))).text
    assert "second run in a row that ended without a new checkpoint (the newest is of step 7)" in text
    assert "checkpoint more often" not in text


def test_only_where_time_ran_out_more_of_it_is_asked_for() -> None:
    assert "more time or checkpoint more often" in decide(history_of(("hung", 0), ("time limit", 0))).text
