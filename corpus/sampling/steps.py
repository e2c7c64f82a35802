"""The steps of cleaning that look at one document at a time: each takes a batch and gives back what it leaves of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import compress
from typing import TYPE_CHECKING

from corpus.cleaning.bounds import bounds_of, refusals
from corpus.cleaning.language import other_documents, without_other_lines
from corpus.cleaning.quality import hashes_of_words, measure
from corpus.sampling.account import Account
from corpus.sampling.filters import drop_reasons
from corpus.sampling.mending import repairing, replacing
from corpus.sampling.words import count_words
from corpus.sources.readers import Batch
from recipe.languages import engine_code

if TYPE_CHECKING:
    from recipe.cleaning import LanguageCheck, Quality
    from recipe.schema import Filters
    from recipe.slices.types import SourceSlice

Step = Callable[[Batch, Account], Batch]
"""Given documents, it returns those that it leaves, as it leaves them, and counts the others and what it changed."""

OTHER_LINES = "lines in another language"
NO_LINE = "no line in its language"


def steps_of(source: SourceSlice) -> dict[str, Step]:
    """Return name -> step, in their order, between the choice of a fraction and that of the split.

    What a step does to a document depends on this document alone.
    """
    cleaning = source.cleaning
    steps: dict[str, Step] = {"repair": repairing()} if cleaning.repair else {}
    if cleaning.language is not None:
        steps["language"] = InLanguage(cleaning.language, source.language)
    steps["filters"] = Filtering(source.filters)
    if cleaning.quality is not None:
        steps["quality"] = OfQuality(cleaning.quality)
    if cleaning.private_data:
        steps["private data"] = replacing(cleaning.private_data, source.language)
    return steps


class InLanguage:
    """The step that takes out lines in another language, if asked to, and drops documents in another."""

    def __init__(self, check: LanguageCheck, language: str) -> None:
        """Load the engine. Raises `UserError` if it is not installed."""
        from corpus.cleaning.identifying import identifier  # imports scipy, which no other step needs

        self._check = check
        self._identifier = identifier(check.engine)
        self._wanted = engine_code(check.engine, language) or language

    def __call__(self, batch: Batch, account: Account) -> Batch:
        """Leave what is in the source's language."""
        if self._check.paragraphs:
            batch = self._own_lines(batch, account)
        found = other_documents(batch.texts, self._identifier, self._wanted, self._check.min_score or 0)
        return drop(batch, [one and one[0] for one in found], account, [one[1] if one else "" for one in found])

    def _own_lines(self, batch: Batch, account: Account) -> Batch:
        texts, lines = without_other_lines(batch.texts, self._identifier, self._wanted)
        if not any(lines):
            return batch
        nothing = [not text.strip() and bool(gone) for text, gone in zip(texts, lines, strict=True)]
        pieces = [b"\n".join(gone) for gone, none in zip(lines, nothing, strict=True) if gone and not none]
        if pieces:
            account.cut(OTHER_LINES, len(pieces), pieces)
        left = drop(batch, [NO_LINE if none else None for none in nothing], account)
        texts = [text for text, none in zip(texts, nothing, strict=True) if not none]
        return left.with_texts(texts)


class Filtering:
    """The step that drops documents by their length and their fields."""

    def __init__(self, filters: Filters) -> None:  # noqa: D107
        self._filters = filters

    def __call__(self, batch: Batch, account: Account) -> Batch:
        """Drop what the filters refuse."""
        reasons = drop_reasons(batch.characters, batch.fields, count_words(batch.texts), self._filters)
        return drop(batch, reasons, account)


class OfQuality:
    """The step that drops documents which do not read like text."""

    def __init__(self, quality: Quality) -> None:  # noqa: D107
        self._quality = quality
        self._stop_words = hashes_of_words(quality.stop_words or [])

    def __call__(self, batch: Batch, account: Account) -> Batch:
        """Drop what is out of bounds, for the first of the bounds in their order."""
        measures = measure(batch.texts, self._stop_words)
        reasons: list[str | None] = [None] * len(batch.texts)
        details = [""] * len(batch.texts)
        found = refusals(measures, self._quality)
        for (name, _, _), (reason, refused) in zip(bounds_of(self._quality), found.items(), strict=True):
            for index in refused.nonzero()[0].tolist():
                if reasons[index] is None:
                    reasons[index], details[index] = reason, f"{measures[name][index]:.4g}"
        return drop(batch, reasons, account, details)


def drop(batch: Batch, reasons: Sequence[str | None], account: Account, details: Sequence[str] = ()) -> Batch:
    """Return the documents that have no reason to be dropped; count the others.

    Args:
        batch: documents.
        reasons: of each document, or None to keep it.
        account: where those are counted which are dropped.
        details: of each document, if given: the number that decided.
    """
    if not any(reasons):
        return batch
    for reason in dict.fromkeys(filter(None, reasons)):
        own = [each == reason for each in reasons]
        account.drop(reason, list(compress(batch.texts, own)), list(compress(details, own)))
    return batch.where([reason is None for reason in reasons])
