"""Held-out text and evaluation sets: what of them stands in training text is found, counted by set, and cut."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.errors import UserError
from corpus.duplicates.held_out import HeldOut
from corpus.duplicates.words import words_of
from recipe.duplicates import Duplicates, EvaluationSet
from tests.corpus.duplicates.compared import Corpus, changed, prose

ONE = {"web": Duplicates(near=False)}


def runs_of(text: str, length: int) -> set[tuple[str, ...]]:
    words = text.lower().split()
    return {tuple(words[n : n + length]) for n in range(len(words) - length + 1)}


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**6), words=st.integers(3, 13))
def test_no_run_of_words_of_a_held_out_document_is_left_in_training_text(
    tmp_path_factory: pytest.TempPathFactory, seed: int, words: int
) -> None:
    rng = random.Random(seed)
    corpus = Corpus(tmp_path_factory.mktemp("property"))
    passages = [prose(n, rng.randrange(2, 60), rng.randrange(1, 30)) for n in range(30)]
    texts = ["\n".join(rng.sample(passages, rng.randrange(1, 4))) for _ in range(60)]
    corpus.write("web", [*texts, *(prose(1000 + n) for n in range(20))])
    corpus.compare(ONE, held_out_share=0.15, words=words)
    held_out = [*corpus.texts("web", "validation"), *corpus.texts("web", "test")]
    # What is cut may bring lines together that were apart: a run of words counts within what was one stretch.
    for text in corpus.texts("web"):
        for other in held_out:
            shared = runs_of(text, words) & runs_of(other, words)
            assert not any(" ".join(run) in " ".join(whole.lower().split()) for run in shared for whole in texts)


def test_lines_are_cut_wherever_a_run_touches_them_and_others_stay(tmp_path: Path) -> None:
    corpus = Corpus(tmp_path)
    (tmp_path / "task.jsonl").write_text(json.dumps({"question": prose(1, 40, 40), "n": 3}) + "\n")
    inside = " ".join(prose(1, 40, 40).split()[10:23])
    few = " ".join(prose(1, 40, 40).split()[10:22])
    clean = [prose(2), f"{few} ja muuta"]
    corpus.write("web", [*clean, f"{prose(3)}\nTässä: {inside.upper()}!\n{prose(4)}", f"{prose(5)}\n{inside}"])
    sets = {"task": EvaluationSet(files=[str(tmp_path / "task.jsonl")], fields=["question", "context"])}
    told = corpus.compare(ONE, sets=sets)
    expected = [*clean, f"{prose(3)}\n{prose(4)}", prose(5)]
    assert sorted(corpus.texts("web")) == sorted(expected)
    assert told["sets"]["task"] == {"web": {"documents": 2, "lines": 2, "bytes": told["sets"]["task"]["web"]["bytes"]}}
    assert corpus.manifest("web")["changed"] == {"held-out line": 2}
    assert len(corpus.manifest("web")["removed"]["held-out line"]) == 2


def test_shorter_lines_are_found_as_a_whole_and_the_shortest_not_at_all(tmp_path: Path) -> None:
    corpus = Corpus(tmp_path)
    (tmp_path / "queries.jsonl").write_text(
        '{"text": "Mikä on Suomen pisin joki?"}\n{"text": "Kuka hän oli?"}\n', encoding="utf-8"
    )
    corpus.write("web", [f"mikä on suomen pisin joki\n{prose(1)}", f"kuka hän oli\n{prose(2)}"])
    corpus.compare(ONE, sets={"queries": EvaluationSet(files=[str(tmp_path / "queries.jsonl")])})
    assert sorted(corpus.texts("web")) == sorted([prose(1), f"kuka hän oli\n{prose(2)}"])


def test_a_document_that_is_mostly_held_out_text_is_dropped_and_its_share_is_a_key(tmp_path: Path) -> None:
    corpus = Corpus(tmp_path)
    (tmp_path / "task.jsonl").write_text(json.dumps({"text": prose(1, 100)}) + "\n")
    sets = {"task": EvaluationSet(files=[str(tmp_path / "task.jsonl")])}
    corpus.write("web", [f"{prose(1, 100)}\n{prose(2, 40)}", prose(3)])
    told = corpus.compare(ONE, sets=sets)
    assert corpus.texts("web") == [prose(3)]
    assert told["sources"]["web"]["dropped"] == {"mostly held-out text": 1}
    corpus.compare(ONE, sets=sets, max_share=0.9)
    assert sorted(corpus.texts("web")) == sorted([prose(2, 40), prose(3)])


def test_near_copies_of_held_out_documents_leave_the_training_split(tmp_path: Path) -> None:
    corpus = Corpus(tmp_path)
    rng = random.Random(4)
    texts = []
    for number in range(80):
        base = prose(number, 130)
        texts += [base, changed(base, rng.sample(range(130), 3))]
    corpus.write("web", texts)
    corpus.compare({"web": Duplicates()}, held_out_share=0.1, words=120)
    manifest = corpus.manifest("web")
    assert manifest["dropped"]["near copy of a held-out document"] > 5
    held_out = {text.split("\n")[0] for split in ("validation", "test") for text in corpus.texts("web", split)}
    assert sum(text.split("\n")[0] in held_out for text in corpus.texts("web")) <= 3
    only_counted = Corpus(tmp_path / "counted")
    only_counted.write("web", texts)
    told = only_counted.compare({"web": Duplicates()}, held_out_share=0.1, remove=False)
    assert len(only_counted.all_texts("web")) == len(texts)
    assert told["sets"]["held out of web"]["web"]["documents"] > 10


def test_a_set_without_text_or_files_is_told(tmp_path: Path) -> None:
    corpus = Corpus(tmp_path)
    corpus.write("web", [prose(1)])
    (tmp_path / "task.jsonl").write_text('{"question": "a b c d e f"}\n')
    with pytest.raises(UserError, match=r"evaluation set task holds no text .* under text in .*sets.task.fields"):
        corpus.compare(ONE, sets={"task": EvaluationSet(files=[str(tmp_path / "task.jsonl")])})
    with pytest.raises(UserError, match="no file matches"):
        corpus.compare(ONE, sets={"task": EvaluationSet(files=[str(tmp_path / "none.jsonl")])})


def test_a_run_of_several_sets_counts_for_each_and_lines_come_sorted(tmp_path: Path) -> None:
    corpus = Corpus(tmp_path)
    for name in ("one", "two"):
        (tmp_path / f"{name}.jsonl").write_text(json.dumps({"text": prose(1, 20)}) + "\n")
    corpus.write("web", [f"{prose(5)}\n{prose(1, 20)}", prose(6)])
    sets = {name: EvaluationSet(files=[str(tmp_path / f"{name}.jsonl")]) for name in ("one", "two")}
    told = corpus.compare(ONE, sets=sets)
    assert told["sets"]["one"] == told["sets"]["two"] != {}
    manifest = json.loads((tmp_path / "duplicates" / "held_out.json").read_text())
    known = HeldOut.read(manifest, tmp_path / "duplicates")
    lines, of_sets = known.find(words_of([prose(9).encode(), f"x\n{prose(1, 20)}\ny".encode()]))
    assert lines.tolist() == [7, 7]
    assert of_sets.tolist() == [1, 2]
