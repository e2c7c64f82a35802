"""Thresholds of quality: a language's own, and what a recipe puts in their place."""

import pytest

from recipe.cleaning import Quality
from recipe.quality import DEFAULTS, with_defaults


@pytest.mark.parametrize("code", ["fi", "fin"])
def test_what_a_recipe_does_not_say_follows_from_the_language(code):
    assert with_defaults(Quality(), code) == DEFAULTS["fin"]
    assert (DEFAULTS["fin"].max_word_length, DEFAULTS["fin"].max_duplicate_lines) == (14, 0.293)


def test_what_a_recipe_says_takes_the_place_of_the_language_s_key_by_key():
    mine = with_defaults(Quality(max_word_length=15, max_duplicate_ngrams={7: 0.5}, stop_words=["ja"]), "fi")
    assert mine.max_word_length == 15
    assert mine.max_duplicate_ngrams == {**DEFAULTS["fin"].max_duplicate_ngrams, 7: 0.5}
    assert mine.stop_words == ["ja"]
    assert mine.max_duplicate_lines == 0.293
    assert with_defaults(mine, "fi") == mine


def test_a_language_without_thresholds_has_those_of_the_recipe_alone():
    assert with_defaults(Quality(min_words=3), "de") == Quality(min_words=3)
    assert with_defaults(Quality(max_top_ngrams={2: 0.5}), "de") == Quality(max_top_ngrams={2: 0.5})


def test_all_languages_that_have_thresholds_have_all_but_what_fineweb2_left_out():
    english_alone = {"max_short_lines", "max_duplicate_paragraphs", "max_duplicate_paragraph_characters"}
    for language, quality in DEFAULTS.items():
        open_ = {name for name, value in quality if value is None}
        assert open_ == (set() if language == "eng" else english_alone)
