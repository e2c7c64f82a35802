"""Held-out losses of runs beside a reference: which rows count, what is told of seeds, and of what does not compare."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from evaluation.comparison.compute import pareto_front
from evaluation.comparison.extrapolation import ladders
from evaluation.comparison.losses import differences, field, incomparable, sample_place, shared, spread
from evaluation.comparison.reading import Place, Row, Trained

ROWS = 60


def run(name: str, better: float = 0.0, languages: tuple[str, ...] = ("en", "fi"), flops: float = 1e15) -> Trained:
    """Return a run whose loss in each row is that of all others less `better`, but for some noise."""
    rows: dict[Place, dict[str, Row]] = {}
    for language in languages:
        chance = np.random.default_rng(list(language.encode()))
        masked = chance.integers(10, 40, size=ROWS)
        loss = masked * chance.normal(5, 1, size=ROWS)
        own = np.random.default_rng(list(name.encode())).normal(0, 0.05, size=ROWS)
        sums = loss - masked * (better + own - own.mean())
        rows[language, 128] = {f"s {k}": (int(masked[k]), float(sums[k])) for k in range(ROWS)}
    return Trained(name, "t", rows, {}, 1000, flops, 1.0, 100, "way", "shape")


def test_a_run_that_is_better_is_better_in_each_language_and_over_all() -> None:
    whole, *each = differences("b", [run("b", 0.1)], [run("a")], seed=1)
    assert (whole["language"], whole["languages"], whole["rows"]) == (None, 2, 2 * ROWS)
    assert [line["language"] for line in each] == ["en", "fi"]
    for line in (whole, *each):
        assert line["difference"] == pytest.approx(-0.1, abs=0.02)
        assert line["interval"][0] < line["difference"] < line["interval"][1] < 0
        assert line["verdict"] == "better"
        assert line["loss"] - line["reference_loss"] == pytest.approx(line["difference"], abs=2e-6)
    assert whole["difference"] == pytest.approx(np.mean([line["difference"] for line in each]), abs=2e-6)


def test_a_difference_within_the_noise_is_unclear_and_a_worse_run_worse() -> None:
    assert differences("b", [run("b", 0.001)], [run("a")], seed=1)[0]["verdict"] == "unclear"
    assert differences("b", [run("b", -0.1)], [run("a")], seed=1)[0]["verdict"] == "worse"


def test_only_rows_that_both_were_measured_on_count() -> None:
    few = run("b", 0.1, languages=("fi", "sv"))
    assert few.rows
    own = dict(list(few.rows["fi", 128].items())[:7]) | {"s other": (5, 99.0)}
    few = replace(few, rows=few.rows | {("fi", 128): own})
    assert {place: len(keys) for place, keys in shared([[few], [run("a")]]).items()} == {("fi", 128): 7}
    assert [line["rows"] for line in differences("b", [few], [run("a")], seed=1)] == [7, 7]


def test_what_does_not_compare_is_told_in_a_sentence() -> None:
    reference = run("a")
    assert incomparable(run("b"), reference) is None
    assert "another tokenizer" in str(incomparable(replace(run("b"), tokenizer="other"), reference))
    assert "b/mlm.json was made before rows were kept" in str(incomparable(replace(run("b"), rows=None), reference))
    assert "a/mlm.json was made before" in str(incomparable(run("b"), replace(reference, rows=None)))
    assert "nothing is held out" in str(incomparable(run("b"), replace(reference, rows={})))
    other = {("fi", 128): {"s x": (3, 1.0)}}
    assert "none of the rows of a" in str(incomparable(replace(run("b"), rows=other), reference))


def test_seeds_widen_the_interval_and_their_spread_is_told() -> None:
    seeds = [run("b", 0.1), run("b2", 0.2), run("b3", 0.0)]
    (several, *_), (one, *_) = (differences("b", group, [run("a")], seed=1) for group in (seeds, seeds[:1]))
    assert several["difference"] == pytest.approx(-0.1, abs=0.02)
    assert several["interval"][1] - several["interval"][0] > 4 * (one["interval"][1] - one["interval"][0])
    groups = {"a": [run("a")], "b": seeds}
    measured = field(groups, seed=1)
    assert measured
    told = spread(groups, measured)
    assert told
    assert told["standard_deviation"] == pytest.approx(0.1, abs=0.02)
    assert told["largest_range"] == pytest.approx(0.2, abs=0.03)
    assert spread({"a": [run("a")]}, measured) is None


def test_the_front_holds_what_nothing_else_beats_in_both() -> None:
    points = {"a": (1.0, 5.0), "b": (2.0, 4.0), "c": (2.0, 4.5), "d": (3.0, 4.0), "e": (4.0, 3.0), "f": (1.0, 5.0)}
    assert pareto_front(points) == ["a", "f", "b", "e"]


def powers(count: int) -> dict[str, list[Trained]]:
    """Return runs of rising compute whose loss is 2 + 3 (C / 1e15)^-0.2, each row's own part aside."""
    found = {}
    for step in range(count):
        flops = 10.0 ** (15 + step)
        found[f"r{step}"] = [run(f"r{step}", better=3 - 3 * (flops / 1e15) ** -0.2, flops=flops)]
    return found


def test_the_largest_run_is_foretold_from_the_others() -> None:
    (told,) = ladders(powers(4), seed=1)
    check = told["check"]
    assert (check["run"], check["from"], check["curve"]["form"]) == ("r3", ["r0", "r1", "r2"], "power")
    assert check["foretold"]["value"] == pytest.approx(check["trained"], abs=0.1)
    low, high = check["foretold"]["interval"]
    assert low < check["trained"] < high
    assert check["off"]["value"] == pytest.approx(check["trained"] - check["foretold"]["value"], abs=2e-6)
    assert [one["run"] for one in told["runs"]] == ["r0", "r1", "r2", "r3"]


def test_with_two_smaller_ones_the_curve_is_a_line_and_with_one_nothing_is_foretold() -> None:
    assert ladders(powers(3), seed=1)[0]["check"]["curve"]["form"] == "line"
    assert ladders(powers(2), seed=1)[0]["check"] is None
    assert ladders(powers(1), seed=1) == []


def test_runs_of_another_way_are_no_rungs_and_of_equal_compute_the_best_is_one() -> None:
    groups = powers(3)
    groups["other"] = [replace(run("other", flops=1e20), way="another mixture")]
    groups["sweep"] = [run("sweep", better=-1.0, flops=1e16)]
    (told,) = ladders(groups, seed=1)
    assert [one["run"] for one in told["runs"]] == ["r0", "r1", "r2"]


def test_each_language_draws_its_own_rows_and_all_runs_the_same() -> None:
    groups = [[run(name)] for name in "ab"]
    groups = [[replace(one, rows=dict.fromkeys(one.rows, one.rows["en", 128])) for one in group] for group in groups]
    keys = shared(groups)
    english, finnish = (sample_place(groups, place, keys[place], seed=1) for place in (("en", 128), ("fi", 128)))
    assert english.values.tolist() == finnish.values.tolist()
    assert not np.allclose(english.samples, finnish.samples)
    alone = sample_place(groups[:1], ("en", 128), keys["en", 128], seed=1)
    assert alone.samples[:, 0] == pytest.approx(english.samples[:, 0])
