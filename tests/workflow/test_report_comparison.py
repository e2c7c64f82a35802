"""The report's answer: which run is best, by how much, how sure that is, and what cannot be told."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from common.errors import UserError
from common.files import read_json, write_json
from tests.workflow.finished import RUNS
from workflow.report.comparison import read_comparison, told
from workflow.report.comparison_figures import differences, log_ticks, scientific, side_by_side
from workflow.report.html import render
from workflow.report.results import Results


def changed(results: Path, **values: Any) -> dict[str, Any]:
    """Return what is told of a comparison in which some things are otherwise."""
    found = read_comparison(results, RUNS)
    assert found
    content = told(found | values)
    assert content
    return content


def line(run: str, difference: float, width: float, verdict: str, **more: Any) -> dict[str, Any]:
    interval = [difference - width, difference + width]
    return {"run": run, "difference": difference, "interval": interval, "verdict": verdict} | more


def task(run: str, difference: float, width: float, verdict: str, name: str = "topic") -> dict[str, Any]:
    facts = {"kind": "understanding", "task": name, "metric": "accuracy", "examples": 20}
    return line(run, difference, width, verdict, value=0.8, reference_value=0.7, **facts)


def test_the_first_section_says_which_run_is_best_and_how_sure_that_is(page: str) -> None:
    first = re.search(r'<section id="(\w+)">(.*?)</section>', page, re.DOTALL)
    assert first
    assert first[1] == "answer"
    assert "where tokenizers differ" not in first[2], "they have the same"
    text = " ".join(unescape(re.sub("<[^>]*>", " ", first[2])).split())
    assert re.search(
        r"small-fi has the lowest held-out loss: 4\.\d{4} nats per masked token, the mean over 5 languages at 256 "
        r"tokens on 100 held-out rows\. Beside small that is a difference of −0\.0\d+ ± 0\.0\d+ \(95 % interval "
        r"−0\.\d+ to −0\.\d+\)\. That these two models differ on such text is sure\.",
        text,
    )
    assert "Every run was trained with one seed" in text
    assert "A difference of 0.001 means nothing here." in text
    assert "No task was measured for the reference and another run." in text


def test_losses_come_first_and_by_language_with_their_differences(page: str) -> None:
    rows = re.findall(r'<tr( class="all")?><th scope="row">(\w+)</th><td>(\d\.\d{4})</td><td>(\d\.\d{4}) <small', page)
    assert [language for _, language, _, _ in rows[:6]] == ["mean", "en", "fi", "la", "sme", "sv"]
    assert re.search(r'<small class="under">−0\.\d{4} ± 0\.\d{4} <span class="yes">✓</span></small>', page)


def test_a_reference_that_is_best_is_told_with_the_next(results: Path) -> None:
    found = read_comparison(results, RUNS)
    assert found
    quality = found["quality"] | {"losses": {"small": {"loss": 4.0}, "small-fi": {"loss": 4.1}}}
    lines = [line("small-fi", 0.1, 0.05, "worse", language=None, length=256, reference_loss=4.0)]
    first, *_ = changed(results, quality=quality, losses=lines)["answer"]
    assert first.startswith("small, the reference, has the lowest held-out loss: 4.0000 nats")
    assert "The next is small-fi, with a difference of +0.1000 ± 0.0500" in first
    assert first.endswith("That these two models differ on such text is sure.")
    lines = [line("small-fi", 0.1, 0.2, "unclear", language=None, length=256, reference_loss=4.0)]
    assert changed(results, quality=quality, losses=lines)["answer"][0].endswith("That may be chance.")


@pytest.mark.parametrize(
    ("tasks", "expected"),
    [
        ([task("small-fi", 0.0, 0.1, "unclear")], "No run is surely better or worse than small on topic."),
        (
            [task("small-fi", 0.1, 0.02, "better"), task("small-theta", -0.1, 0.05, "worse", "words")],
            "On tasks, surely better than small is small-fi in topic by 0.1000 ± 0.0200; surely worse than small is "
            "small-theta in words by 0.1000 ± 0.0500.",
        ),
    ],
)
def test_tasks_with_sure_differences_are_named(results: Path, tasks: list[dict[str, Any]], expected: str) -> None:
    assert changed(results, tasks=tasks)["answer"][1] == expected


def test_the_spread_of_seeds_is_told_where_there_are_several(results: Path) -> None:
    found = read_comparison(results, RUNS)
    assert found
    runs = {
        "small": found["runs"]["small"] | {"seeds": ["small", "small-theta"]},
        "small-fi": found["runs"]["small-fi"],
    }
    spread = {"standard_deviation": 0.01, "largest_range": 0.03, "groups": 1}
    *_, seeds, alone = changed(results, runs=runs, seed_spread=spread)["answer"]
    assert seeds.startswith(
        "Seeds of one run lie apart by a standard deviation of 0.0100 in loss, at most 0.0300 (small)"
    )
    assert alone.startswith("small-fi has one seed: between two such runs a difference below 0.0283 may be the seed")


def test_what_is_not_there_or_does_not_compare_is_told(results: Path) -> None:
    path = results / "comparison.json"
    content = read_json(path)
    nothing = {
        "losses": [],
        "bits_per_byte": [],
        "quality": None,
        "tasks": [],
        "ladders": [],
        "incomparable": {"small-fi": "Why."},
    }
    write_json(path, content | nothing)
    page = render(Results(results), "t", RUNS)
    assert "No held-out losses can be compared." in page
    assert "<p>Not compared: Why.</p>" in page
    path.unlink()
    assert "Runs have not been compared yet" in render(Results(results), "t", RUNS)
    write_json(path, {"format": 1})
    with pytest.raises(UserError, match="is no comparison of runs"):
        render(Results(results), "t", RUNS)


def test_a_report_of_some_runs_tells_of_those_alone(results: Path) -> None:
    page = render(Results(results), "t", ["small", "small-theta"])
    assert "small-fi</" not in page.partition('<section id="models">')[0]
    assert "small, the reference, has the lowest held-out loss" in page
    assert "No other run has losses" not in page


def test_runs_of_another_tokenizer_are_compared_in_bits_per_byte(results: Path) -> None:
    path = results / "comparison.json"
    content = read_json(path)
    facts = {"length": None, "loss": 1.9, "reference_loss": 2.0}
    lines = [line("small-fi", -0.1, 0.04, "better", language=language, **facts) for language in (None, "fi")]
    write_json(path, content | {"bits_per_byte": lines})
    page = " ".join(render(Results(results), "t", RUNS).split())
    assert "Of runs with another tokenizer, small-fi has the fewest bits per byte: 1.9000, beside small a" in page
    assert "difference of −0.1000 ± 0.0400 (95 % interval −0.1400 to −0.0600). That is surely better." in page
    assert "Bits per byte, where tokenizers differ" in page


def test_one_run_has_nothing_to_compare_it_with(results: Path) -> None:
    found = read_comparison(results, RUNS)
    assert found
    quality = found["quality"] | {"losses": {"small": {"loss": 4.0}}}
    answer = changed(results, quality=quality, runs={"small": found["runs"]["small"]}, losses=[])["answer"]
    assert len(answer) == 1
    assert answer[0].startswith("The held-out loss of small is 4.0000 nats")
    answer = changed(results, quality=quality, losses=[])["answer"]
    assert answer[0].startswith("No other run has losses that compare with small's. The held-out loss of small is 4.0")


def test_a_ladder_is_told_with_how_far_off_it_was(results: Path) -> None:
    path = results / "comparison.json"
    content = read_json(path)
    rungs = [{"run": run, "flops": 10.0 ** (12 + k), "parameters": 1, "loss": 5.0 - k} for k, run in enumerate(RUNS)]
    curve = {"form": "power", "unit": 1e13, "a": 1.0, "b": 3.0, "c": 0.1}
    check = {"run": RUNS[2], "from": list(RUNS[:2]), "curve": curve | {"form": "line"}, "trained": 3.1}
    check |= {"foretold": {"value": 3.0, "interval": [2.9, 3.1]}, "off": {"value": 0.1, "interval": [-0.05, 0.25]}}
    quality = content["quality"]
    ladder = {"runs": rungs, "length": quality["length"], "languages": quality["languages"], "rows": 100}
    write_json(path, content | {"ladders": [ladder | {"curve": curve, "check": check}]})
    page = " ".join(render(Results(results), "t", RUNS).split())
    assert (
        "From small and small-fi, which are two, a line in the logarithm of compute foretells a loss of 3.0000" in page
    )
    assert "It reached 3.1000, 0.1000 above that (−0.0500 to +0.2500)." in page
    del ladder["length"], ladder["rows"]
    write_json(path, content | {"ladders_in_bits": [ladder | {"tokenizer": "x", "curve": curve, "check": check}]})
    page = " ".join(render(Results(results), "t", RUNS).split())
    assert "and peak rate alone, in bits per byte, as runs with other tokenizers are, in" in page
    assert "foretells 3.0000 bits per byte for" in page
    write_json(path, content | {"ladders": [ladder | {"length": 64, "curve": curve, "check": None}]})
    assert "Of two runs nothing can be foretold and checked" in render(Results(results), "t", RUNS)


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0.8e12, 7e12, [1e12, 2e12, 5e12]),
        (4e12, 3e13, [5e12, 1e13, 2e13]),
        (3e11, 4e20, [10.0**p for p in range(12, 21, 2)]),
    ],
)
def test_a_logarithmic_axis_has_some_round_numbers(low: float, high: float, ticks: list[float]) -> None:
    assert log_ticks(low, high) == pytest.approx(ticks)


def test_runs_of_equal_compute_are_drawn_side_by_side() -> None:
    first, second, other = side_by_side([1e12, 1e12, 1e14])
    assert first < 1e12 < second < 1.5e12
    assert first * second == pytest.approx(1e24)
    assert other == pytest.approx(1e14)


def test_large_numbers_are_written_with_a_power_of_ten() -> None:
    assert [scientific(value) for value in (1e15, 2.44e12, 5e20)] == ["10¹⁵", "2.4×10¹²", "5×10²⁰"]


def test_differences_are_drawn_with_their_intervals_and_none_where_nothing_compares(results: Path) -> None:
    found = read_comparison(results, RUNS)
    assert found
    assert "loss less that of small" in differences(found)
    assert differences(found | {"losses": []}) == ""
