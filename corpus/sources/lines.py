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

import zstandard

from common.errors import UserError
from corpus.sources.frames import FrameDecoder
from corpus.sources.reading import SpanReader
from corpus.sources.records import Document, Reject, UnusableError, excerpt, parse_line

Blocks = Iterator[tuple[bytes, bool]]

MAX_LINE_BYTES = 2**30
"""A longer line is no document: most likely the file is not JSON Lines at all."""
BLOCK = 2**18
"""Bytes split into lines at a time, at most: a large block of nothing but newlines would be millions of lines."""
FOREIGN_STARTS = {b"\x1f\x8b": ".jsonl.gz", b"\x28\xb5\x2f\xfd": ".jsonl.zst", b"PAR1": ".parquet"}


class LineReader(SpanReader):
    """Reads the lines of a span. Those of white space only are counted and skipped."""

    @abstractmethod
    def _blocks(self) -> Blocks: ...

    def _records(self) -> Iterator[Document | Reject]:
        name, text_field = self.span.path, self.text_field
        for line in self._lines():
            self.line += 1
            self.offset += len(line) + 1
            self.consumed += len(line) + 1
            try:
                text, fields, plain = parse_line(line, text_field)
            except UnusableError as reason:
                if line and not line.isspace():
                    yield Reject(name, self.line, str(reason), excerpt(line))
            else:
                yield Document(text, fields, name, self.line, line if plain else None)

    def _lines(self) -> Iterator[bytes]:
        """Yield each line that follows a newline of the span, and the first of the file, from the place on."""
        begun: list[bytes] = []
        length = 0
        own = self.offset > 0 or self.span.start == 0
        """Whether the line that has begun is of this span: not so before the first newline in it."""
        for block, inside in self._after_place():
            pieces = block.split(b"\n")
            if own:
                begun.append(pieces[0])
                length += len(pieces[0])
                self._refuse_endless(length)
                if len(pieces) == 1:
                    continue
                yield b"".join(begun)
            elif inside:
                self.offset += len(pieces[0]) + len(pieces[:2]) - 1
                if len(pieces) == 1:
                    continue
            if not inside:
                return
            own = True
            yield from pieces[1:-1]
            begun, length = [pieces[-1]], len(pieces[-1])
        if own and length:
            self._refuse_endless(length)
            yield b"".join(begun)

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
            for content, inside in decoder.decoded():
                self.frames = decoder.frames
                for start in range(0, len(content), BLOCK):
                    yield content[start : start + BLOCK], inside
            self.frames = decoder.frames
