"""Words: those of `tokenizers`, whatever the text."""

from __future__ import annotations

import re
from collections import Counter
from itertools import chain

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import normalizers, pre_tokenizers

from corpus.demo.package_text import COLLECTIONS
from corpus.tokens import pretokens
from corpus.tokens.pretokens import add_up, byte_characters, count_chunks, split_words, words_of
from tests.texts import encoded

PROPERTY = settings(deadline=None, derandomize=True)
ANY = st.text(st.characters(exclude_categories=["Cs"]))
TRICKY = st.text(" a1.'s\n\t\r\x1c\x85\xa0\u2003ÄÀé\u0301\u0338<=K漢가", max_size=60)
BYTE_OF = {character: byte for byte, character in enumerate(byte_characters())}


def reference(text: str) -> list[bytes]:
    normal = normalizers.NFC().normalize_str(text)
    words = pre_tokenizers.ByteLevel(add_prefix_space=False).pre_tokenize_str(normal)
    return [bytes(BYTE_OF[character] for character in word) for word, _ in words]


def counted(texts: list[str], apart: bool = False) -> dict[bytes, int]:
    table = words_of(count_chunks(encoded(texts), apart))
    return dict(zip(table["word"].to_pylist(), table["count"].to_pylist(), strict=True))


@PROPERTY
@given(texts=st.lists(ANY | TRICKY, max_size=5))
def test_words_and_counts_are_those_of_tokenizers(texts: list[str]) -> None:
    assert counted(texts) == Counter(chain.from_iterable(map(reference, texts)))


@PROPERTY
@given(
    texts=st.lists(
        TRICKY | st.lists(st.sampled_from(["a", "'s", "\n", " ", " " * 23, " " * 49, "\n\n", "1"])).map("".join),
        max_size=5,
    ),
    block=st.integers(1, 40),
)
def test_runs_of_spaces_part_texts_and_blocks_change_nothing(texts: list[str], block: int) -> None:
    pieces = chain.from_iterable(re.split(" {2,24}", text) for text in texts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pretokens, "_BLOCK", block)
        assert counted(texts, apart=True) == Counter(chain.from_iterable(map(reference, pieces)))
        assert counted(texts) == Counter(chain.from_iterable(map(reference, texts)))


@PROPERTY
@given(text=ANY | TRICKY)
def test_words_come_in_the_order_of_the_text(text: str) -> None:
    assert split_words(text) == reference(text)


@pytest.mark.parametrize("name", ["udhr-fi", "words-sv", "pydoc-en"])
def test_real_text_has_the_words_of_tokenizers(name: str) -> None:
    texts = [record["text"] for record in COLLECTIONS[name]()][:300]
    assert counted(texts) == Counter(chain.from_iterable(map(reference, texts)))


def test_every_character_that_is_known_is_classed_as_tokenizers_does() -> None:
    known = [character for character in map(chr, range(0x110000)) if pretokens._KNOWN.fullmatch(character)]
    assert len(known) > 33_000
    for probe in ("a", "1", "!", "\n"):
        text = "".join(f"{probe}{character}{probe}\n!\n" for character in known)
        assert [word.encode() for word in pretokens._WORDS.findall(text)] == [
            bytes(BYTE_OF[character] for character in word)
            for word, _ in pre_tokenizers.ByteLevel(add_prefix_space=False).pre_tokenize_str(text)
        ]


def test_text_that_is_taken_for_composed_is_its_own_nfc_form() -> None:
    text = "".join(map(chr, range(0x300)))
    assert pretokens._COMPOSED.fullmatch(text)
    assert normalizers.NFC().normalize_str(text) == text


def test_a_document_of_twenty_million_letters_is_one_word() -> None:
    assert counted(["a" * 20_000_000, "b"]) == {b"a" * 20_000_000: 1, b"b": 1}


def test_counts_are_added_up_beyond_32_bits() -> None:
    table = count_chunks(encoded(["sana"]))
    large = table.set_column(1, "count", [[2**40]])
    assert add_up([large, large])["count"].to_pylist() == [2**41]
