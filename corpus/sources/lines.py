"""Records of a span of text, one after another: lines of JSON, and lines of plain text.

Blocks are decoded bytes in order, each with whether it lies in the span. They go on beyond the span's end, for its last
line may end there.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import inf

from common.errors import UserError
from corpus.sources.blocks import BlockReader, Blocks
from corpus.sources.records import Batch, Fields, Reject, UnusableError, excerpt, parse_line, parse_lines

MAX_LINE_BYTES = 2**30
"""A longer line is no document: most likely the file is not JSON Lines at all."""


class LineReader(BlockReader):
    """Reads the lines of a span as records of JSON. Those of white space only are counted and skipped."""

    def _together(self, lines: list[bytes]) -> tuple[list[str], list[Fields]] | None:
        """Return texts and fields of lines, if each is an ordinary document."""
        return parse_lines(lines, self.wanted)

    def _alone(self, line: bytes) -> tuple[str, Fields]:
        """Return text and fields of a line. Raises `UnusableError` if it is no document."""
        return parse_line(line, self.wanted)

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
        if parsed := self._together(lines):
            batch.add(*parsed, range(before + 1, self.line + 1))
            return batch
        for number, line in enumerate(lines, before + 1):
            try:
                text, fields = self._alone(line)
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
