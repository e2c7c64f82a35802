"""What the readers of all formats share: a place in a span, and damage told in a sentence."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import ClassVar

from common.errors import UserError
from corpus.sources.fields import Wanted
from corpus.sources.kinds import Kind
from corpus.sources.records import Batch, Document, Reject
from corpus.sources.spans import Span


@dataclass(frozen=True, slots=True)
class Place:
    """How far a span was read: after `line` lines or rows of it.

    `offset` finds the place again: decoded bytes from the beginning of the span, or rows.
    """

    offset: int = 0
    line: int = 0


class SpanReader(ABC):
    """Reads the records of a span once, from a place on, in batches; knows after each batch how far it is.

    Lines and rows are counted from the first of the span. Reading raises `UserError` for a file that is cut short,
    damaged, or not of the format that its name promises.
    """

    damage: ClassVar[tuple[type[Exception], ...]] = ()
    """What the format's decoder raises on a damaged file."""

    def __init__(self, span: Span, wanted: Wanted, place: Place) -> None:  # noqa: D107
        self.span = span
        self.path = Path(span.path)
        self.wanted = wanted
        self.offset = place.offset
        self.line = place.line
        self.consumed = 0
        """Bytes of text, as far as it is known, that this reader has gone through."""
        self.limit = inf
        """A batch ends with the record, if there is one, with which `consumed` reaches this."""
        self.frames: tuple[int, int] | None = None
        """Of Zstandard: where the first frame of the span begins and the last one ends, in bytes of the file."""

    @property
    def place(self) -> Place:
        """How far the span is read."""
        return Place(self.offset, self.line)

    def batches(self) -> Iterator[Batch]:
        """Yield the records of some hundred kilobytes at a time; a batch may hold none."""
        with _damage_is_told(self.path, self.span.kind, self.damage):
            yield from self._batches()

    def __iter__(self) -> Iterator[Document | Reject]:
        """Yield each record, as a document or a reject, and know after each how far the span is read."""
        self.limit = 0
        for batch in self.batches():
            yield from batch.records()

    @abstractmethod
    def _batches(self) -> Iterator[Batch]: ...


@contextmanager
def _damage_is_told(path: Path, kind: Kind, damage: tuple[type[Exception], ...]) -> Iterator[None]:
    """Turn what the decoders raise on a damaged file into a `UserError` that names the file."""
    advice = "fetch or copy it again"
    try:
        if (kind.compression or kind.is_table) and path.stat().st_size == 0:
            raise UserError(f"{path} is empty, which no {kind.suffix} file is; {advice}.")
        yield
    except EOFError:
        raise UserError(f"{path} is cut short; {advice}.") from None
    except damage as error:
        raise UserError(f"{path} is damaged, or not a {kind.suffix} file ({_one_line(error)}); {advice}.") from None
    except OSError as error:
        if error.errno is None:  # pyarrow's own, about the content; the system's have a number
            raise UserError(f"{path} is damaged, or not a {kind.suffix} file ({_one_line(error)}); {advice}.") from None
        raise


def _one_line(error: Exception) -> str:
    return str(error).splitlines()[0][:120].rstrip(".") if str(error) else type(error).__name__
