"""Rules of what a recipe says of cleaning, source by source; see `recipe.checks` for what a rule is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from recipe.cleaning import LanguageCheck, Quality
from recipe.languages import ENGINES, engine_code
from recipe.quality import with_defaults
from recipe.schema import Source


def cleaning_problems(sources: Mapping[str, Source]) -> Iterator[tuple[str, str]]:
    """Yield every breach of a rule as (key path, sentence)."""
    for name, source in sources.items():
        key = f"sources.{name}.cleaning"
        if source.cleaning.language is not None:
            yield from _language(f"{key}.language", source.cleaning.language, source.language)
        if source.cleaning.quality is not None:
            yield from _quality(f"{key}.quality", source.cleaning.quality, source.language)


def _language(key: str, check: LanguageCheck, language: str) -> Iterator[tuple[str, str]]:
    if engine_code(check.engine, language) is None:
        others = [engine for engine in ENGINES if engine_code(engine, language) is not None]
        instead = f"let engine be {others[0]}, or leave language out" if others else "leave language out"
        yield key, f"{check.engine} cannot tell which text is in {language}; {instead}."
    if check.engine == "py3langid" and (check.min_score or 0) > 1:
        yield f"{key}.min_score", f"{check.min_score:g} is above 1, but py3langid gives probabilities."


def _quality(key: str, given: Quality, language: str) -> Iterator[tuple[str, str]]:
    quality = with_defaults(given, language)
    if quality == Quality():
        yield key, f"there are no thresholds for {language}; give those that you want, such as max_duplicate_lines."
    if quality.min_stop_words and quality.min_stop_words > len(quality.stop_words or []):
        has = f"has {len(quality.stop_words)}" if quality.stop_words else "is missing"
        yield f"{key}.stop_words", f"{has}, but min_stop_words asks for {quality.min_stop_words}."
    for name in ("words", "word_length"):
        low, high = getattr(quality, f"min_{name}"), getattr(quality, f"max_{name}")
        if low is not None and high is not None and low > high:
            yield f"{key}.min_{name}", f"{low:g} is more than max_{name}, {high:g}; no document would be left."
