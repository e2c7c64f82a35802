"""Ladders of runs with different tokenizers, in one unit."""

from __future__ import annotations

import pytest

from evaluation.comparison.extrapolation import ladders_in_bits
from evaluation.comparison.losses import Group
from evaluation.comparison.reading import Trained


def run(name: str, tokenizer: str, flops: float, bits: float, **languages: float) -> Trained:
    measured = {"en": (bits, 0.001)} | {language: (value, 0.001) for language, value in languages.items()}
    return Trained(name, tokenizer, {}, measured, 1000, flops, 1.0, 100, f"way of {tokenizer}", "shape")


def alone(*runs: Trained) -> dict[str, Group]:
    return {one.name: [one] for one in runs}


def test_each_tokenizer_has_a_ladder_over_the_languages_that_all_have() -> None:
    ours = [run(f"a{size}", "a", 10.0**size, 2 - 0.1 * size, fi=1.0) for size in (1, 2, 3)]
    theirs = [run(f"b{size}", "b", 11.0**size, 2.1 - 0.1 * size) for size in (1, 2)]
    first, second = ladders_in_bits(alone(*ours, *theirs), seed=1)
    assert (first["tokenizer"], second["tokenizer"]) == ("a", "b")
    assert first["languages"] == second["languages"] == ["en"]
    assert [(rung["run"], rung["loss"]) for rung in first["runs"]] == [("a1", 1.9), ("a2", 1.8), ("a3", 1.7)]
    assert second["check"] is None
    check = first["check"]
    assert (check["run"], check["trained"], check["from"]) == ("a3", 1.7, ["a1", "a2"])
    assert check["foretold"]["value"] == pytest.approx(1.7)
    low, high = check["off"]["interval"]
    # 2 y - x of two errors of 0.001, and a third: the root of 6 of them.
    assert (low, high) == pytest.approx((-1.96 * 0.001 * 6**0.5, 1.96 * 0.001 * 6**0.5), rel=0.1)
    assert ladders_in_bits(alone(*ours, *theirs), seed=1) == [first, second]


def test_runs_of_one_tokenizer_need_none_and_runs_without_a_common_language_have_none() -> None:
    ours = [run(f"a{size}", "a", 10.0**size, 1.0) for size in (1, 2)]
    assert ladders_in_bits(alone(*ours), seed=1) == []
    other = Trained("b", "b", {}, {"fi": (1.0, 0.1)}, 1000, 1.0, 1.0, 100, "way", "shape")
    assert ladders_in_bits(alone(*ours, other), seed=1) == []


def test_one_run_of_a_tokenizer_is_no_ladder() -> None:
    ours = [run(f"a{size}", "a", 10.0**size, 1.0) for size in (1, 2)]
    assert [one["tokenizer"] for one in ladders_in_bits(alone(*ours, run("b", "b", 1.0, 1.0)), seed=1)] == ["a"]
