"""What each step of cleaning would do to some documents, each step by itself.

A document that three filters would refuse counts for all three. Each sees the text as it comes to it: repaired, and
without lines in another language where the recipe takes these out. Steps that the recipe does not ask for are tried as
well, with their language's defaults; they change nothing for the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from corpus.cleaning.bounds import bounds_of, refusals
from corpus.cleaning.identifying import identifier
from corpus.cleaning.language import ANOTHER, identified_documents, too_unsure, without_other_lines
from corpus.cleaning.quality import hashes_of_words, measure
from corpus.preview.spread import Spread
from corpus.sampling.account import Account
from corpus.sampling.filters import drop_reasons
from corpus.sampling.mending import repairing, replacing
from corpus.sampling.steps import NO_LINE, OTHER_LINES
from corpus.sampling.words import count_words
from corpus.sources.readers import Batch
from recipe.cleaning import Cleaning, LanguageCheck, Quality
from recipe.cleaning_defaults import settled
from recipe.languages import engine_code
from recipe.schema import Filters
from recipe.slices.types import SourceSlice


@dataclass(frozen=True)
class Verdict:
    """Which of d documents one filter refuses."""

    step: str
    reason: str
    """As the account of a source has it, such as `duplicate_lines > 0.293`."""
    asked: bool
    """Whether the recipe asks for the step."""
    refused: NDArray[np.bool_]
    """bool[d]"""
    details: list[str]
    """Of each document, what decided, for people; empty where there is nothing to say."""
    distances: NDArray[np.float64]
    """float64[d], how far from the threshold each document is, in the unit of the number; NaN where there is none."""


@dataclass(frozen=True)
class Change:
    """What a step changes in documents, or cuts out of them."""

    step: str
    what: str
    asked: bool
    count: int
    unit: str
    cut_bytes: int = 0
    pieces: list[bytes] = field(default_factory=list)


@dataclass(frozen=True)
class Trial:
    """What cleaning would do to documents of a source."""

    texts: list[bytes]
    """As they come to the filters."""
    there: NDArray[np.bool_]
    """bool[d], which documents come to the filters, and have not been taken out line by line."""
    verdicts: list[Verdict]
    changes: list[Change]

    @property
    def refused(self) -> NDArray[np.bool_]:
        """bool[d], what the steps that the recipe asks for would refuse all together."""
        asked = [verdict.refused for verdict in self.verdicts if verdict.asked]
        return np.any(asked, axis=0) if asked else np.zeros(len(self.texts), np.bool_)

    def only(self, verdict: Verdict) -> NDArray[np.bool_]:
        """bool[d], what this filter refuses and no other does; what is not asked for counts for the like alone."""
        others = [
            other.refused for other in self.verdicts if other is not verdict and (other.asked or not verdict.asked)
        ]
        return verdict.refused & ~np.any(others, axis=0) if others else verdict.refused


def try_steps(source: SourceSlice, spread: Spread) -> Trial:
    """Take documents of a source through each step that looks at one document at a time.

    Raises:
        UserError: an engine that the recipe asks for is not installed.
    """
    asked, tried = source.cleaning, _tried(source)
    batch = Batch("", list(spread.texts), list(spread.characters), list(spread.fields), list(range(len(spread.texts))))
    changes: list[Change] = []
    verdicts: list[Verdict] = []
    if asked.repair:
        account = Account()
        batch = repairing()(batch, account)
        changes += [Change("repair", _kind(what), True, count, "document") for what, count in account.changed.items()]
    if tried.language is not None:
        batch = _language(batch, tried.language, source.language, asked.language is not None, changes, verdicts)
    gone = [verdict.refused for verdict in verdicts if verdict.reason == NO_LINE]
    there = ~gone[0] if gone else np.ones(len(batch.texts), np.bool_)
    verdicts += _filters(batch, source.filters, there)
    if tried.quality is not None:
        verdicts += _quality(batch.texts, tried.quality, asked.quality is not None, there)
    account = Account()
    replacing(tried.private_data or [], source.language)(batch, account)
    for what, count in account.changed.items():
        changes.append(Change("private data", _kind(what), bool(asked.private_data), count, "place"))
    return Trial(batch.texts, there, verdicts, changes)


def _kind(what: str) -> str:
    return what.partition(": ")[2]


def _tried(source: SourceSlice) -> Cleaning:
    """Return the steps that the recipe asks for, and those beyond for which the language has defaults."""
    every = settled(Cleaning(language=LanguageCheck(), quality=Quality()), source.language)
    known = engine_code(LanguageCheck().engine, source.language) is not None
    thresholds = every.quality if every.quality != Quality() else None
    return source.cleaning.model_copy(
        update={
            "language": source.cleaning.language or (every.language if known else None),
            "quality": source.cleaning.quality or thresholds,
            "private_data": source.cleaning.private_data or every.private_data,
        }
    )


def _language(
    batch: Batch, check: LanguageCheck, language: str, asked: bool, changes: list[Change], verdicts: list[Verdict]
) -> Batch:
    """Try the step `language`; return the documents without the lines that it takes out."""
    engine, wanted = identifier(check.engine), engine_code(check.engine, language) or language
    texts, lines = without_other_lines(batch.texts, engine, wanted)
    takes_out = asked and check.paragraphs
    nothing = np.array([bool(gone) and not text.strip() for text, gone in zip(texts, lines, strict=True)], np.bool_)
    pieces = [b"\n".join(gone) for gone, none in zip(lines, nothing, strict=True) if gone and not none]
    if pieces:
        changes.append(
            Change("language", OTHER_LINES, takes_out, len(pieces), "document", sum(map(len, pieces)), pieces)
        )
    if takes_out:
        verdicts.append(Verdict("language", NO_LINE, True, nothing, [""] * len(texts), np.full(len(texts), np.nan)))
        batch = batch.with_texts([text if text.strip() else b"" for text in texts])
    found = identified_documents(batch.texts, engine, wanted)
    own, least = np.array([each == wanted for each in found.languages], np.bool_), check.min_score or 0
    scores = found.confidence.astype(np.float64)
    told = [f"{each} {score:.3f}" for each, score in zip(found.languages, scores, strict=True)]
    verdicts.append(Verdict("language", ANOTHER, asked, ~own & ~(takes_out & nothing), told, scores))
    distances = np.where(own, abs(scores - least), np.nan)
    verdicts.append(Verdict("language", too_unsure(least), asked, own & (scores < least), told, distances))
    return batch


def _filters(batch: Batch, filters: Filters, there: NDArray[np.bool_]) -> Iterator[Verdict]:
    """Yield what each key of `filters` refuses by itself of what is there; nothing of those that refuse none."""
    words = count_words(batch.texts)
    for key, value in filters:
        for name, one in value.items() if isinstance(value, dict) else [("", value)]:
            if one is None:
                continue
            alone = Filters.model_construct(**{**_OPEN, key: {name: one} if name else one})
            reasons = drop_reasons(batch.characters, batch.fields, words, alone)
            numbers = _numbers(batch, words, key, name)
            details = ["" if np.isnan(number) else f"{number:.6g}" for number in numbers]
            distances = abs(numbers - one) if isinstance(one, int | float) else np.full(len(reasons), np.nan)
            for reason in sorted({reason for reason in reasons if reason}):
                refused = np.array([each == reason for each in reasons], np.bool_) & there
                if refused.any():
                    yield Verdict("filters", reason, True, refused, details, distances)


_OPEN: dict[str, Any] = {
    **{"min_characters": 0, "max_characters": None, "min_words": 0, "max_words": None},
    **{"min_scores": {}, "allowed_values": {}},
}
"""Filters that refuse nothing."""


def _numbers(batch: Batch, words: NDArray[np.uint32], key: str, name: str) -> NDArray[np.float64]:
    """Return float64[d], the numbers that a key of the filters looks at; NaN where there is none."""
    if not name:
        return np.array(batch.characters if key.endswith("characters") else words, np.float64)
    found = [fields.get(name) if key == "min_scores" else None for fields in batch.fields]
    return np.array([each if isinstance(each, int | float) else np.nan for each in found], np.float64)


def _quality(texts: Sequence[bytes], quality: Quality, asked: bool, there: NDArray[np.bool_]) -> Iterator[Verdict]:
    """Yield what each measure refuses by itself of what is there."""
    measures = measure(texts, hashes_of_words(quality.stop_words or []))
    for (name, _, bound), (reason, refused) in zip(
        bounds_of(quality), refusals(measures, quality).items(), strict=True
    ):
        numbers = measures[name]
        details = [f"{number:.4g}" for number in numbers]
        yield Verdict("quality", reason, asked, refused & there, details, abs(numbers - bound))
