"""Which run the others are compared with, and which runs are seeds of one another."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from common.errors import UserError
from recipe.reading import load_recipe
from recipe.slices.making import comparison_slice
from recipe.slices.types import ComparisonSlice

DEMO = yaml.safe_load((Path(__file__).parents[2] / "config" / "demo.yaml").read_text(encoding="utf-8"))


def slice_of(**changes: Any) -> ComparisonSlice:
    return comparison_slice(load_recipe(copy.deepcopy(DEMO) | changes, "demo"))


def test_the_first_run_is_the_reference_if_none_is_named() -> None:
    assert slice_of().reference == next(iter(DEMO["runs"]))
    assert slice_of(comparison={"reference": "small-fi"}).reference == "small-fi"


def test_a_reference_must_be_a_run() -> None:
    with pytest.raises(UserError, match=r"comparison\.reference.*small-fy; did you mean small-fi\?"):
        slice_of(comparison={"reference": "small-fy"})


def test_seeds_stand_together_and_other_runs_alone() -> None:
    runs = copy.deepcopy(DEMO["runs"])
    runs["small"]["seeds"] = 2
    found = slice_of(runs=runs).runs
    assert found["small"] == found["small-seed2"] == "small"
    assert found["small-theta"] == "small-theta"


def test_a_task_is_compared_for_the_runs_that_are_measured_on_it() -> None:
    found = slice_of()
    assert set(found.retrieval) == set(DEMO["evaluation"]["retrieval"]["tasks"])
    assert all(runs == DEMO["evaluation"]["retrieval"]["runs"] for runs in found.retrieval.values())
    evaluation = copy.deepcopy(DEMO["evaluation"])
    del evaluation["understanding"]["runs"]
    assert all(runs == list(DEMO["runs"]) for runs in slice_of(evaluation=evaluation).understanding.values())
