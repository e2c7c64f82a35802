"""Text from packages: the same bytes each time, complete records, and made text that says so and can be learnt from."""

import subprocess
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from corpus.demo.package_text import COLLECTIONS
from corpus.sources.readers import Document, read_documents

ROOT = Path(__file__).parents[3]
QUICK = sorted(set(COLLECTIONS) - {"words-fi", "words-sv", "words-la"})


def command(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "corpus.demo.package_text", *map(str, arguments)], cwd=ROOT, capture_output=True, text=True
    )


def records(name):
    found = list(COLLECTIONS[name]())
    assert found
    return found


@pytest.mark.parametrize("name", QUICK)
def test_records_have_unique_ids_a_title_text_and_the_language(name):
    found = records(name)
    language = name.rpartition("-")[2]
    assert len({record["id"] for record in found}) == len(found)
    assert len({record["text"] for record in found}) == len(found)
    for record in found:
        assert record["language"] == language
        assert record["title"].strip()
        assert record["text"] == record["text"].strip() != ""
        assert record.get("made", False) == name.startswith("words-")


def test_questions_are_parallel_in_both_languages():
    ids = {
        language: [record["id"].removeprefix(f"faq-{language}-") for record in records(f"faq-{language}")]
        for language in ("sv", "en")
    }
    assert ids["sv"] == ids["en"]
    assert len(ids["sv"]) == 503


def test_the_declaration_is_in_the_language_it_says():
    text = {language: " ".join(record["text"] for record in records(f"udhr-{language}")) for language in ("fi", "sme")}
    assert "julistuksessa" in text["fi"]
    assert "olmmošvuoigatvuođaid" in text["sme"]


def test_made_text_has_documents_of_all_lengths_and_some_three_thousand_forms():
    texts = [record["text"] for record in records("words-sme")]
    lengths = sorted(len(text.split()) for text in texts)
    assert 20 <= lengths[0] < 50
    assert 1_000 < lengths[-1] <= 1_500
    assert 1_150_000 < sum(len(text.encode()) for text in texts) < 1_300_000
    counts = Counter(word.strip(",.").lower() for text in texts for word in text.split())
    assert 2_500 < len(counts) < 3_600
    assert counts.most_common(20)[-1][1] > 20 * sorted(counts.values())[len(counts) // 4]


def test_made_sentences_have_4_to_15_words_but_for_a_cut_last_one_and_begin_with_a_capital():
    for record in records("words-sme")[:50]:
        sentences = record["text"].replace("\n", " ").removesuffix(".").split(". ")
        assert all(4 <= len(sentence.split()) <= 15 for sentence in sentences[:-1])
        assert all(sentence[0].isupper() for sentence in sentences)


def test_the_rest_of_a_made_document_tells_its_words():
    """Words of a document's first half make up more of its second half than of another document's."""
    halves = []
    for record in records("words-sme"):
        words = [word.strip(",.").lower() for word in record["text"].split()]
        if len(words) > 300:
            halves.append((set(words[: len(words) // 2]), words[len(words) // 2 :]))

    def share(known, words):
        return sum(word in known for word in words) / len(words)

    pairs = pairwise(halves)
    own, other = zip(*((share(a[0], a[1]), share(a[0], b[1])) for a, b in pairs), strict=True)
    assert sum(own) / len(own) > sum(other) / len(other) + 0.15


@pytest.mark.parametrize("name", ["words-la", "faq-sv"])
def test_the_command_writes_the_same_bytes_each_time(tmp_path, name):
    for attempt in ("a", "b"):
        done = command(name, "--output", tmp_path / attempt / "text.jsonl.zst")
        assert done.returncode == 0, done.stderr
        assert name in done.stdout
    content = [(tmp_path / attempt / "text.jsonl.zst").read_bytes() for attempt in ("a", "b")]
    assert content[0] == content[1]
    assert all(isinstance(record, Document) for record in read_documents([tmp_path / "a" / "text.jsonl.zst"]))


def test_a_wrong_name_or_ending_is_told(tmp_path):
    assert "udhr-fi" in command("words-xx", "--output", tmp_path / "x.jsonl.zst").stderr
    done = command("faq-sv", "--output", tmp_path / "x.json")
    assert done.returncode == 1
    assert "does not end in .jsonl.zst" in done.stderr
