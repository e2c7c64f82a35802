"""Words and lines as spans of characters, and their hashes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.cleaning.spans import BATCH_CHARACTERS, Characters, batches, powers

TEXTS = st.lists(st.text(alphabet="aäÖ1 .,-#…\n\t\u00a0😀—", max_size=40), max_size=6)


def strings(characters, spans, texts):
    """Return of each text what the spans of it hold."""
    joined = "\n".join([*texts, ""])
    found = [[] for _ in texts]
    for start, end, owner in zip(spans.starts, spans.ends, spans.owners, strict=True):
        found[owner].append(joined[start:end])
    return found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("(esim. Helsinki-Vantaa)...", ["(", "esim", ".", "Helsinki-Vantaa", ")", "..."]),
        ("3,5 % on", ["3,5", "%", "on"]),
        ("-- -*- a", ["--", "-", "*", "-", "a"]),
        ("«Hei!?»", ["«", "Hei", "!", "?", "»"]),
        ("a\u00a0b\tc\n", ["a", "b", "c"]),
        ("", []),
        (" \n ", []),
    ],
)
def test_words_are_without_the_punctuation_around_them_which_is_words_of_its_own(text, words):
    characters = Characters([text])
    assert strings(characters, characters.words, [text]) == [words]


@given(TEXTS)
def test_words_of_many_texts_are_those_of_each_alone(texts):
    together = Characters(texts)
    alone = [strings(one := Characters([text]), one.words, [text])[0] for text in texts]
    assert strings(together, together.words, texts) == alone
    for text, words in zip(texts, alone, strict=True):
        assert "".join(words) == "".join(text.split())


@given(TEXTS)
def test_lines_are_those_of_split_and_trimmed_ones_are_not_blank(texts):
    characters = Characters(texts)
    lines = [text.removesuffix("\n").split("\n") if text else [""] for text in texts]
    assert strings(characters, characters.lines, texts) == lines
    trimmed = [[line.strip() for line in of_text if line.strip()] for of_text in lines]
    assert strings(characters, characters.trimmed_lines, texts) == trimmed


@given(TEXTS)
def test_hashes_are_equal_where_what_they_are_of_is(texts):
    characters = Characters(texts)
    for spans in (characters.words, characters.trimmed_lines):
        held = [each for of_text in strings(characters, spans, texts) for each in of_text]
        hashes = dict(zip(held, characters.hashes(spans).tolist(), strict=True))
        assert [hashes[each] for each in held] == characters.hashes(spans).tolist()
        assert len(set(hashes.values())) == len(hashes)


def test_powers_of_a_long_text_are_those_of_a_short_one():
    few, many = powers(100).copy(), powers(3 * BATCH_CHARACTERS)
    np.testing.assert_array_equal(many[:100], few)
    assert (many * powers(3 * BATCH_CHARACTERS, inverse=True) == 1).all()


def test_batches_hold_all_texts_and_a_long_one_alone():
    texts = [b"a" * BATCH_CHARACTERS, b"b", b"c" * (BATCH_CHARACTERS + 1), b"\xc3\xa4"]
    assert list(batches(texts)) == [["a" * BATCH_CHARACTERS], ["b"], ["c" * (BATCH_CHARACTERS + 1)], ["ä"]]
