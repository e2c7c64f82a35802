"""Which numbers tell good text from bad, by language: what a recipe does not say of `cleaning.quality`.

For English they are FineWeb's: the defaults of the filters for repetition and quality after Gopher, and of its own one,
in datatrove (huggingface/datatrove, `examples/fineweb.py`). For the others they are FineWeb2's (huggingface/fineweb-2,
`configs/{fin,swe,sme,lat}_Latn.yml` as they were last, and `fineweb-2-pipeline.py` for what is the same in all).
"""

from __future__ import annotations

from typing import Any

from recipe.cleaning import Quality
from recipe.languages import three_letters

_OF_ALL: dict[str, Any] = {
    "min_words": 50,
    "max_words": 100_000,
    "min_stop_words": 2,
    "max_symbols_per_word": 0.1,
    "max_bullet_lines": 0.9,
    "max_ellipsis_lines": 0.3,
}
_FINEWEB2: dict[str, Any] = {**_OF_ALL, "max_duplicate_line_characters": 0.1}


def _ngrams(first: int, shares: list[float]) -> dict[int, float]:
    return dict(enumerate(shares, first))


def _words(listed: str) -> list[str]:
    return listed.split()


DEFAULTS: dict[str, Quality] = {
    "eng": Quality(
        **_OF_ALL,
        max_duplicate_lines=0.3,
        max_duplicate_line_characters=0.01,
        max_duplicate_paragraphs=0.3,
        max_duplicate_paragraph_characters=0.2,
        max_top_ngrams=_ngrams(2, [0.2, 0.18, 0.16]),
        max_duplicate_ngrams=_ngrams(5, [0.15, 0.14, 0.13, 0.12, 0.11, 0.1]),
        min_ended_lines=0.12,
        max_short_lines=0.67,
        max_newlines_per_word=0.3,
        min_word_length=3,
        max_word_length=10,
        min_alphabetic_words=0.8,
        stop_words=_words("the be to of and that have with"),
    ),
    "fin": Quality(
        **_FINEWEB2,
        max_duplicate_lines=0.293,
        max_top_ngrams=_ngrams(2, [0.253, 0.202, 0.179]),
        max_duplicate_ngrams=_ngrams(5, [0.153, 0.143, 0.133, 0.122, 0.112, 0.101]),
        min_ended_lines=0.114,
        max_newlines_per_word=0.161,
        min_word_length=3,
        max_word_length=14,
        min_alphabetic_words=0.755,
        stop_words=_words(
            "ja on oli hän vuonna myös joka se ei sen ovat sekä mutta että tai vuoden kanssa hänen s. jälkeen the"
        ),
    ),
    "lat": Quality(
        **_FINEWEB2,
        max_duplicate_lines=0.452,
        max_top_ngrams=_ngrams(2, [0.15, 0.147, 0.14]),
        max_duplicate_ngrams=_ngrams(5, [0.457, 0.449, 0.436, 0.42, 0.4, 0.378]),
        min_ended_lines=0.1,
        max_newlines_per_word=0.281,
        min_word_length=3,
        max_word_length=11,
        min_alphabetic_words=0.762,
        stop_words=_words("et in est anno praefecturae de a ad"),
    ),
    "sme": Quality(
        **_FINEWEB2,
        max_duplicate_lines=0.763,
        max_top_ngrams=_ngrams(2, [0.487, 0.448, 0.388]),
        max_duplicate_ngrams=_ngrams(5, [0.318, 0.295, 0.269, 0.241, 0.217, 0.193]),
        min_ended_lines=0,
        max_newlines_per_word=2,
        min_word_length=3,
        max_word_length=16,
        min_alphabetic_words=0.791,
        stop_words=_words(
            "lea ja leat dan lei gielda riegádeamit jápmimat dáhpáhusat go maid son jagi kaleandar mii dat suoma "
            "ahte jagis sámi mielde dahje beaivi ii olmmošlohku leatna eará geahča liŋkkat norgga"
        ),
    ),
    "swe": Quality(
        **_FINEWEB2,
        max_duplicate_lines=0.292,
        max_top_ngrams=_ngrams(2, [0.242, 0.195, 0.174]),
        max_duplicate_ngrams=_ngrams(5, [0.156, 0.147, 0.136, 0.125, 0.116, 0.105]),
        min_ended_lines=0.2,
        max_newlines_per_word=0.135,
        min_word_length=3,
        max_word_length=12,
        min_alphabetic_words=0.841,
        stop_words=_words("i och är av en som den med på till att för"),
    ),
}
"""ISO 639-3 -> thresholds."""


def with_defaults(quality: Quality, language: str) -> Quality:
    """Return thresholds with those of the language where none is given; where the language has none, it stays open.

    Of n-grams, lengths that are not given keep the language's threshold.
    """
    defaults = DEFAULTS.get(three_letters(language), Quality())
    resolved = {name: getattr(defaults, name) if value is None else value for name, value in quality}
    for name in ("max_top_ngrams", "max_duplicate_ngrams"):
        if (theirs := getattr(defaults, name)) is not None:
            resolved[name] = {**theirs, **(getattr(quality, name) or {})}
    return Quality.model_validate(resolved)
