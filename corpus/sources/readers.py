"""Raw files become documents, some hundred at a time, in memory that does not grow with the file.

A file holds JSON, a record a line or an array of them, plain text, or a table of Parquet or Arrow. What cannot be a
document becomes a `Reject` that tells file, line and reason, so that the stage above counts it and shows it. A file
that is damaged as a whole (cut short, of another format, absent) is a `UserError`: nothing after the damage can be
trusted.

`corpus.sources.spans` plans what is read together, `corpus.sources.records` says what a document is, and each format
has its file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import inf
from pathlib import Path

from common.errors import UserError
from common.files import each_once, matching_files
from corpus.sources.arrays import ArrayReader
from corpus.sources.arrow import ArrowReader
from corpus.sources.fields import Wanted
from corpus.sources.lines import LineReader
from corpus.sources.parquet import ParquetReader
from corpus.sources.plain import BlankLineReader, FileReader, TextLineReader
from corpus.sources.reading import Place, SpanReader
from corpus.sources.records import Batch, Document, Fields, Reject
from corpus.sources.spans import Span, plan, whole

__all__ = [
    "Batch",
    "Document",
    "Fields",
    "Place",
    "Reject",
    "Span",
    "UnitReader",
    "Wanted",
    "open_span",
    "plan",
    "read_documents",
    "source_files",
]

READERS: dict[str, type[SpanReader]] = {
    "lines": LineReader,
    "array": ArrayReader,
    "line": TextLineReader,
    "blank-line": BlankLineReader,
    "file": FileReader,
    "parquet": ParquetReader,
    "arrow": ArrowReader,
    "arrow-stream": ArrowReader,
}


def source_files(patterns: Iterable[str]) -> tuple[list[Path], dict[str, str]]:
    """Return the files that paths or glob patterns name, sorted within a pattern, each once: by another name, too.

    With them come those other names: path -> the path by which that file is read.

    Raises:
        UserError: a pattern matches nothing.
    """
    found: list[str] = []
    for pattern in patterns:
        matches = matching_files(pattern)
        if not matches:
            raise UserError(
                f"no file matches {pattern!r} in {Path.cwd()}; correct `files` of this source in the recipe."
            )
        found += matches
    files, again = each_once(found)
    return list(map(Path, files)), again


def read_documents(paths: Iterable[Path], text_field: str = "text") -> Iterator[Document | Reject]:
    """Yield every record of the files in order, as a `Document` or a `Reject`.

    `Reject.reason` is one of those of `corpus.sources.records.parse_line`.

    Raises:
        UserError: a file is missing, a directory, cut short, damaged, or not of the format its name promises.
    """
    for path in paths:
        yield from open_span(whole(path), Wanted(text_field))


def open_span(span: Span, wanted: Wanted, place: Place = Place()) -> SpanReader:  # noqa: B008 (it is frozen)
    """Return the reader of a span, from a place on. The file is opened when it is iterated."""
    return READERS[span.kind.form](span, wanted, place)


class UnitReader:
    """Reads the records of a unit's spans, one span after another, from a place in one of them on."""

    def __init__(self, spans: tuple[Span, ...], wanted: Wanted, number: int, place: Place) -> None:
        """Begin at `place` in the span `spans[number]`."""
        self.number = number
        """Index of the span that is being read."""
        self._spans, self._wanted = spans, wanted
        self._consumed = 0
        self._limit = inf
        self.reader = open_span(spans[number], wanted, place)
        """The reader of that span."""

    @property
    def consumed(self) -> int:
        """Bytes of text that were gone through, as far as that is known."""
        return self._consumed + self.reader.consumed

    def stop_at(self, limit: int) -> None:
        """Let a batch end with the record with which `consumed` reaches the limit."""
        self._limit = limit
        self.reader.limit = limit - self._consumed

    def batches(self) -> Iterator[Batch]:
        """Yield the records in batches, each of one file."""
        yield from self.reader.batches()
        while self.number + 1 < len(self._spans):
            self._consumed += self.reader.consumed
            self.number += 1
            self.reader = open_span(self._spans[self.number], self._wanted)
            self.reader.limit = self._limit - self._consumed
            yield from self.reader.batches()
