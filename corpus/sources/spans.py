"""The plan of reading: units of work of about the same amount of text, made from names and sizes alone.

A *span* is a range of bytes of a file, and a *unit* is a span of a large file, or several small files whole. How a
record belongs to exactly one span of its file is each format's affair:

- a line belongs to the span that holds the newline before it, the first line to the first span;
- in Zstandard so too, where a span holds the frames that begin in its range;
- row group i of the n of a Parquet file stands at i/n of the file;
- batch i of the n of an Arrow file stands at i/n of it;
- what cannot be entered in its middle is one span: other compressions, a JSON array, documents of many plain lines.

Only files whose names do not say what they are get opened to plan, so that a plan of a thousand large files costs a
thousand calls of `stat`. That most files have a single frame shows only to the readers: one span then holds all, and
the others nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from common.errors import UserError
from corpus.sources.kinds import Kind, PlainText, kind_of

MAX_UNIT_FILES = 1000
UNITS = 64
"""Of a source, about: as many as a large node has use for, and far fewer than it has files."""
MIN_UNIT_BYTES, MAX_UNIT_BYTES = 2**24, 2**28


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes [start, end) of a file, and the size and time of change (ns) that it had when the plan was made."""

    path: str
    start: int
    end: int
    size: int
    mtime_ns: int
    kind: Kind

    def refuse_changed(self) -> None:
        """Raise `UserError` if the file is no longer what it was when the plan was made."""
        try:
            now = Path(self.path).stat()
        except FileNotFoundError:
            raise UserError(f"{self.path} was removed while it was read; put it back and run again.") from None
        if (now.st_size, now.st_mtime_ns) != (self.size, self.mtime_ns):
            raise UserError(
                f"{self.path} changed while it was read; wait until whatever writes it is done, and run again."
            )


def whole(path: Path, plain_text: PlainText = "line") -> Span:
    """Return the span of a whole file. Raises `UserError` if it is missing, no file, or of no known format."""
    if path.is_dir():
        raise UserError(f"{path} is a directory; name the files in it, for example {path}/*.jsonl.zst.")
    if not path.exists():
        raise UserError(f"{path} does not exist; correct `files` of this source in the recipe, or fetch the file.")
    if not path.is_file():
        raise UserError(f"{path} is a pipe or a device, which cannot be read in parts; write its content to a file.")
    status = path.stat()
    return Span(str(path), 0, status.st_size, status.st_size, status.st_mtime_ns, kind_of(path, plain_text))


def unit_bytes_for(paths: Iterable[Path]) -> int:
    """Return bytes of text that make some 64 units of the files, but no units smaller than 2^24 or larger than 2^28.

    It is a power of two: a source that grows keeps its units until it is twice as large.

    Raises:
        UserError: as `plan` does.
    """
    text = sum(_text_bytes(whole(path)) for path in paths)
    return min(max(1 << (text // UNITS).bit_length(), MIN_UNIT_BYTES), MAX_UNIT_BYTES)


def plan(paths: Iterable[Path], unit_bytes: int, plain_text: PlainText = "line") -> list[tuple[Span, ...]]:
    """Return the units of the files, in order, each of about `unit_bytes` of text or less.

    Raises:
        UserError: a file is missing, a directory, or of no known format.
    """
    units: list[tuple[Span, ...]] = []
    small: list[Span] = []
    together = 0
    for path in paths:
        span = whole(path, plain_text)
        text = _text_bytes(span)
        if small and (together + text > unit_bytes or len(small) == MAX_UNIT_FILES):
            units.append(tuple(small))
            small, together = [], 0
        if text > unit_bytes:
            units += [(part,) for part in _cut(span, min(-(-text // unit_bytes), span.size))]
        else:
            small.append(span)
            together += text
    return [*units, tuple(small)] if small else units


def _text_bytes(span: Span) -> int:
    return span.size * span.kind.text_per_byte


def _cut(span: Span, count: int) -> list[Span]:
    if not span.kind.splits:
        return [span]
    ends = [span.size * number // count for number in range(count + 1)]
    return [replace(span, start=start, end=end) for start, end in pairwise(ends)]
