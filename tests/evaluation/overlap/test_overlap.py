"""Overlap of held-out with training text: nothing verbatim is missed, and nothing else is counted."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

import evaluation.overlap.__main__ as overlap
from corpus.tokens.sizes import token_bytes
from evaluation.overlap.windows import WINDOW, HashSet, starts_inside, token_hashes, window_hashes
from tests.rows import write_shards

ROOT = Path(__file__).parents[3]
TOKENS = token_hashes(320)


def windows(ids: list[int]) -> list[tuple[int, ...]]:
    return [tuple(ids[i : i + WINDOW]) for i in range(len(ids) - WINDOW + 1)]


@given(st.lists(st.integers(5, 8), max_size=80), st.lists(st.integers(5, 8), max_size=80))
def test_windows_are_equal_exactly_where_their_hashes_are(one: list[int], other: list[int]) -> None:
    hashes = [window_hashes(np.array(ids, dtype=np.uint16), TOKENS).tolist() for ids in (one, other)]
    assert [len(own) for own in hashes] == [len(windows(one)), len(windows(other))]
    names = dict(zip(hashes[0] + hashes[1], windows(one) + windows(other), strict=True))
    assert [names[value] for value in hashes[0] + hashes[1]] == windows(one) + windows(other)
    assert len(names) == len(set(windows(one) + windows(other)))


@given(st.lists(st.integers(0, 40), min_size=1, max_size=6))
def test_a_window_is_inside_where_all_its_tokens_are_of_one_document(sizes: list[int]) -> None:
    ends = np.cumsum(sizes)
    owner = np.repeat(np.arange(len(sizes)), sizes)
    expected = [len(set(owner[i : i + WINDOW])) == 1 for i in range(len(owner) - WINDOW + 1)]
    assert starts_inside(ends, len(owner)).tolist() == expected


@given(st.lists(st.integers(0, 2**64 - 1), max_size=30), st.lists(st.integers(0, 2**64 - 1), max_size=30), st.data())
def test_a_set_of_hashes_finds_what_is_in_it_and_nothing_else(held: list[int], asked: list[int], data) -> None:
    asked += data.draw(st.lists(st.sampled_from(held), max_size=9)) if held else []
    wanted = HashSet(np.array(held, dtype=np.uint64))
    places, numbers = wanted.find(np.array(asked, dtype=np.uint64))
    assert places.tolist() == [place for place, value in enumerate(asked) if value in set(held)]
    assert wanted.hashes[numbers].tolist() == [asked[place] for place in places.tolist()]


def random_ids(seed: int, size: int) -> list[int]:
    return np.random.default_rng(seed).integers(30, 320, size).tolist()


@pytest.fixture
def planted(tmp_path: Path) -> list[Path]:
    """Of beta's held-out document of 100 tokens, 40 stand in alpha's training text and 20 across two documents."""
    held = random_ids(1, 100)
    train = [random_ids(2, 70) + held[10:50] + random_ids(3, 30), random_ids(4, 50) + held[60:70], held[70:80]]
    short = random_ids(5, WINDOW - 1)
    one = write_shards(tmp_path, "alpha", "fi", {"train": train, "validation": []})
    splits = {"train": [random_ids(6, 200), short], "validation": [held, short], "test": [random_ids(7, 40)]}
    return [one, write_shards(tmp_path, "beta", "sv", splits)]


@pytest.mark.parametrize("chunk", [1 << 22, 50, 17])
def test_what_was_planted_is_found_and_no_more(
    planted: list[Path], monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(overlap, "CHUNK", chunk)
    sizes = np.ones(1000, dtype=np.int64)
    validation, test = overlap.measure(planted, sizes, 1000, seed=1, threads=2)
    assert (validation["source"], validation["split"], test["split"]) == ("beta", "validation", "test")
    assert (validation["documents"], validation["shorter_than_a_window"]) == (2, 1)
    assert (validation["bytes"], validation["seen_bytes"], validation["seen"]) == (100, 40, 0.4)
    assert validation["where"] == [{"source": "alpha", "seen": 0.4}]
    assert (validation["copies"], test["seen"], test["where"]) == (0, 0.0, [])


def test_a_copy_is_counted_and_shares_are_of_bytes(tmp_path: Path) -> None:
    held = random_ids(1, 40)
    manifest = write_shards(tmp_path, "alpha", "fi", {"train": [held[:30]], "validation": [held]})
    sizes = np.ones(1000, dtype=np.int64)
    sizes[held[30:]] = 3
    (row,) = overlap.measure([manifest], sizes, 1000, seed=1, threads=1)
    expected = sum(int(sizes[token]) for token in held[:30]) / sum(int(sizes[token]) for token in held)
    assert row["seen"] == pytest.approx(expected)
    assert row["copies"] == 1


def test_at_most_so_many_tokens_are_drawn_at_random(tmp_path: Path) -> None:
    documents = [random_ids(number, 20) for number in range(50)]
    manifest = write_shards(tmp_path, "alpha", "fi", {"train": documents[:5], "validation": documents})
    sizes = np.ones(1000, dtype=np.int64)
    drawn = [overlap.measure([manifest], sizes, 200, seed=seed, threads=1)[0] for seed in range(12)]
    assert {row["documents"] for row in drawn} == {10}
    assert len({row["copies"] for row in drawn}) > 1


def test_the_command_tells_each_source(planted: list[Path], tokenizer_manifest: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "evaluation.overlap", "--tokenizer", tokenizer_manifest, "--seed", "1"]
    command += ["--shards", *planted, "--threads", "2", "--output", tmp_path / "overlap.json"]
    done = subprocess.run(list(map(str, command)), cwd=ROOT, check=True, capture_output=True, text=True)
    rows = json.loads((tmp_path / "overlap.json").read_text())["rows"]
    tokenizer = Tokenizer.from_file(str(tokenizer_manifest.with_name("tokenizer.json")))
    sizes = token_bytes(tokenizer)[random_ids(1, 100)]
    assert rows[0]["seen"] == pytest.approx(sizes[10:50].sum() / sizes.sum())
    assert f"beta validation: {rows[0]['seen']:.1%} stands in training text (alpha " in done.stdout
