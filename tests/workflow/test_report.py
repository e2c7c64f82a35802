"""The report: all that was trained and measured, in one file that needs nothing else, from files alone."""

import json
import re
import subprocess
import sys
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import UserError
from common.files import read_json, write_json
from tests.workflow.finished import PARAMETERS, RUNS, STEPS, change
from workflow.report.html import fill_rows, render
from workflow.report.metrics import read_metrics
from workflow.report.mixtures import mixture_rows
from workflow.report.results import HeldOut, Results, shown, unique_phases

ROOT = Path(__file__).parents[2]
VOID = {"meta", "br", "hr", "img", "link", "input"}


class Checker(HTMLParser):
    """Collects tags, and every attribute that makes a browser fetch or run something."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.unclosed: list[str] = []
        self.fetched: list[str] = []
        self.targets: set[str] = set()
        self.links: set[str] = set()
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attributes:
            if name in ("src", "href", "xlink:href", "action", "data", "poster", "srcset"):
                if (value or "").startswith("#"):
                    self.links.add((value or "")[1:])
                else:
                    self.fetched.append(value or "")
            if name == "id":
                self.targets.add(value or "")
            if name.startswith("on"):
                self.fetched.append(f"{name}={value}")

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.unclosed.append(tag)


def test_page_is_well_formed_and_needs_no_other_file(page: str) -> None:
    checker = Checker()
    checker.feed(page)
    assert page.startswith("<!DOCTYPE html>")
    assert not checker.unclosed
    assert not checker.open
    assert not checker.fetched
    assert not {"script", "link", "iframe", "img", "object"} & set(checker.tags)
    assert checker.links <= checker.targets
    assert not re.search(r"https?:|url\((?!#)|@import", page)


def test_every_run_has_its_row_and_its_figures(page: str) -> None:
    for run in RUNS:
        assert f'<th scope="row"><b>{run}</b></th>' in page
        assert page.count(f"<figcaption><b>{run}</b>") == 3
    assert page.count("<svg") == 3 * len(RUNS) + 9


def test_text_of_users_and_models_is_escaped(page: str) -> None:
    assert "A &lt;title&gt; &amp; more" in page
    assert "&lt;b&gt;" in page
    assert "<title> " not in page


def test_made_text_is_labelled_and_the_page_called_a_demonstration(page: str) -> None:
    assert "This is a demonstration" in page
    assert re.search(r'words-la <em class="made">', page)
    assert not re.search(r'udhr-fi <em class="made">', page)


def test_text_that_is_not_made_gives_no_notice(results: Path) -> None:
    notes = read_json(results / "recipe" / "notes.json")
    # A note may speak of what is made: the recipe's key decides.
    change(results / "recipe" / "notes.json", **{key: {"note": "made available", "made": False} for key in notes})
    page = render(Results(results), "t", RUNS)
    assert "demonstration" not in page
    assert '<em class="made">' not in page


def test_how_unequally_languages_are_served_is_told_with_each_tokenizers_objective(results: Path, page: str) -> None:
    assert '<th scope="row">Gini coefficient</th><td></td><td></td><td>0.1234</td>' in page
    assert '<th scope="col">demo<small>4,000 entries</small></th>' in page
    config = read_json(results / "recipe" / "recipe.json")
    config["tokenizers"]["demo"]["objective"] = "parity"
    write_json(results / "recipe" / "recipe.json", config)
    change(results / "fertility" / "demo.json", gini=0.0056)
    page = render(Results(results), "t", RUNS)
    assert "<td>0.0056</td>" in page
    assert '<th scope="col">demo<small>4,000 entries, parity</small></th>' in page


def test_tokenizers_stand_side_by_side_and_an_absent_one_is_told(results: Path) -> None:
    config = read_json(results / "recipe" / "recipe.json")
    config["evaluation"]["tokenizers"] = ["far/away", "near/by"]
    write_json(results / "recipe" / "recipe.json", config)
    near = read_json(results / "fertility" / "demo.json") | {"vocabulary": 250_002, "gini": None}
    near["rows"] = [row | {"tokens_per_word": 1.111, "unknown": 867} for row in near["rows"] if row["language"] == "fi"]
    near["sources"] = []
    write_json(results / "fertility" / "foreign" / "near--by.json", near)
    absent = {"format": 1, "tokenizer": "far/away", "unmeasured": "it needs the <hub>."}
    write_json(results / "fertility" / "foreign" / "far--away.json", absent)
    page = render(Results(results), "t", RUNS)
    assert '<th scope="col">near/by<small>250,002 entries</small></th>' in page
    assert '<th scope="row">fi</th><td>12</td><td>1,000</td><td>1.73</td><td>1.11 <small' in page
    assert "(50.0)</small></td></tr>" in page
    assert '<th scope="row">sv</th><td>12</td><td>1,000</td><td>1.73</td><td>–</td>' in page
    assert "far/away was not measured: it needs the &lt;hub&gt;." in page
    assert '<th scope="row">udhr-fi</th><td>12</td>' in page
    (results / "fertility" / "foreign" / "near--by.json").unlink()
    assert "near/by" not in render(Results(results), "t", RUNS), "not measured yet"
    change(results / "fertility" / "demo.json", rows=[{"language": "fi"}])
    with pytest.raises(UserError, match=r"demo.json is no fertility of a tokenizer"):
        render(Results(results), "t", RUNS)


def test_numbers_come_from_the_files(results: Path, page: str) -> None:
    mlm = read_json(results / "evaluation" / "small" / "mlm.json")
    mlm["rows"][0] |= {"loss": 4.3217, "loss_stderr": 0.0123, "unigram_loss": 6.7654, "accuracy": 0.3456}
    change(results / "evaluation" / "small" / "mlm.json", rows=mlm["rows"])
    change(results / "corpus" / "udhr-fi" / "manifest.json", read=98765, dropped={"too short": 4321})
    rows = read_json(results / "fertility" / "demo.json")["rows"]
    rows[0]["tokens_per_word"] = 8.76
    change(results / "fertility" / "demo.json", rows=rows)
    pointer = results / "runs" / "small" / "stable" / "checkpoint.json"
    change(pointer, manifest_sha256="abc123" * 10)
    state = pointer.parent / read_json(pointer)["checkpoint"] / "state.json"
    change(state, world_size=77, versions={"torch": "9.8.7"})
    metrics = pointer.with_name("metrics.jsonl")
    lines = [json.loads(line) for line in metrics.read_text().splitlines()]
    lines = [line | {"loss": 3.4567, "tokens_per_second": 54321.0, "memory_bytes": 91_230_000_000} for line in lines]
    metrics.write_text("".join(json.dumps(line) + "\n" for line in lines))
    after = render(Results(results), "A <title> & more", RUNS)
    for text in (
        "4.3217",
        "0.0123",
        "6.7654",
        "<td>34.6</td>",
        "4.322 ",
        "98,765",
        "4,321 too short",
        "<td>8.76</td>",
        "abc123abc123",
        "torch 9.8.7",
        "<td>77</td>",
        "<td>3.457</td>",
        "<td>54,321</td>",
        "<td>91.23</td>",
    ):
        assert text not in page
        assert text in after


def test_a_loss_that_is_not_below_the_baseline_stands_in_the_first_lines(results: Path) -> None:
    mlm = read_json(results / "evaluation" / "small-fi" / "mlm.json")
    mlm["rows"][0]["loss"] = 7.3
    mlm["rows"][1]["loss"] = 9.0
    change(results / "evaluation" / "small-fi" / "mlm.json", rows=mlm["rows"])
    page = render(Results(results), "t", RUNS)
    assert "28 of 30 held-out losses are clearly below the unigram baseline" in page
    assert "not so small-fi: en at 128, small-fi: en at 256" in page
    assert '<span class="unclear">?</span>' in page


def test_a_phase_whose_loss_rises_is_named(results: Path) -> None:
    metrics = results / "runs" / "small" / "annealing" / "metrics.jsonl"
    metrics.write_text("".join(reversed(metrics.read_text().splitlines(keepends=True))))
    assert "Training loss falls in 5 of 6 phases; not in small/annealing." in render(Results(results), "t", RUNS)


def test_shares_asked_for_follow_factors_and_tokens(finished: Path) -> None:
    results = Results(finished)
    stable = results.phases("small")[0]
    shares = {row["source"]: row["asked"] for row in mixture_rows(results, stable)}
    # Every made shard has as many tokens: the shares are those of the factors, 5 x 8 + 3 x 2 + 2 x 0.5 + 1 + 2 x 3.
    assert shares["udhr-fi"] == pytest.approx(8 / 54)
    assert shares["faq-sv"] == pytest.approx(3 / 54)
    for phase in unique_phases(results.phases(run) for run in RUNS):
        assert sum(row["asked"] for row in mixture_rows(results, phase)) == pytest.approx(1)
        assert sum(row["drawn"] for row in mixture_rows(results, phase)) == pytest.approx(1)


def test_rows_of_all_documents_and_of_a_range_of_words_are_counted_apart(finished: Path) -> None:
    results = Results(finished)
    rows = fill_rows(results, unique_phases(results.phases(run) for run in RUNS))
    kinds = {(row["length"], row["least"], row["most"]) for row in rows}
    assert kinds == {(128, 0, None), (192, 0, 100), (192, 100, None), (256, 0, None), (256, 0, 100), (256, 100, None)}
    assert all(row["rows"] == 50 * 13 for row in rows if row["length"] == 192)


def test_shared_phases_are_read_and_shown_once(finished: Path) -> None:
    results = Results(finished)
    lineages = [results.phases(run) for run in RUNS]
    assert lineages[0][0] is lineages[1][0] is lineages[2][0]
    assert [phase.name for phase in unique_phases(lineages)] == [
        "small/stable",
        "small/extension",
        "small/annealing",
        "small-fi/annealing-fi",
        "small-theta/extension-theta",
        "small-theta/annealing-theta",
    ]


def test_parameters_are_counted_in_the_weights(finished: Path) -> None:
    assert Results(finished).model("small").parameters == PARAMETERS


@pytest.mark.parametrize(
    ("loss", "stderr", "verdict"),
    [(5.0, 0.1, "yes"), (5.9, 0.1, "unclear"), (6.1, 0.1, "unclear"), (6.3, 0.1, "no"), (5.0, None, "unclear")],
)
def test_verdict_allows_for_the_standard_error(loss: float, stderr: float | None, verdict: str) -> None:
    assert HeldOut("fi", 128, 10, 100, loss, stderr, 0.1, 6.0, [], []).verdict == verdict


def test_ends_are_means_of_the_first_and_last_steps(finished: Path) -> None:
    metrics = read_metrics(finished / "runs" / "small" / "stable" / "metrics.jsonl")
    assert metrics.ends() == (metrics["loss"][:2].mean(), metrics["loss"][-2:].mean())
    assert len(metrics["loss"]) == STEPS
    assert metrics.seconds() == pytest.approx(STEPS * 0.5)
    assert metrics.wait_share() == pytest.approx(0.02)


def test_a_language_absent_from_a_batch_has_no_loss_there(finished: Path) -> None:
    metrics = read_metrics(finished / "runs" / "small" / "stable" / "metrics.jsonl")
    assert np.isnan(metrics.language_loss["en"][::3]).all()
    assert not np.isnan(metrics.language_loss["fi"]).any()


def test_a_language_that_most_batches_lack_has_no_curve(finished: Path, tmp_path: Path) -> None:
    lines = (finished / "runs" / "small" / "stable" / "metrics.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    for row in rows[:-1]:
        row["language_loss"].pop("la", None)
    path = tmp_path / "metrics.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert set(read_metrics(path).frequent()) == {"en", "fi", "sme", "sv"}
    assert "la" in read_metrics(path).language_loss


def test_tokens_of_other_sources_than_asked_for_are_told(results: Path) -> None:
    pointer = results / "runs" / "small" / "stable" / "checkpoint.json"
    state = pointer.parent / read_json(pointer)["checkpoint"] / "state.json"
    change(state, position=read_json(state)["position"] | {"drawn": {"udhr-fi": 10}})
    page = render(Results(results), "t", RUNS)
    # All of the phase came from one source, which should have given 8 of 54.
    assert "At most 85.19 % of a phase's tokens are of other sources than asked for (small/stable)" in unescape(page)


@pytest.mark.parametrize("line", ["{", '{"step": 1}', "[]", '"text"'])
def test_a_broken_line_of_metrics_is_named(tmp_path: Path, finished: Path, line: str) -> None:
    whole = (finished / "runs" / "small" / "stable" / "metrics.jsonl").read_text().splitlines(keepends=True)
    broken = tmp_path / "metrics.jsonl"
    broken.write_text("".join(whole[:3]) + line)
    with pytest.raises(UserError, match=r"metrics\.jsonl line 4"):
        read_metrics(broken)


@pytest.mark.parametrize(
    "place",
    [
        "recipe/notes.json",
        "evaluation/small/mlm.json",
        "corpus/udhr-fi/manifest.json",
        "runs/small/stable/metrics.jsonl",
        "models/small/model.safetensors",
    ],
)
def test_a_missing_file_is_named(results: Path, place: str) -> None:
    (results / place).unlink()
    with pytest.raises(UserError, match=place):
        render(Results(results), "t", RUNS)


def test_a_result_without_a_number_is_named(results: Path) -> None:
    rows = read_json(results / "evaluation" / "small" / "mlm.json")["rows"]
    del rows[3]["accuracy"]
    change(results / "evaluation" / "small" / "mlm.json", rows=rows)
    with pytest.raises(UserError, match=r"small/mlm\.json: a row has no accuracy"):
        render(Results(results), "t", RUNS)


def test_equal_files_give_equal_bytes(finished: Path, page: str) -> None:
    assert render(Results(finished), "A <title> & more", RUNS) == page


@given(st.text())
def test_a_token_shown_is_never_blank(token: str) -> None:
    assert shown(token).strip()


def test_command_writes_the_report_of_the_named_runs(finished: Path, tmp_path: Path) -> None:
    output = tmp_path / "report.html"
    command = [
        sys.executable,
        "-m",
        "workflow.report.html",
        "--results",
        finished,
        "--title",
        "Two",
        "--output",
        output,
    ]
    done = subprocess.run([*command, "--runs", "small-fi", "small"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    page = output.read_text()
    assert "2 ModernBERT encoders" in page
    assert page.index("<b>small-fi</b>") < page.index("<b>small</b>")
    assert "small-theta" not in page


def test_what_led_to_each_model_is_told_step_by_step(page: str) -> None:
    table = page.partition('id="lineage"')[2].partition("</section>")[0]
    rows = [re.sub(r"<[^>]+>", " ", row).split() for row in re.findall(r"<tr>.*?</tr>", table)[1:]]
    assert rows[0][:4] == [RUNS[0], f"1–{STEPS}", f"{RUNS[0]}:", "stable"]
    assert rows[1][-1] == "70–79"
    assert "5e-4" in table or "0.0005" in table
