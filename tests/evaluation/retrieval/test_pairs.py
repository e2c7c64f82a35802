"""Pairs: read from files and from data sets of the hub, mistakes told, drawn by the seed."""

import json
from pathlib import Path
from typing import Any

import pytest

from common.errors import UserError
from evaluation.hub import HubAbsentError
from evaluation.retrieval.pairs import read_pairs
from recipe.evaluation import Pairs


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ('{"query": "a"}\n', "line 1 has no string 'positive'"),
        ('{"query": "a", "positive": 3}\n', "line 1 has no string 'positive'"),
        ('{"positive": "a"}\n', "line 1 is no pair: no text"),
        ('{"query": "a", "positive": "b", "negative": "c"}\n{"query": "a", "positive": "b"}\n', "all of them one"),
        ("", "there is no pair"),
    ],
)
def test_what_is_no_pair_is_told(tmp_path: Path, content: str, told: str) -> None:
    (tmp_path / "pairs.jsonl").write_text(content)
    with pytest.raises(UserError, match=told):
        read_pairs([Pairs(file=str(tmp_path / "pairs.jsonl"))], 1)


def test_triplets_keep_their_negatives(tmp_path: Path) -> None:
    (tmp_path / "pairs.jsonl").write_text(json.dumps({"query": "a", "positive": "b", "negative": "c"}))
    triplets = Pairs(file=str(tmp_path / "pairs.jsonl"))
    assert read_pairs([triplets], 1) == {"query": ["a"], "positive": ["b"], "negative": ["c"]}
    (tmp_path / "bare.jsonl").write_text(json.dumps({"query": "a", "positive": "b"}))
    with pytest.raises(UserError, match="some sets of pairs have a wrong answer and some have not"):
        read_pairs([triplets, Pairs(file=str(tmp_path / "bare.jsonl"))], 1)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data set of the hub's layout with two subsets; nothing of it is kept elsewhere."""
    folder = tmp_path / "animals"
    folder.mkdir()
    rows = [{"anchor": f"q{n}", "answer": f"a{n}", "negative": f"w{n}", "label": n} for n in range(30)]
    (folder / "hard.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "pair.jsonl").write_text(json.dumps({"query": "a", "positive": "b"}))
    configs = "".join(
        f"- config_name: {name}\n  data_files:\n  - split: train\n    path: {name}.jsonl\n" for name in ("hard", "pair")
    )
    (folder / "README.md").write_text(f"---\nconfigs:\n{configs}---\n")
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    return folder


def test_a_data_set_of_the_hub_is_read_by_subset_and_columns(repository: Path) -> None:
    assert read_pairs([Pairs(hub=str(repository), subset="pair")], 1) == {"query": ["a"], "positive": ["b"]}
    hard = {"hub": str(repository), "subset": "hard", "columns": ["anchor", "answer", "negative"]}
    every = read_pairs([Pairs.model_validate(hard)], 1)
    assert every == {name: [f"{letter}{n}" for n in range(30)] for name, letter in zip(every, "qaw", strict=True)}
    plain = Pairs.model_validate(hard | {"columns": ["anchor", "answer"]})
    both = read_pairs([plain, Pairs(hub=str(repository), subset="pair")], 1)
    assert both["query"] == [*every["query"], "a"]
    assert both.keys() == {"query", "positive"}


def test_a_limit_draws_pairs_at_random_by_the_seed_and_keeps_their_order(repository: Path) -> None:
    asked: dict[str, Any] = {"hub": str(repository), "subset": "hard", "columns": ["anchor", "answer", "negative"]}
    limited = Pairs.model_validate(asked | {"limit": 8})
    drawn = read_pairs([limited], 1)
    numbers = [int(query[1:]) for query in drawn["query"]]
    assert numbers == sorted(set(numbers))
    assert len(numbers) == 8
    assert drawn["negative"] == [f"w{number}" for number in numbers]
    assert drawn == read_pairs([limited], 1)
    assert drawn != read_pairs([limited], 2)
    assert len(read_pairs([Pairs.model_validate(asked | {"limit": 99})], 1)["query"]) == 30


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({}, "has the columns anchor, answer, negative, label; say by `columns`"),
        ({"columns": ["anchor", "label"]}, "not every value of anchor, label is text"),
        ({"subset": "soft"}, "did not come from the hub .*soft"),
        ({"split": "test"}, "did not come from the hub .*test"),
    ],
)
def test_a_data_set_that_is_otherwise_is_told(repository: Path, changed: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError, match=told) as error:
        read_pairs([Pairs.model_validate({"hub": str(repository), "subset": "hard"} | changed)], 1)
    assert not isinstance(error.value, HubAbsentError)


def test_a_data_set_out_of_reach_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    with pytest.raises(HubAbsentError, match="data set someone/pairs needs the hub, which is out of reach"):
        read_pairs([Pairs(hub="someone/pairs")], 1)
