"""What becomes of one document: kept, in which split, or dropped for a counted reason.

The order is fixed: the fraction, then the filters, then the split, which a hash of the text decides.
"""

from __future__ import annotations

from dataclasses import replace

from corpus.sampling.account import Account
from corpus.sampling.filters import count_words, drop_reason, in_fraction, split_of
from corpus.sources.readers import Document
from recipe.slices.types import SourceSlice

OUTSIDE_FRACTION = "not in the fraction"


class Cleaner:
    """The steps of one source, made ready once and then taken by each document."""

    def __init__(self, source: SourceSlice) -> None:  # noqa: D107
        self._source = source

    def take(self, document: Document, account: Account) -> tuple[str, Document] | None:
        """Count the document; return its split and the document as it is written, or None if it is dropped.

        It is written with a field `words`, so that no later stage counts them again; one of its own is replaced.
        """
        source = self._source
        account.read += 1
        if not in_fraction(document.text, source.fraction, source.seed):
            account.dropped[OUTSIDE_FRACTION] += 1
            return None
        words = count_words(document.text)
        if reason := drop_reason(document, words, source.filters):
            account.dropped[reason] += 1
            return None
        split = split_of(document.text, source.held_out, source.seed)
        account.documents[split] += 1
        account.bytes[split] += len(document.text.encode())
        account.words[split] += words
        account.histogram[len(str(words))] += 1
        return split, replace(document, fields={**document.fields, "words": words})
