"""What becomes of one document: kept, in which split, or dropped for a counted reason; and how it is written.

The order is fixed: the fraction, then the filters, then the split, which a hash of the text decides.
"""

from __future__ import annotations

from pathlib import Path

from corpus.sampling.account import Account
from corpus.sampling.filters import count_words, drop_reason, in_fraction, split_of
from corpus.sources.readers import Document, Span
from corpus.sources.zstd import json_line
from recipe.slices.types import SourceSlice

OUTSIDE_FRACTION = "not in the fraction"


class Cleaner:
    """The steps of one source, made ready once and then taken by each document."""

    def __init__(self, source: SourceSlice) -> None:  # noqa: D107
        self._source = source

    def take(self, document: Document, account: Account) -> tuple[str, int] | None:
        """Count the document; return its split and its number of words, or None if it is dropped."""
        source = self._source
        utf8 = document.text.encode()
        account.read += 1
        if not in_fraction(utf8, source.fraction, source.seed):
            account.dropped[OUTSIDE_FRACTION] += 1
            return None
        words = count_words(document.text)
        if reason := drop_reason(document, words, source.filters):
            account.dropped[reason] += 1
            return None
        split = split_of(utf8, source.held_out, source.seed)
        account.documents[split] += 1
        account.bytes[split] += len(utf8)
        account.words[split] += words
        account.histogram[str(len(str(words)))] += 1
        return split, words


def written(document: Document, words: int, span: Span, text_field: str) -> bytes:
    """Return the line of a kept document: its `id`, a string, its fields, its number of `words`, its `text`.

    Words are counted here for all later stages; a field of that name is replaced. Where nothing else changes, the line
    is the one that was read, with the words at its end, for writing JSON anew costs as much as parsing it.
    """
    raw, fields = document.raw, document.fields
    identifier = fields.get("id")
    if identifier is None:
        identifier = f"{Path(document.file).name}:{_line(document, span)}"
    elif raw and type(identifier) is str and text_field == "text" and "words" not in fields:
        return b'%b,"words":%d}\n' % (raw.strip()[:-1], words)
    record = {"id": str(identifier), **fields, "words": words, "text": document.text}
    record["id"] = str(identifier)
    return json_line(record)


def _line(document: Document, span: Span) -> str:
    """The line of a document in its file, or `{byte at which its span begins}+{line in the span}`."""
    return f"{span.start}+{document.line}" if span.start else str(document.line)
