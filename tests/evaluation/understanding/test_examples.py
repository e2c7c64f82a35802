"""Examples: read from JSON Lines, Parquet, treebanks and data sets of the hub; mistakes told by file and line."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from common.errors import UserError
from evaluation.hub import HubAbsentError
from evaluation.understanding.examples import Question, Sentence, Text, TextWithLabels, read_splits
from recipe.understanding import LabelledExamples

# A sentence with a multiword token and an empty node, as the page of the format shows them.
TREEBANK = """# sent_id = 1
# text = vámonos al mar
1-2\tvámonos\t_\t_\t_\t_\t_\t_\t_\t_
1\tvamos\tir\tVERB\t_\t_\t0\troot\t_\t_
2\tnos\tnosotros\tPRON\t_\t_\t1\tobj\t_\t_
2.1\tcafé\tcafé\tNOUN\t_\t_\t_\t_\t_\t_
3-4\tal\t_\t_\t_\t_\t_\t_\t_\t_
3\ta\ta\tADP\t_\t_\t5\tcase\t_\t_
4\tel\tel\tDET\t_\t_\t5\tdet\t_\t_
5\tmar\tmar\tNOUN\t_\t_\t1\tobl\t_\tSpaceAfter=No

# sent_id = 2
1\t10 000\t10 000\tNUM\t_\t_\t0\troot\t_\t_
"""


def task(kind: str, train: Path | str, test: Path | str = "", **more: Any) -> LabelledExamples:
    paths = {"train": str(train), "dev": str(train), "test": str(test or train)}
    return LabelledExamples.model_validate({"kind": kind, "language": "fi"} | paths | more)


def lines(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def answers(*found: tuple[str, int]) -> dict[str, list[Any]]:
    return {"text": [text for text, _ in found], "answer_start": [start for _, start in found]}


@pytest.mark.parametrize("ending", ["", "\n"])
def test_a_treebank_has_its_words_and_neither_multiword_tokens_nor_empty_nodes(tmp_path: Path, ending: str) -> None:
    plain, packed = tmp_path / "a.conllu", tmp_path / "a.conllu.gz"
    plain.write_text(TREEBANK + ending)
    packed.write_bytes(gzip.compress(TREEBANK.replace("\n", "\r\n").encode()))
    for path in (plain, packed):
        assert read_splits(task("tagging", path), 1).train == [
            Sentence(["vamos", "nos", "a", "el", "mar"], ["VERB", "PRON", "ADP", "DET", "NOUN"]),
            Sentence(["10 000"], ["NUM"]),
        ]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("1\tmar\n", "line 1 is not 10 columns"),
        ("# a\n1\tmar\tmar\t_\t_\t_\t0\troot\t_\t_\n", "line 2: the word 'mar' has no part of speech"),
        ("# a\n\n", "there is no example"),
    ],
)
def test_a_mistake_in_a_treebank_is_told(tmp_path: Path, content: str, told: str) -> None:
    (tmp_path / "a.conllu").write_text(content)
    with pytest.raises(UserError, match=told):
        read_splits(task("tagging", tmp_path / "a.conllu"), 1)


def test_labels_may_be_numbers_and_lie_deeper_in_a_record(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.jsonl", {"text": "yksi", "meta": {"stars": 1}}, {"text": "nolla", "meta": {"stars": 0}})
    found = read_splits(task("classification", path, columns=["text", "meta.stars"]), 1)
    assert found.test == [Text("yksi", "1"), Text("nolla", "0")]


def test_a_text_may_have_several_labels_or_none(tmp_path: Path) -> None:
    rows = [{"text": "a", "labels": [3, 1, 3]}, {"text": "b", "labels": []}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    expected = [TextWithLabels("a", frozenset({"1", "3"})), TextWithLabels("b", frozenset())]
    for path in (lines(tmp_path / "a.jsonl", *rows), tmp_path / "a.parquet"):
        assert read_splits(task("multilabel", path), 1).train == expected


def test_two_texts_have_a_label_together(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.jsonl", {"premise": "Sataa.", "other": {"text": "On märkää."}, "label": 0})
    found = read_splits(task("pairs", path, columns=["premise", "other.text", "label"]), 1)
    assert found.test == [Text("Sataa.", "0", second="On märkää.")]


def test_parquet_and_lines_hold_the_same(tmp_path: Path) -> None:
    rows = [
        {"question": "Mikä?", "context": "Vasara on uusi.", "answers": answers(("Vasara", 0), ("uusi", 10))},
        {"question": "Kuka?", "context": "Ei kukaan.", "answers": answers()},
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    expected = [Question("Mikä?", "Vasara on uusi.", ["Vasara", "uusi"], 0), Question("Kuka?", "Ei kukaan.", [], 0)]
    for path in (lines(tmp_path / "a.jsonl", *rows), tmp_path / "a.parquet"):
        assert read_splits(task("qa", path), 1).train == expected


@pytest.mark.parametrize(
    ("kind", "row", "told"),
    [
        ("classification", {"text": "a"}, "line 1 has no label 'label'.*there are: text"),
        ("classification", {"text": "a", "label": 0.5}, "line 1 has no label"),
        ("classification", {"text": "", "label": 1}, "line 1 has no string 'text'"),
        ("classification", [1], "line 1 is no JSON object"),
        ("pairs", {"sentence1": "a", "sentence2": "", "label": 1}, "line 1 has no string 'sentence2'"),
        ("multilabel", {"text": "a", "labels": "b"}, "line 1 has no list of labels 'labels'"),
        ("multilabel", {"text": "a", "labels": ["b", ""]}, "line 1 has no label 'labels'"),
        ("multilabel", {"text": "", "labels": ["b"]}, "line 1 has no string 'text'"),
        ("tagging", {"words": ["a", ""], "labels": [1, 2]}, "line 1 has no list of words"),
        ("tagging", {"words": ["a"], "labels": [1, 2]}, "line 1 has not one label in 'labels' for each of its 1 words"),
        ("qa", {"question": "a", "context": "b", "answers": ["b"]}, "line 1 has no 'answers' with as many"),
        (
            "qa",
            {"question": "a", "context": "b", "answers": {"text": ["b"], "answer_start": ["0"]}},
            "'b' at '0' is no",
        ),
        ("qa", {"question": "a", "context": "b", "answers": answers(("c", 0))}, "1 of 1 questions have no answer"),
    ],
)
def test_what_is_no_example_is_told(tmp_path: Path, kind: str, row: Any, told: str) -> None:
    with pytest.raises(UserError, match=told):
        read_splits(task(kind, lines(tmp_path / "a.jsonl", row)), 1)


@pytest.mark.parametrize(
    ("context", "given", "expected"),
    [
        ("abcab", [("ab", 0)], Question("?", "abcab", ["ab"], 0)),
        ("abcab", [("ab", 1)], Question("?", "abcab", ["ab"], 0, moved=True)),
        ("abcab", [("ab", 2)], Question("?", "abcab", ["ab"], 3, moved=True)),
        ("ab.ab", [("b", 2)], Question("?", "ab.ab", ["b"], 1, moved=True)),
        ("abcab", [("ab", 99)], Question("?", "abcab", ["ab"], 3, moved=True)),
        ("abcab", [("ab", -1)], Question("?", "abcab", ["ab"], 0, moved=True)),
        ("aaaa", [("aa", 1)], Question("?", "aaaa", ["aa"], 1)),
        ("abcab", [("x", 0), ("c", 2)], Question("?", "abcab", ["c"], 2, moved=True)),
        ("abcab", [], Question("?", "abcab", [], 0)),
    ],
)
def test_an_answer_is_taken_where_it_stands_nearest(
    tmp_path: Path, context: str, given: list[tuple[str, int]], expected: Question
) -> None:
    path = lines(tmp_path / "a.jsonl", {"question": "?", "context": context, "answers": answers(*given)})
    assert read_splits(task("qa", path), 1).test == [expected]


def test_up_to_a_twentieth_of_the_questions_is_left_out_and_counted(tmp_path: Path) -> None:
    good = {"question": "?", "context": "abcab", "answers": answers(("ab", 0))}
    moved, gone = good | {"answers": answers(("ab", 2))}, good | {"answers": answers(("x", 0))}
    train = lines(tmp_path / "train.jsonl", *[good] * 37, moved, gone, gone)
    test = lines(tmp_path / "test.jsonl", *[good] * 18, gone, gone)
    plain = lines(tmp_path / "plain.jsonl", good)
    found = read_splits(task("qa", train, plain), 1)
    assert (len(found.train), len(found.dev), len(found.test)) == (38, 38, 1)
    assert found.mended() == {"train": {"moved": 1, "left_out": 2}, "dev": {"moved": 1, "left_out": 2}}
    drawn = read_splits(task("qa", train, plain, dev=""), 1)
    assert len(drawn.train) + len(drawn.dev) == 38
    assert {split: one["left_out"] for split, one in drawn.mended().items() if one["left_out"]} == {"train": 2}
    with pytest.raises(UserError, match=r"2 of 20 questions have no answer .* the first is .*test.jsonl line 19; 5%"):
        read_splits(task("qa", train, test), 1)
    assert read_splits(task("qa", plain), 1).mended() == {}


@pytest.mark.parametrize("name", ["gone.jsonl", "gone.parquet", "gone.conllu"])
def test_an_absent_file_is_told(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match=f"{name} does not exist"):
        read_splits(task("tagging", tmp_path / name), 1)


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(b'{"text": "a"}' * 99)[:20])
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    for name in ("a.jsonl.gz", "a.parquet"):
        with pytest.raises(UserError, match=f"{name} is .*damaged"):
            read_splits(task("classification", tmp_path / name), 1)


def test_where_nothing_is_named_to_choose_by_a_tenth_is_drawn_by_the_seed_and_not_learnt(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.jsonl", *({"text": f"t{number}", "label": 1} for number in range(40)))
    first, again, other = (read_splits(task("classification", path, dev=""), seed) for seed in (1, 1, 2))
    assert first == again
    assert first.dev != other.dev
    assert len(first.dev) == 4
    assert sorted(one.text for one in [*first.train, *first.dev]) == sorted(f"t{number}" for number in range(40))


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data set of the hub's layout whose labels are numbers with names."""
    folder = tmp_path / "tagged"
    folder.mkdir()
    lines(folder / "train.jsonl", *({"tokens": ["Oulu", "on"], "tags": [1, 0], "tone": 1} for _ in range(10)))
    names = {"class_label": {"names": {"0": "O", "1": "B-LOC"}}}
    info = {
        "configs": [{"config_name": "default", "data_files": [{"split": "train", "path": "train.jsonl"}]}],
        "dataset_info": {
            "features": [
                {"name": "tokens", "list": "string"},
                {"name": "tags", "list": names},
                {"name": "tone", "dtype": names},
            ]
        },
    }
    (folder / "README.md").write_text(f"---\n{json.dumps(info)}\n---\n")
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    return folder


