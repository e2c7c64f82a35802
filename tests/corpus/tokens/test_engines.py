"""Engines give the same ids, those of `tokenizers`, for any text."""

from __future__ import annotations

import string
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.tokens.bpe import SPACE_RUNS, train
from corpus.tokens.engines import Encode, open_engine
from corpus.tokens.special import FIRST_ORDINARY, SPECIAL_TOKENS

TEXTS = [
    "Alasin on vanha ja vasara on uusi; 42 iskua minuutissa.",
    "Städet är gammalt och hammaren är ny, året är 1742.",
    "The anvil is old, and the hammer's new:\n\n    it = 'struck'\t# twice",
] * 20
PARTS = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        [*SPECIAL_TOKENS, *SPACE_RUNS[:4], SPACE_RUNS[-1], "\u0000", "a\u0308", "\u00a0", "👩🏽‍🚒", "\ufeff", "'s"]
    ),
    st.text(string.ascii_letters + "åäöÅÄÖ", min_size=1, max_size=8).map(lambda word: f" {word}"),
)


@pytest.fixture(scope="module")
def engines() -> tuple[Encode, Encode, Encode]:
    content = train(iter(TEXTS), 700).to_str()
    return open_engine(content, "tokenizers"), open_engine(content, "tokie"), open_engine(content, "tokie", False)


@given(st.lists(st.lists(PARTS).map("".join), max_size=5))
def test_any_texts_have_the_same_ids_with_every_engine(engines: tuple[Encode, ...], texts: list[str]) -> None:
    (ids, lengths), *others = (encode(texts) for encode in engines)
    for their_ids, their_lengths in others:
        assert lengths.tolist() == their_lengths.tolist()
        assert ids.tolist() == their_ids.tolist()
        assert ids.dtype == their_ids.dtype == np.uint32
        assert lengths.dtype == their_lengths.dtype == np.int64


@pytest.mark.parametrize("place", [0, 1, 2], ids=["tokenizers", "tokie", "tokie text by text"])
@pytest.mark.parametrize("token", SPECIAL_TOKENS)
def test_a_special_token_in_a_text_is_ordinary(engines: tuple[Encode, ...], place: int, token: str) -> None:
    ids, lengths = engines[place]([f"a {token} b"])
    assert min(ids) >= FIRST_ORDINARY
    assert lengths.tolist() == [len(ids)]


@pytest.mark.parametrize("text", ["x" * 100_000, "ä" * 30_000, " " * 5_000, "\n" * 5_000, "1" * 10_000, "日本" * 5_000])
def test_a_long_word_has_the_same_ids(engines: tuple[Encode, ...], text: str) -> None:
    ids, *others = (encode([text])[0].tolist() for encode in engines)
    assert others == [ids, ids]


def test_reading_an_engine_leaves_no_file_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    open_engine(train(iter(TEXTS), 400).to_str(), "tokie")
    assert list(tmp_path.iterdir()) == []
