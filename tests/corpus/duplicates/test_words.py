"""Hashes of words: what they are blind to, what they tell apart, and that blocks and batches change nothing."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.duplicates import words as module
from corpus.duplicates.words import keys_of, runs, stretches, words_of

TEXTS = st.lists(st.text(st.sampled_from("abAÄäőŊ1 \n.,-–“”·«\u3000字₄"), max_size=30), min_size=1, max_size=8)


def plain_words(text: str) -> list[str]:
    """The words of a text as the page of the module says, the slow way."""
    kept = "".join(
        c
        if (c.isalnum() if c < "\x80" else c > "\xbf" and not ("\u2000" <= c < "\u2c00" or "\u3000" <= c < "\u3040"))
        else " "
        for c in text.lower()
    )
    return kept.split(" ")


@given(TEXTS)
def test_words_documents_and_lines_are_those_found_one_by_one(texts: list[str]) -> None:
    found = words_of([text.encode() for text in texts])
    words = [[word for word in plain_words(text) if word] for text in texts]
    assert np.diff(found.ends, prepend=0).tolist() == list(map(len, words))
    lines = [len([word for word in plain_words(line) if word]) for text in texts for line in text.split("\n")]
    assert np.diff(found.line_ends, prepend=0).tolist() == lines
    assert found.document_lines.tolist() == np.cumsum([text.count("\n") + 1 for text in texts]).tolist()
    flat = [word for own in words for word in own]
    hashes = dict(zip(flat, found.hashes.tolist(), strict=True))
    assert [hashes[word] for word in flat] == found.hashes.tolist()
    assert len(set(hashes.values())) == len(hashes)
    for word, value in hashes.items():
        assert value & 1 == (word[0] in "0123456789" and word[-1] in "0123456789")


@given(TEXTS, st.integers(1, 40))
def test_blocks_change_nothing(texts: list[str], block: int) -> None:
    utf8 = [text.encode() for text in texts]
    whole = words_of(utf8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BLOCK_BYTES", block)
        parts = words_of(utf8)
    for name in ("hashes", "ends", "line_ends", "document_lines"):
        assert getattr(whole, name).tolist() == getattr(parts, name).tolist()


@given(TEXTS, st.integers(1, 4))
def test_runs_are_those_of_consecutive_words_within_a_document(texts: list[str], length: int) -> None:
    found = words_of([text.encode() for text in texts])
    hashes, places = runs(found.hashes, found.ends, length)
    expected, before = [], 0
    for end in found.ends.tolist():
        expected += [(n, tuple(found.hashes[n : n + length].tolist())) for n in range(before, end - length + 1)]
        before = end
    assert places.tolist() == [n for n, _ in expected]
    assert len(set(zip(hashes.tolist(), (words for _, words in expected), strict=True))) == len(set(hashes.tolist()))
    assert len(set(hashes.tolist())) == len({words for _, words in expected})


def test_case_punctuation_and_white_space_decide_nothing_and_order_does() -> None:
    texts = [
        b"Yksi, kaksi  kolme!",
        "YKSI – kaksi\nkolme".encode(),
        b"kaksi yksi kolme",
        b"yksi kaksi",
        b"yksi kaksikolme",
    ]
    keys = keys_of(texts, words_of(texts)).tolist()
    assert keys[0] == keys[1]
    assert len(set(keys)) == 4


def test_texts_without_words_are_equal_only_if_they_are_the_same_signs() -> None:
    texts = [b"!!!", b" !!!\n", b"???", b" "]
    keys = keys_of(texts, words_of(texts)).tolist()
    assert keys[0] == keys[1]
    assert len(set(keys)) == 3


def test_stretches_are_the_same_wherever_they_stand() -> None:
    one = words_of([b"a b c\nd e", b"x\n\na b c"])
    found = stretches(one.hashes, one.line_ends).tolist()
    assert found[0] == found[4]
    assert found[3] == 0
    assert len(set(found)) == 4


def test_a_million_words_of_one_document_are_hashed(capsys: pytest.CaptureFixture[str]) -> None:
    text = b" ".join(b"w%d" % (n % 1000) for n in range(100_000))
    found = words_of([text, b"w1 w2"])
    assert found.ends.tolist() == [100_000, 100_002]
    assert len(set(found.hashes.tolist())) == 1000
    assert keys_of([text, b"w1 w2"], found)[0] != 0


def test_no_two_of_many_real_words_share_a_hash() -> None:
    words = sorted(
        {f"{a}{b}{c}" for a in ("talo", "koira", "päivä", "beana") for b in range(100) for c in ("ssa", "n", "š", "")}
    )
    found = words_of([" ".join(words).encode()])
    assert len(set((found.hashes >> np.uint64(1)).tolist())) == len(words) == len(re.findall(r"\w+", " ".join(words)))
