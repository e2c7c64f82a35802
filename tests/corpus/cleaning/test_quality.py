"""Measures of quality: what a plain loop over each text counts, and what the bounds of a recipe refuse."""

import random
import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.cleaning import quality
from corpus.cleaning.bounds import refusals
from corpus.cleaning.quality import ENDS_OF_SENTENCES, hashes_of_words, measure
from corpus.cleaning.spans import Characters
from corpus.demo.package_text import ISO_639_1, udhr
from recipe.cleaning import Quality
from recipe.quality import with_defaults

STOP_WORDS = hashes_of_words(["ja", "on", "s."])
NONE = hashes_of_words([])


def words_of(text):
    words = Characters([text]).words
    return [text[start:end] for start, end in zip(words.starts, words.ends, strict=True)]


def top(words, n):
    grams = Counter(" ".join(words[at : at + n]) for at in range(len(words) - n + 1))
    gram, times = grams.most_common(1)[0] if grams else ("", 0)
    return len(gram) * times


def came_before(words, n):
    seen, at, characters = set(), 0, 0
    while at + n <= len(words):
        gram = tuple(words[at : at + n])
        if gram in seen:
            characters += sum(map(len, gram))
            at += n
        else:
            seen.add(gram)
            at += 1
    return characters


def again(parts):
    repeats = [part for at, part in enumerate(parts) if part in parts[:at]]
    return len(repeats), sum(map(len, repeats))


def share(items, wanted, of=None):
    return sum(map(wanted, items)) / max(1, len(items) if of is None else of)


def by_hand(text):
    """Return the measures of a text by loops over its words and lines."""
    words = words_of(text)
    real = [word for word in words if any(each.isalnum() for each in word)]
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    all_lines = len(text.removesuffix("\n").split("\n"))
    paragraphs = [each.strip() for each in re.split(r"\n\s*\n", text) if each.strip()]
    paragraphs = [re.sub(r"\s*\n\s*", "\n", each) for each in paragraphs]
    symbols = max(text.count("#"), text.count("...") + text.count("…"))
    return {
        "words": len(real),
        "word_length": share(real, len),
        "alphabetic_words": share(words, lambda word: any(each.isalpha() for each in word)),
        "symbols_per_word": symbols / max(1, len(words)),
        "newlines_per_word": text.count("\n") / max(1, len(words)),
        "stop_words": len({"ja", "on", "s"} & set(words)),
        "bullet_lines": share(lines, lambda line: line[0] in "-•", all_lines),
        "ellipsis_lines": share(lines, lambda line: line.endswith(("...", "…")), all_lines),
        "ended_lines": share(lines, lambda line: line[-1] in ENDS_OF_SENTENCES),
        "short_lines": share(lines, lambda line: len(line) <= 30),
        "duplicate_lines": again(lines)[0] / max(1, len(lines)),
        "duplicate_line_characters": again(lines)[1] / max(1, len(text.replace("\n", ""))),
        "duplicate_paragraphs": again(paragraphs)[0] / max(1, len(paragraphs)),
        "duplicate_paragraph_characters": again(paragraphs)[1] / max(1, len(text)),
        **{f"top_ngrams.{n}": top(words, n) / max(1, len(text)) for n in (2, 3, 4)},
        **{f"duplicate_ngrams.{n}": came_before(words, n) / max(1, len(text)) for n in range(5, 11)},
    }


def made_texts():
    """Texts of few different words and lines, in which much repeats."""
    chance = random.Random(1)
    lines = ["ja on", "- talo", "s. 1...", "Kissa istuu.", "", "", "# a b c d e", "ja ja ja ja ja ja ja", "x" * 31]
    return ["\n".join(chance.choices(lines, k=chance.randrange(30))) for _ in range(80)]


def test_measures_are_what_loops_over_each_text_count():
    texts = ["", "a", "ja", "ja on ja on ja on ja on ja on", *made_texts()]
    found = measure([text.encode() for text in texts], STOP_WORDS)
    for number, text in enumerate(texts):
        assert {name: values[number] for name, values in found.items()} == pytest.approx(by_hand(text)), repr(text)


@given(st.lists(st.text(alphabet="ab .\n", max_size=60), max_size=5))
def test_measures_of_any_texts_are_what_loops_count(texts):
    found = measure([text.encode() for text in texts], STOP_WORDS)
    for number, text in enumerate(texts):
        assert {name: values[number] for name, values in found.items()} == pytest.approx(by_hand(text))


def test_measures_do_not_depend_on_what_is_measured_together(monkeypatch):
    texts = [text.encode() for text in made_texts()]
    together = measure(texts, STOP_WORDS)
    monkeypatch.setattr("corpus.cleaning.spans.BATCH_CHARACTERS", 100)
    apart = measure(texts, STOP_WORDS)
    for name, values in together.items():
        np.testing.assert_array_equal(apart[name], values)
    assert all(len(values) == 0 for values in measure([], STOP_WORDS).values())


def test_of_a_long_text_the_beginning_is_measured(monkeypatch):
    monkeypatch.setattr(quality, "MOST_BYTES", 9)
    assert measure(["ää bb ää cc".encode()], NONE)["words"] == [2]


def test_a_document_at_the_bound_stays_and_one_beyond_is_refused():
    found = measure([b"aaa bbb", b"aaa", b"aaaa bb ccc ddd"], NONE)
    bounds = Quality(min_words=2, max_words=3, max_word_length=3, max_top_ngrams={2: 1})
    assert {reason: refused.tolist() for reason, refused in refusals(found, bounds).items()} == {
        "top_ngrams.2 > 1": [False, False, False],
        "words < 2": [False, True, False],
        "words > 3": [False, False, True],
        "word_length > 3": [False, False, False],
    }


@pytest.mark.parametrize("language", ISO_639_1)
def test_the_declaration_passes_what_its_language_asks_but_for_its_length(language):
    text = "\n".join(record["text"] for record in udhr(language)).encode()
    bounds = with_defaults(Quality(min_words=0, min_ended_lines=0), language)  # its passages are pieces of sentences
    found = refusals(measure([text], hashes_of_words(bounds.stop_words)), bounds)
    assert len(found) > 15
    assert not [reason for reason, refused in found.items() if refused.any()]
