"""Rules of what a recipe says of a mixture; see `recipe.checks` for what a rule is."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from recipe.schema import Mixture, Recipe, WordBin

Problem = tuple[str, str]


def mixture_problems(key: str, mixture: Mixture, recipe: Recipe) -> Iterator[Problem]:
    """Yield every breach of a rule within the mixture at `key`; that its sources exist is not looked at."""
    yield from _word_bins(f"{key}.word_bins", mixture)
    drawn = {recipe.sources[name].language for name in mixture.factors if name in recipe.sources}
    for language in sorted(set(mixture.language_shares) - drawn):
        told = f"no source of the mixture is in {language}; its languages are: {', '.join(sorted(drawn))}."
        yield f"{key}.language_shares.{language}", told
    if missing := sorted(drawn - set(mixture.language_shares)) if mixture.language_shares else []:
        yield f"{key}.language_shares", f"says nothing of {', '.join(missing)}; give each language of the mixture one."


def _word_bins(key: str, mixture: Mixture) -> Iterator[Problem]:
    filled: list[tuple[int, WordBin]] = []
    for index, word_bin in enumerate(mixture.word_bins):
        if word_bin.max_words is not None and word_bin.max_words <= word_bin.min_words:
            yield (
                f"{key}[{index}]",
                f"no document has at least {word_bin.min_words} and fewer than {word_bin.max_words} words; "
                "max_words is exclusive and must be larger than min_words.",
            )
        else:
            filled.append((index, word_bin))
    filled.sort(key=lambda item: item[1].min_words)
    for (first, lower), (second, upper) in pairwise(filled):
        if lower.max_words is None or lower.max_words > upper.min_words:
            end = "it has no max_words" if lower.max_words is None else f"it ends at {lower.max_words}"
            yield (
                f"{key}[{second}]",
                f"begins at {upper.min_words} words, inside word_bins[{first}] ({end}); let bins not overlap.",
            )
