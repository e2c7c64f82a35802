"""Lines of a span of JSON Lines, plain, gzip or Zstandard.

A format gives *blocks*, decoded bytes in order, each with whether it lies in the span. Blocks go on beyond the span's
end, for its last line may end there.
"""

from __future__ import annotations

import gzip
import zlib
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import closing
from math import inf

import zstandard

from common.errors import UserError
from corpus.sources.frames import FrameDecoder
from corpus.sources.reading import SpanReader
from corpus.sources.records import Batch, Reject, UnusableError, excerpt, parse_line, parse_lines

Blocks = Iterator[tuple[bytes, bool]]

MAX_LINE_BYTES = 2**30
"""A longer line is no document: most likely the file is not JSON Lines at all."""
BLOCK = 2**19
"""Bytes split into lines at a time, about: few enough for the processor's cache, many for what is done once a batch."""
FOREIGN_STARTS = {b"\x1f\x8b": ".jsonl.gz", b"\x28\xb5\x2f\xfd": ".jsonl.zst", b"PAR1": ".parquet"}


class LineReader(SpanReader):
    """Reads the lines of a span. Those of white space only are counted and skipped."""

    @abstractmethod
    def _blocks(self) -> Blocks: ...

    def _batches(self) -> Iterator[Batch]:
        for lines in self._lines():
            start = 0
            while start < len(lines):
                end = self._end(lines, start)
                batch = self._batch(lines[start:end])
                lines[start:end] = [b""] * (end - start)  # One may be as large as memory has room for once.
                start = end
                yield batch

    def _end(self, lines: list[bytes], start: int) -> int:
        """Return the index after the last line, from `start` on, that comes before the limit or reaches it."""
        if self.limit == inf:
            return len(lines)
        consumed = self.consumed
        for index in range(start, len(lines)):
            consumed += len(lines[index]) + 1
            if consumed >= self.limit:
                return index + 1
        return len(lines)

    def _batch(self, lines: list[bytes]) -> Batch:
        before = self.line
        self.line += len(lines)
        size = sum(map(len, lines)) + len(lines)
        self.offset += size
        self.consumed += size
        batch = Batch(self.span.path)
        if parsed := parse_lines(lines, self.wanted):
            batch.add(*parsed, range(before + 1, self.line + 1))
            return batch
        for number, line in enumerate(lines, before + 1):
            try:
                text, fields = parse_line(line, self.wanted)
            except UnusableError as reason:
                if line and not line.isspace():
                    batch.rejects.append(Reject(batch.file, number, str(reason), excerpt(line), reason.fields))
            else:
                batch.add([text], [fields], [number])
        return batch

    def _lines(self) -> Iterator[list[bytes]]:
        """Yield the lines that follow newlines of the span, and the first of the file, from the place on."""
        begun: list[bytes] = []
        length = 0
        own = self.offset > 0 or self.span.start == 0
        """Whether the line that has begun is of this span: not so before the first newline in it."""
        for block, inside in self._after_place():
            lines = block.split(b"\n")
            if own:
                begun.append(lines[0])
                length += len(lines[0])
                self._refuse_endless(length)
                if len(lines) == 1:
                    continue
                lines[0] = b"".join(begun)
            elif inside:
                self.offset += len(lines[0]) + len(lines[:2]) - 1
                if len(lines) == 1:
                    continue
                del lines[0]
            if not inside:
                if own:
                    yield lines[:1]
                return
            own = True
            last = lines.pop()
            begun, length = [last], len(last)
            if lines:
                yield lines
        if own and length:
            self._refuse_endless(length)
            yield [b"".join(begun)]

    def _after_place(self) -> Blocks:
        """Yield the blocks without the bytes before the place."""
        skip = self.offset
        for block, inside in self._blocks():
            if skip and not inside:
                return  # The place lies beyond the span's end: its last line has been read.
            yield block[skip:], inside
            skip = max(0, skip - len(block))

    def _refuse_endless(self, length: int) -> None:
        if length > MAX_LINE_BYTES:
            which = f"line {self.line + 1}" if self.span.start == 0 else "a line"
            raise UserError(f"{which} of {self.path} is longer than {MAX_LINE_BYTES:,} bytes; is it JSON Lines?")


class PlainReader(LineReader):
    """Reads lines of a `.jsonl`."""

    def _blocks(self) -> Blocks:
        with self.path.open("rb", 0) as stream:
            self._refuse_foreign(stream.read(4))
            at = stream.seek(self.span.start)
            while block := stream.read(min(BLOCK, self.span.end - at) if at < self.span.end else BLOCK):
                yield block, at < self.span.end
                at += len(block)

    def _refuse_foreign(self, beginning: bytes) -> None:
        for start, suffix in FOREIGN_STARTS.items():
            if beginning.startswith(start):
                raise UserError(f"{self.path} is not plain JSON Lines but looks like {suffix}; rename it to end so.")


class GzipReader(LineReader):
    """Reads lines of a `.jsonl.gz`, all of its members."""

    damage = (gzip.BadGzipFile, zlib.error)

    def _blocks(self) -> Blocks:
        with gzip.open(self.path, "rb") as stream:
            while block := stream.read(BLOCK):
                yield block, True


class ZstdReader(LineReader):
    """Reads lines of a `.jsonl.zst`: of the frames that begin in the span."""

    damage = (zstandard.ZstdError,)

    def _blocks(self) -> Blocks:
        with closing(FrameDecoder(self.path, self.span.start, self.span.end)) as decoder:
            for block in _gathered(decoder.decoded()):
                self.frames = decoder.frames
                yield block
            self.frames = decoder.frames


def _gathered(pieces: Blocks) -> Blocks:
    """Yield the same bytes, where they are in the span, in blocks of about `BLOCK`."""
    held: list[bytes] = []
    size = 0
    for piece, inside in pieces:
        if held and (size + len(piece) > BLOCK or not inside):
            yield b"".join(held), True
            held, size = [], 0
        if inside and len(piece) <= BLOCK:
            held.append(piece)
            size += len(piece)
        else:
            for start in range(0, len(piece), BLOCK):
                yield piece[start : start + BLOCK], inside
    if held:
        yield b"".join(held), True