def test_a_data_set_of_the_hub_says_what_its_labels_mean(repository: Path) -> None:
    columns = {"columns": ["tokens", "tags"], "hub": str(repository)}
    found = read_splits(task("tagging", "train[:60%]", "train[60%:]", **columns), 1)
    assert (len(found.train), len(found.test)) == (6, 4)
    assert found.test[0] == Sentence(["Oulu", "on"], ["B-LOC", "O"])
    several = task("multilabel", "train", hub=str(repository), columns=["tokens.0", "tags"])
    assert read_splits(several, 1).train[0] == TextWithLabels("Oulu", frozenset({"B-LOC", "O"}))
    single = task("classification", "train", hub=str(repository), columns=["tokens.0", "tone"])
    assert read_splits(single, 1).train[0] == Text("Oulu", "B-LOC")


def test_a_label_that_is_kept_secret_is_told_and_not_taken_for_the_last_one(repository: Path) -> None:
    lines(repository / "train.jsonl", {"tokens": ["Oulu"], "tags": [-1], "tone": -1})
    for kind, columns in (("classification", ["tokens.0", "tone"]), ("multilabel", ["tokens.0", "tags"])):
        with pytest.raises(UserError, match=f"train row 1 has no label '{columns[1]}'"):
            read_splits(task(kind, "train", hub=str(repository), columns=columns), 1)


def test_a_data_set_out_of_reach_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(HubAbsentError, match="data set someone/tagged needs the hub, which is out of reach"):
        read_splits(task("tagging", "train", hub="someone/tagged"), 1)
