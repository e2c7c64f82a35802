"""Records of a JSON array, one after another, in memory that does not grow with the file.

Only strings, brackets and commas are looked for here, so that each record's bytes are parsed as a line's are. A record
ends with one byte, a comma or the last bracket, as a line does with its newline, so that places count the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from common.errors import UserError
from corpus.sources.kinds import BYTE_ORDER_MARK
from corpus.sources.lines import LineReader

_MARK = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|["\[\]{},]', re.DOTALL)
"""A whole string, or a bracket, a comma, or the quote of a string that does not end here."""


class ArrayReader(LineReader):
    """Reads the records of an array, and counts them."""

    def _lines(self) -> Iterator[list[bytes]]:
        if self.offset == 0:
            self.offset = self._begin()
        held, ended = b"", False
        waiting: list[bytes] = []
        missing = 0
        for block, _ in self._after_place():
            if ended:
                self._refuse_more(block)
                continue
            waiting.append(block)
            if sum(map(len, waiting)) < missing:
                continue  # A record is looked through again from its beginning: as much more of it must have come.
            records, held, ended = _cut(b"".join([held, *waiting]))
            waiting, missing = [], len(held)
            self._refuse_endless(len(held))
            if records:
                yield records
            if ended:
                self._refuse_more(held)
        if not ended and waiting:
            records, held, ended = _cut(b"".join([held, *waiting]))
            yield records
            self._refuse_more(held if ended else b"")
        if not ended:
            raise EOFError

    def _begin(self) -> int:
        """Return where the first record may begin."""
        at = 0
        for block, _ in self._blocks():
            text = block.removeprefix(BYTE_ORDER_MARK) if at == 0 else block
            if text.lstrip():
                if not text.lstrip().startswith(b"["):
                    break
                return at + block.index(b"[") + 1
            at += len(block)
        raise UserError(f"{self.path} is no JSON array; fetch or copy it again.")

    def _refuse_more(self, rest: bytes) -> None:
        if rest.strip():
            raise UserError(f"{self.path} goes on after the end of its JSON array; write one array a file.")


def _cut(content: bytes) -> tuple[list[bytes], bytes, bool]:
    """Return the records that end in some bytes, the bytes after them, and whether the array has ended."""
    records = []
    start = depth = 0
    for found in _MARK.finditer(content):
        mark = content[found.start()]
        if mark in b"{[":
            depth += 1
        elif mark == ord(",") and depth == 0:
            records.append(content[start : found.start()])
            start = found.end()
        elif mark in b"}]":
            depth -= 1
            if depth < 0:
                records.append(content[start : found.start()])
                return records, content[found.end() :], True
        elif mark == ord('"') and found.end() - found.start() == 1:
            break
    return records, content[start:], False
