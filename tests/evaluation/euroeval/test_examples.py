"""Local data sets as EuroEval loads them: a folder of three splits, the same for every format of a file."""

import json
from pathlib import Path
from typing import Any

import pytest
from datasets import load_dataset

from common.errors import UserError
from evaluation.euroeval.examples import write_dataset
from recipe.euroeval import LocalDataset


def dataset(folder: Path, kind: str, rows: list[dict[str, Any]], **asked: Any) -> LocalDataset:
    """A data set of the same rows in all its files."""
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    files = dict.fromkeys(("train", "dev", "test"), str(path))
    return LocalDataset.model_validate({"kind": kind, "language": "fi"} | files | asked)


def loaded(folder: Path) -> Any:
    """The folder as EuroEval loads it."""
    return load_dataset(str(folder), cache_dir=str(folder.parent / "cache"))


def test_texts_keep_labels_that_look_like_numbers_and_the_splits_have_euroevals_names(tmp_path: Path) -> None:
    rows = [{"text": "yksi", "label": "01"}, {"text": "KAKSI", "label": "A"}]
    assert write_dataset(dataset(tmp_path, "classification", rows), 1, tmp_path / "data") == ["01", "a"]
    found = loaded(tmp_path / "data")
    assert sorted(found) == ["test", "train", "val"]
    assert found["val"].to_list() == [{"text": "yksi", "label": "01"}, {"text": "KAKSI", "label": "a"}]


def test_csv_gives_the_same_as_json_lines(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text('\ufefftext,label\n"yksi, kaksi",01\nkolme,2\n', encoding="utf-8")
    same = dataset(tmp_path, "classification", [], train=str(path), dev=str(path), test=str(path))
    assert write_dataset(same, 1, tmp_path / "data") == ["01", "2"]
    assert loaded(tmp_path / "data")["test"][0] == {"text": "yksi, kaksi", "label": "01"}


def test_entities_have_a_label_a_word_and_questions_an_id_and_answers(tmp_path: Path) -> None:
    words = [{"words": ["Turku", "on"], "labels": ["B-LOC", "O"]}]
    assert write_dataset(dataset(tmp_path, "tagging", words), 1, tmp_path / "words") == ["b-loc", "o"]
    assert loaded(tmp_path / "words")["train"][0] == {"tokens": ["Turku", "on"], "labels": ["b-loc", "o"]}
    answers = {"text": ["Turku", "on"], "answer_start": [0, 6]}
    asked = [{"question": "Mikä?", "context": "Turku on", "answers": answers}]
    assert write_dataset(dataset(tmp_path, "qa", asked), 1, tmp_path / "asked") == []
    assert loaded(tmp_path / "asked")["test"][0] == asked[0] | {"id": "0"}


def test_questions_without_answers_are_a_split_like_any_other(tmp_path: Path) -> None:
    none = [{"question": "Mikä?", "context": "Turku on", "answers": {"text": [], "answer_start": []}}]
    write_dataset(dataset(tmp_path, "qa", none), 1, tmp_path / "data")
    kinds = loaded(tmp_path / "data")["val"].features["answers"]
    assert {name: kind.feature.dtype for name, kind in kinds.items()} == {"text": "string", "answer_start": "int32"}


@pytest.mark.parametrize(
    ("kind", "rows", "told"),
    [
        ("classification", [{"text": "a", "label": "X"}, {"text": "b", "label": "x"}], "'X' and 'x' differ in case"),
        ("classification", [{"text": "a"}], "has no label 'label'"),
        ("tagging", [{"words": ["a"], "labels": ["NOUN"]}], "has the label 'NOUN'; EuroEval tags entities"),
        ("tagging", [{"words": ["a"], "labels": ["B-X"]}], "has no word without one; EuroEval tags entities"),
    ],
)
def test_what_euroeval_cannot_measure_is_told(tmp_path: Path, kind: str, rows: list[dict[str, Any]], told: str) -> None:
    with pytest.raises(UserError, match=told):
        write_dataset(dataset(tmp_path, kind, rows), 1, tmp_path / "data")


def test_what_is_no_csv_or_absent_is_told(tmp_path: Path) -> None:
    (tmp_path / "latin.csv").write_bytes(b"text,label\n\xe4,1\n")
    for name, told in (("latin.csv", "is no CSV in UTF-8"), ("none.csv", "does not exist")):
        with pytest.raises(UserError, match=told):
            write_dataset(dataset(tmp_path, "classification", [], train=str(tmp_path / name)), 1, tmp_path / name[:4])
