"""What a recipe says of cleaning: defaults by language, and mistakes told before any job."""

import pytest
import yaml

from common.errors import UserError
from recipe.reading import read_recipe
from recipe.slices.making import source_slice

REST = """
mixtures: {all: {factors: {mine: 1}}}
tokenizers: {mine: {vocabulary: 4000, sample_bytes: 5_000_000, mixture: all}}
models: {tiny: {tokenizer: mine, layers: 4, hidden: 128, heads: 4, intermediate: 192}}
phases:
  stable:
    stages:
      - {length: 128, tokens: 1e6, batch: {tokens: 4096}, learning_rate: {peak: 1e-3}, rope_theta: 1e4, mixture: all}
runs: {first: {model: tiny, phases: [stable]}}
evaluation: {lengths: [128]}
"""


def recipe(tmp_path, cleaning, language="fi"):
    path = tmp_path / "mine.yaml"
    source = {"language": language, "files": ["mine.jsonl"], "cleaning": cleaning}
    path.write_text(yaml.safe_dump({"title": "mine", "sources": {"mine": source}}) + REST)
    return read_recipe(path)


def cleaning_of(tmp_path, cleaning, language="fi"):
    return source_slice(recipe(tmp_path, cleaning, language), "mine").cleaning


def test_a_slice_spells_out_what_follows_from_the_language(tmp_path):
    asked = cleaning_of(tmp_path, {"language": True, "quality": True})
    assert asked.language.model_dump() == {"engine": "py3langid", "min_score": 0.9, "paragraphs": False}
    assert asked.quality.max_duplicate_lines == 0.293
    assert asked.quality.stop_words[0] == "ja"


def test_what_is_not_asked_for_or_switched_off_is_not_done(tmp_path):
    for cleaning in ({}, {"language": False, "quality": False}):
        asked = cleaning_of(tmp_path, cleaning)
        assert (asked.language, asked.quality) == (None, None)


def test_a_key_takes_the_place_of_the_language_s(tmp_path):
    asked = cleaning_of(tmp_path, {"language": {"engine": "heliport", "paragraphs": True}, "quality": {"min_words": 5}})
    assert asked.language.model_dump() == {"engine": "heliport", "min_score": 0, "paragraphs": True}
    assert (asked.quality.min_words, asked.quality.max_words) == (5, 100_000)


@pytest.mark.parametrize(
    ("language", "cleaning", "sentence"),
    [
        (
            "smn",
            {"language": True},
            "cleaning.language: py3langid cannot tell which text is in smn; let engine be heliport",
        ),
        ("code", {"language": True}, "py3langid cannot tell which text is in code; leave language out."),
        ("en-fi", {"language": True}, "py3langid cannot tell which text is in en-fi; leave language out."),
        ("hr", {"language": {"engine": "heliport"}}, "let engine be py3langid, or leave language out."),
        (
            "fi",
            {"language": {"min_score": 80}},
            "language.min_score: 80 is above 1, but py3langid gives probabilities.",
        ),
        ("fi", {"language": {"engine": "fasttext"}}, "cleaning.language.engine"),
        ("de", {"quality": True}, "there are no thresholds for de; give those that you want"),
        ("de", {"quality": {"min_stop_words": 2}}, "quality.stop_words: is missing, but min_stop_words asks for 2."),
        ("fi", {"quality": {"stop_words": ["ja"]}}, "quality.stop_words: has 1, but min_stop_words asks for 2."),
        ("fi", {"quality": {"min_word_length": 15}}, "min_word_length: 15 is more than max_word_length, 14"),
        ("fi", {"quality": {"max_top_ngrams": {5: 0.1}}}, "max_top_ngrams"),
        ("fi", {"quality": {"max_duplicate_lines": 1.5}}, "max_duplicate_lines"),
    ],
)
def test_a_mistake_is_told_before_any_job(tmp_path, language, cleaning, sentence):
    with pytest.raises(UserError) as told:
        recipe(tmp_path, cleaning, language)
    assert sentence in str(told.value)
    assert len(str(told.value).splitlines()) == 1
