"""Questions from text: answered in one place, as far away as is asked for, the same each time; what cannot is told."""

from __future__ import annotations

import json
import random
import re
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import UserError
from corpus.sampling.documents import split_texts
from corpus.sampling.sample import sample
from evaluation.understanding import make_questions
from evaluation.understanding.examples import read_splits
from evaluation.understanding.questions import GAP, evidence_in, questions
from recipe.slices.files import to_json
from recipe.slices.types import QuestionsSlice, SourceSlice, UnderstandingSlice

EDGES = [0, 100, 200, 400]
PER_TOKEN = 4.0


def documents(number: int, seed: int) -> list[str]:
    """Documents of sentences of ten words that stand nowhere else."""
    chance = random.Random(seed)

    def word() -> str:
        return "".join(chance.choice("aeioukstnlrm") for _ in range(chance.randint(4, 9)))

    def sentence() -> str:
        return " ".join(word() for _ in range(10)).capitalize() + "."

    return [
        "\n".join(" ".join(sentence() for _ in range(3)) for _ in range(chance.randint(1, 4))) for _ in range(number)
    ]


def test_an_answer_stands_in_one_place_as_far_away_as_is_asked_for() -> None:
    found = list(questions(documents(60, 1), 90, 400, EDGES, PER_TOKEN, "key"))
    for number, record in enumerate(found):
        (answer,), (start,) = record["answers"]["text"], record["answers"]["answer_start"]
        context = record["context"]
        assert context.startswith(answer, start)
        assert context.casefold().count(answer.casefold()) == 1
        assert answer not in record["question"]
        begin, end = EDGES[number % 3], EDGES[number % 3 + 1]
        at = (len(record["question"]) + start) / PER_TOKEN
        # Words are not cut, and of the farthest passages all is there.
        assert begin - 5 <= at < end or at > 400 - 60
        assert 380 < (len(context) + len(record["question"])) / PER_TOKEN <= 400
    assert found == list(questions(documents(60, 1), 90, 400, EDGES, PER_TOKEN, "key"))
    assert found[:10] == list(questions(documents(60, 1), 10, 400, EDGES, PER_TOKEN, "key"))
    assert found != list(questions(documents(60, 1), 90, 400, EDGES, PER_TOKEN, "another"))


def test_a_question_is_its_sentence_with_a_gap_and_fewer_words() -> None:
    (text,) = documents(1, 3)
    chance = random.Random(1)
    shorter = 0
    for _ in range(50):
        evidence = evidence_in(text, chance)
        assert evidence is not None
        assert evidence.passage.startswith(evidence.answer, evidence.start)
        before, after = (part.split() for part in evidence.question.split(GAP))
        assert len(before) + len(after) >= 4
        pattern = r"\b.*".join(map(re.escape, [*before, evidence.answer, *after]))
        assert re.search(pattern, evidence.passage)
        shorter += len(before) + len(after) + len(evidence.answer.split()) < 10
    assert shorter > 30


@given(text=st.text(st.sampled_from("aäö .,!?\n«–1 "), max_size=400), seed=st.integers(0, 99))
def test_whatever_stands_in_a_text_evidence_is_found_where_it_is_told_or_there_is_none(text: str, seed: int) -> None:
    if evidence := evidence_in(text, random.Random(seed)):
        assert evidence.passage.startswith(evidence.answer, evidence.start)
        assert evidence.question.split().count(GAP) >= 1


def test_too_little_text_or_no_sentences_are_told() -> None:
    with pytest.raises(UserError, match=r"in 2 documents, too few for contexts of 400 tokens; name a source with more"):
        list(questions(documents(2, 1), 1, 400, EDGES, PER_TOKEN, "key"))
    with pytest.raises(UserError, match="none has a sentence of 8 to 40 words"):
        list(questions(["vasara " * 9] * 90, 1, 400, EDGES, PER_TOKEN, "key"))


def test_the_command_makes_readable_splits_of_different_documents_and_the_same_bytes_again(
    tokenizer_manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw, manifest = tmp_path / "raw.jsonl", tmp_path / "it's a source" / "manifest.json"
    raw.write_text("".join(json.dumps({"text": text}) + "\n" for text in documents(240, 5)))
    sample(SourceSlice(name="one", seed=1, language="fi", files=[str(raw)], held_out=0.4), [raw], manifest, workers=1)
    content = QuestionsSlice(source="one", seed=1, train=20, dev=6, test=9, edges=[100, 200, 400])
    (tmp_path / "slice.json").write_text(to_json(content))
    made = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        arguments = ["--slice", tmp_path / "slice.json", "--documents", manifest, "--output", folder]
        arguments += ["--tokenizer", tokenizer_manifest.parent / "tokenizer.json"]
        monkeypatch.setattr(sys, "argv", ["command", *map(str, arguments)])
        make_questions.main()
        made.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert made[0] == made[1]
    files = {part: str(tmp_path / "a" / f"{part}.jsonl.zst") for part in ("train", "dev", "test")}
    task = {"name": "far", "kind": "qa", "language": "fi", "seed": 1, "learning_rates": [1e-4], "seeds": 1, "epochs": 1}
    task |= {"batch": 8, "length": 64, "warmup": 0.1}
    splits = read_splits(UnderstandingSlice.model_validate(task | files), 1)
    assert [len(part) for part in (splits.train, splits.dev, splits.test)] == [20, 6, 9]
    training, held_out = ("\n".join(split_texts(manifest, split)) for split in ("train", "validation"))
    for part, own, other in (("train", training, held_out), ("dev", held_out, training), ("test", held_out, training)):
        answers = [one.answers[0] for one in getattr(splits, part)]
        assert all(answer in own for answer in answers)
        assert sum(answer in other for answer in answers) < len(answers) / 2
