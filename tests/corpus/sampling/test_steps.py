"""Steps of cleaning in the stage itself: what they leave, how they count it, and that no number of workers matters."""

import json
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from common.files import read_json
from corpus.demo.package_text import udhr
from corpus.sampling.account import Account
from corpus.sampling.sample import sample
from corpus.sampling.steps import steps_of
from corpus.sources.readers import Batch
from recipe.cleaning import Cleaning
from recipe.cleaning_defaults import settled
from recipe.slices.types import SourceSlice

ROOT = Path(__file__).parents[3]


def passages(language):
    return [record["text"] for record in udhr(language)]


FI, SV, EN = passages("fi"), passages("sv"), passages("en")


def source(cleaning, **settings):
    asked = settled(Cleaning.model_validate(cleaning), "fi")
    made = {"name": "x", "seed": 1, "language": "fi", "files": ["unused"], "held_out": 0, "cleaning": asked, **settings}
    return SourceSlice.model_validate(made)


def step(name, cleaning, texts):
    """Take texts through a step; return what is left, and the account."""
    batch, account = Batch("file"), Account()
    batch.add(texts, [{} for _ in texts], range(len(texts)))
    return steps_of(source(cleaning))[name](batch, account), account


def test_steps_follow_one_another_and_only_those_asked_for_are_taken():
    order = ["repair", "language", "filters", "quality", "private data"]
    assert list(steps_of(source({"language": True, "quality": True}))) == order
    assert list(steps_of(source({"repair": False, "private_data": []}))) == ["filters"]


def test_documents_in_another_language_are_dropped_with_the_language_and_the_number():
    left, account = step("language", {"language": {"min_score": 0.5}}, [FI[1], SV[1], EN[1]])
    assert left.texts == [FI[1].encode()]
    assert account.dropped == {"another language": 2}
    assert {removed.detail[:2] for removed in account.removed["another language"]} == {"sv", "en"}


def test_lines_in_another_language_are_cut_out_and_what_is_left_is_judged():
    mixed, english = f"{FI[1]}\n{EN[1]}\n{FI[2]}", f"{EN[1]}\n{EN[2]}"
    left, account = step("language", {"language": {"paragraphs": True, "min_score": 0.5}}, [mixed, english, FI[1]])
    assert left.texts == [f"{FI[1]}\n{FI[2]}".encode(), FI[1].encode()]
    assert left.characters == [len(text.decode()) for text in left.texts]
    assert left.lines == [0, 2]
    assert account.changed == {"lines in another language": 1}
    assert account.cut_bytes == {"lines in another language": len(EN[1].encode())}
    assert account.dropped == {"no line in its language": 1}


@pytest.mark.parametrize("text", [FI[1], f"{FI[1]}\n{FI[2]}"])
def test_what_is_all_in_its_language_is_left_as_it_is(text):
    left, account = step("language", {"language": {"paragraphs": True, "min_score": 0.5}}, [text])
    assert left.texts == [text.encode()]
    assert not account.changed


def test_a_document_is_dropped_for_the_first_measure_that_is_out_of_bounds():
    bounds = {"quality": {"min_words": 3, "max_duplicate_lines": 0.4, "min_stop_words": 0, "max_top_ngrams": {2: 1}}}
    other = {
        "max_top_ngrams": dict.fromkeys((2, 3, 4), 1),
        "max_newlines_per_word": 9,
        "max_duplicate_line_characters": 1,
    }
    bounds["quality"] |= {**other, "min_ended_lines": 0}
    left, account = step("quality", bounds, ["yksi kaksi kolme", "yksi\nyksi", "yksi kaksi"])
    assert left.texts == [b"yksi kaksi kolme"]
    assert account.dropped == {"duplicate_lines > 0.4": 1, "words < 3": 1}
    assert [removed.detail for removed in account.removed["duplicate_lines > 0.4"]] == ["0.5"]


def test_the_stage_leaves_the_same_whatever_the_workers_and_tells_what_it_removed(tmp_path):
    texts = [f"{fi}\n{en}" for fi, en in zip(FI, EN * 9, strict=False)] + EN + SV + [FI[0] * 9]
    file = tmp_path / "in.jsonl"
    file.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts * 3))
    cleaning = {"language": {"paragraphs": True, "min_score": 0.5}, "quality": {"min_words": 5, "min_stop_words": 0}}
    slice_ = source(cleaning, files=[str(file)])
    (tmp_path / "slice.json").write_text(slice_.model_dump_json())
    one, two = (tmp_path / name / "x" / "manifest.json" for name in ("one", "two"))  # apart, or one is taken over
    sample(slice_, [file], one, 1, 5000)
    command = [sys.executable, "-m", "corpus.sampling", "--slice", tmp_path / "slice.json", "--output", two]
    more = ["--workers", "2", "--part-bytes", "5000"]
    done = subprocess.run([*command, *more], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    manifest = read_json(two)
    assert manifest == read_json(one)
    steps = {entry["step"]: entry["documents"] for entry in manifest["steps"]}
    assert list(steps) == ["reading", "repair", "language", "filters", "quality", "private data"]
    assert steps["reading"] == len(texts) * 3 > steps["language"] > steps["quality"] > 0
    assert manifest["changed"]["lines in another language"] >= 3
    kept = [text for part in two.parent.glob("train*.parquet") for text in pq.read_table(part)["text"].to_pylist()]
    assert kept
    assert not [text for text in kept if any(en in text for en in EN)]
    assert "(no line in its language)" in done.stdout
