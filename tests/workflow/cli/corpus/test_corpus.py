"""`alasin corpus --dry`: what a person sees, at 80 columns, and what is written."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from corpus.demo.package_text import udhr
from corpus.hub.files import HubFile
from corpus.hub.lists import write_list
from recipe.hub import list_name

ROOT = Path(__file__).parents[4]
REST = """
mixtures: {all: {factors: {mine: 1}}}
tokenizers: {mine: {vocabulary: 4000, sample_bytes: 5_000_000, mixture: all}}
models: {tiny: {tokenizer: mine, layers: 4, hidden: 128, heads: 4, intermediate: 192}}
phases:
  stable:
    stages:
      - {length: 128, tokens: 1e6, batch: {tokens: 4096}, learning_rate: {peak: 1e-3}, rope_theta: 1e4, mixture: all}
runs: {first: {model: tiny, phases: [stable]}}
evaluation: {lengths: [128]}
"""
SOURCES = """
title: "Mine <b>"
sources:
  mine: {language: fi, files: [mine.jsonl], cleaning: {language: {paragraphs: true, min_score: 0.3}, quality: true}}
  other: {language: fi, files: [mine.jsonl], filters: {min_words: 15}}
  absent: {language: fi, files: [absent.jsonl]}
"""


@pytest.fixture
def recipe(tmp_path):
    texts = [record["text"] for language in ("fi", "en") for record in udhr(language)]
    texts += ["<script>alert(1)</script>\x1b[31m\u202e punainen"]
    (tmp_path / "mine.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    path = tmp_path / "mine.yaml"
    path.write_text(SOURCES + REST)
    return path


def run(recipe, *more):
    command = [sys.executable, "-m", "workflow.cli", "corpus", recipe, "--directory", recipe.parent, *more]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_person_sees_what_each_filter_would_drop_and_nothing_is_written(recipe):
    before = sorted(recipe.parent.rglob("*"))
    done = run(recipe, "--dry")
    assert done.returncode == 0, done.stderr
    assert sorted(recipe.parent.rglob("*")) == before
    shown = done.stdout
    assert all(len(line) <= 80 for line in shown.splitlines())
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "mine (fi): 17 documents from 1 file" in shown
    assert "no line in its language" in shown
    assert "words < 50" in shown
    assert "not in the recipe; the defaults of its language would do this as well" in shown
    assert "  filters  words < 15" in shown
    assert "mostly dropped for" in shown
    assert "absent: its files are not there yet (absent.jsonl)" in done.stderr


def test_a_page_and_numbers_are_written_where_asked_with_text_that_cannot_act(recipe, tmp_path):
    folder = tmp_path / "looked" / "at"
    done = run(recipe, "--dry", "--source", "mine", "--documents", "12", "--output", folder)
    assert done.returncode == 0, done.stderr
    assert f"Examples of all that would be removed: {folder / 'cleaning.html'}" in done.stdout
    (mine,) = json.loads((folder / "cleaning.json").read_text())["sources"]
    assert (mine["source"], mine["documents"], mine["read"]) == ("mine", 12, 17)
    short = next(each for each in mine["filters"] if each["reason"] == "words < 50")
    numbers = [int(example["number"]) for example in short["refused"]]
    assert numbers == sorted(numbers, reverse=True)
    assert len(numbers) > 1
    page = (folder / "cleaning.html").read_text()
    assert "<script" not in page
    assert "Mine &lt;b&gt;" in page


def test_files_of_the_hub_are_looked_at_once_they_are_fetched(recipe):
    address = "hf://datasets/some/where/mine.jsonl"
    recipe.write_text(recipe.read_text().replace("[absent.jsonl]", f"['{address}']"))
    done = run(recipe, "--dry", "--source", "absent")
    assert done.returncode == 1
    assert f"absent: its files are not there yet ({address})" in done.stderr
    fetched = recipe.parent / "mine.jsonl"
    file = HubFile("some/where", "0" * 40, "mine.jsonl", fetched.stat().st_size, None, "0" * 40)
    folder = recipe.parent / "results" / "hub"
    folder.mkdir(parents=True)
    write_list(folder / f"{list_name([address])}.json", [(address, file, fetched)])
    assert "absent (fi): 17 documents from 1 file" in run(recipe, "--dry", "--source", "absent").stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "error: alasin corpus needs --dry"),
        (["--dry", "--source", "mien"], "error: the recipe has no source mien; did you mean mine?"),
        (["--dry", "--source", "absent"], "error: no file of absent is in "),
        (["--dry", "--documents", "0"], "error: --documents is 0; give at least 1."),
    ],
)
def test_a_mistake_is_told_in_a_sentence(recipe, arguments, sentence):
    failed = run(recipe, *arguments)
    assert failed.returncode == 1
    assert sentence in failed.stderr
    assert "Traceback" not in failed.stderr
