"""Batches and learning rates that cannot be are told; those that can be are read in any form."""

import pytest
import yaml

from recipe.reading import load_recipe
from recipe.slices.making import phase_slice
from tests.recipe.test_reading import changed, mistakes


@pytest.mark.parametrize(
    ("batch", "told"),
    [
        (
            {"tokens": 1024, "warmup_steps": 2},
            "start_tokens: is missing; a batch with warmup_steps needs a size to start from.",
        ),
        (
            {"tokens": 1024, "warmup_steps": 2, "start_tokens": 100},
            "start_tokens: 100 tokens hold no row of 128 tokens; give at least 128.",
        ),
        (
            {"tokens": 1024, "warmup_steps": 2, "start_tokens": 2048},
            "start_tokens: 2048 tokens are more than the full batch of 1024.",
        ),
        (
            {"tokens": 1024, "warmup_steps": 19, "start_tokens": 128},
            "warmup_steps: 19 steps are some 10496 tokens, more than the stage's 10000.",
        ),
        (
            {"tokens": 1024, "warmup_steps": 10**15, "start_tokens": 128},  # tokens by mistake: counted by no table
            "warmup_steps: 1000000000000000 steps are some 575999999999999552 tokens, more than the stage's 10000.",
        ),
    ],
)
def test_a_batch_warmup_that_cannot_be_is_told(batch: dict[str, int], told: str):
    key = "phases.stable.stages[0].batch"
    assert mistakes(changed(key, batch)) == [f"config/mine.yaml: {key}.{told}"]


@pytest.mark.parametrize(
    ("key", "optimizer", "told"),
    [
        ("optimizer", {"momentum": 0.9}, "optimizer.momentum: adamw has none; remove it."),
        (
            "optimizer",
            {"name": "stable_adamw", "rest_rate_factor": 0.5},
            "optimizer.rest_rate_factor: stable_adamw has none; remove it.",
        ),
        (
            "runs.second.optimizer",
            {"name": "muon"},
            "runs.second.optimizer: the run goes on with the moments of first, so with its optimizer; remove "
            "optimizer.",
        ),
    ],
)
def test_an_optimizer_that_cannot_be_is_told(key: str, optimizer: dict[str, object], told: str):
    assert mistakes(changed(key, optimizer)) == [f"config/mine.yaml: {told}"]


def test_a_run_may_have_an_optimizer_of_its_own_which_those_that_continue_it_have_too():
    recipe = load_recipe(changed("runs.first.optimizer", {"name": "muon", "gradient_clip": None}), "here")
    found = phase_slice(recipe, "second", "other").optimizer
    assert (found.name, found.momentum, found.gradient_clip) == ("muon", 0.95, None)
    assert recipe.optimizer.name == "adamw"


def test_changes_of_the_peak_are_read_in_any_form_and_may_begin_with_the_last_step():
    rate = yaml.safe_load("{peak: 1e-3, changes: {1e3: 5e-4, 9_216: 1e-4}}")
    found = load_recipe(changed("phases.stable.stages[0].learning_rate", rate), "here").phases["stable"].stages[0]
    assert found.learning_rate.changes == {1000: 5e-4, 9216: 1e-4}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ("{9_217: 1e-4}", ".9217: has no effect, the last step of the stage begins at 9216 slots."),
        ("{2e3: 1e-4, 1e3: 2e-4}", ".1000: comes after 2000; list changes in the order of training."),
        ("{1e3: 0}", ".1e3: must be more than 0.0, but is 0."),
        ("{0e3: 1e-4}", ".0: must be more than 0, but is 0."),
        ("{1e3: 1e-4, 1_000: 2e-4}", ": names the same slots twice; keep one of them."),
        ("{some: 1e-4}", ".some: needs a whole number, but is some."),
        ("[1e3]", ": needs keys with values below it."),
    ],
)
def test_a_change_of_the_peak_that_cannot_be_is_told(changes: str, told: str):
    key = "phases.stable.stages[0].learning_rate.changes"
    assert mistakes(changed(key, yaml.safe_load(changes))) == [f"config/mine.yaml: {key}{told}"]


def test_a_changed_peak_below_the_end_of_a_decay_is_told():
    rate = {"peak": 1e-3, "shape": "1-sqrt", "final": 5e-4, "changes": {"1e3": 1e-4}}
    key = "phases.stable.stages[0].learning_rate"
    told = "0.0001 is below final, 0.0005, but 1-sqrt only falls."
    assert mistakes(changed(key, rate)) == [f"config/mine.yaml: {key}.changes.1000: {told}"]
