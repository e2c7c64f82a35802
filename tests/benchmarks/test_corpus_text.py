"""Text for benchmarks: as much as is wanted, the same each time, with words that never end."""

from collections import Counter
from itertools import islice
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.corpus_text import RARITY, source_texts, varied_texts, vary, write_corpus
from common.errors import UserError
from corpus.sources.readers import Document, read_documents
from corpus.sources.zstd import atomic_jsonl_zst

TEXTS = [
    "\n".join(f"Rivi {row} kertoo sepästä joka takoo rautaa pajassa {text} kertaa" for row in range(9))
    for text in range(7)
]


def texts_of(directory: Path) -> list[str]:
    """Return the texts of a corpus, part by part."""
    return [record.text for record in read_documents(sorted(directory.iterdir())) if isinstance(record, Document)]


def test_a_corpus_has_the_wanted_size_in_parts_of_about_the_same_size(tmp_path: Path) -> None:
    amount = write_corpus(TEXTS, 20_000, tmp_path, parts=4)
    written = texts_of(tmp_path)
    sizes = [sum(len(text.encode()) for text in texts_of_part) for texts_of_part in map(part_texts, tmp_path.iterdir())]
    longest = max(len(text.encode()) for text in written)
    assert amount.documents == len(written)
    assert amount.bytes == sum(sizes)
    assert 20_000 <= amount.bytes < 20_000 + longest
    assert len(sizes) == 4
    assert all(abs(size - 5_000) <= longest for size in sizes)


def part_texts(path: Path) -> list[str]:
    """Return the texts of one file."""
    return [record.text for record in read_documents([path]) if isinstance(record, Document)]


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "other"):
        write_corpus(TEXTS, 10_000, tmp_path / name, parts=2)
    for part in (tmp_path / "one").iterdir():
        assert part.read_bytes() == (tmp_path / "other" / part.name).read_bytes()


def test_the_first_pass_is_the_text_itself_and_later_ones_are_not() -> None:
    passes = list(islice(varied_texts(TEXTS, seed=0), 2 * len(TEXTS)))
    assert sorted(passes[: len(TEXTS)]) == sorted(TEXTS)
    assert not set(passes[len(TEXTS) :]) & set(TEXTS)


def test_new_words_keep_coming() -> None:
    texts = [" ".join(f"{head}{tail}" for head in "abcdefgh" for tail in ("kivi", "puro", "lumi")) for _ in range(20)]
    stream = varied_texts(texts, seed=0)
    met: set[str] = set()
    for _ in range(5):
        words = {word for text in islice(stream, len(texts)) for word in text.split()}
        assert words - met
        met |= words


def test_one_word_in_ten_is_exchanged() -> None:
    words = [f"{head}{tail}" for head in "abcdefghij" for tail in ("kivi", "puro", "lumi", "tuli", "maa")] * 20
    varied = vary(" ".join(words), Random(0)).split(" ")
    assert len(varied) == len(words)
    exchanged = sum(before != after for before, after in zip(words, varied, strict=True))
    assert 0.7 * len(words) / RARITY < exchanged <= len(words) / RARITY + 1


@given(st.text(), st.integers(0, 2**32))
def test_any_text_keeps_its_lines_and_the_number_of_its_digits(text: str, seed: int) -> None:
    varied = vary(text, Random(seed))
    assert varied.count("\n") == text.count("\n")
    assert len(varied.split(" ")) == len(text.split(" "))


def test_paragraphs_change_places_and_numbers_their_digits() -> None:
    text = "\n".join(str(number) for number in range(100, 150))
    varied = vary(text, Random(1)).split("\n")
    assert len(varied) == 50
    assert all(len(line) == 3 and line.isdigit() for line in varied)
    assert Counter(varied) != Counter(text.split("\n"))
    letters = "\n".join("abcdefghijklmnopqrstuvwxyz")
    assert vary(letters, Random(1)) != letters
    assert sorted(vary(letters, Random(1))) == sorted(letters)


def test_without_files_the_text_is_the_demos_and_an_empty_file_is_refused(tmp_path: Path) -> None:
    assert sum(map(len, source_texts([]))) > 1_000_000
    with atomic_jsonl_zst(tmp_path / "empty.jsonl.zst"):
        pass
    with pytest.raises(UserError, match="no document"):
        source_texts([tmp_path / "empty.jsonl.zst"])
