"""Plain text becomes documents: a line each, what stands between blank lines, or a whole file."""

from __future__ import annotations

from collections.abc import Iterator

from corpus.sources.lines import LineReader
from corpus.sources.records import Fields, UnusableError


class TextLineReader(LineReader):
    """Reads each line as a document."""

    def _together(self, lines: list[bytes]) -> tuple[list[str], list[Fields]] | None:
        try:
            texts = [line.decode().strip("\ufeff\r\n") for line in lines]
        except UnicodeDecodeError:
            return None
        if not all(texts) or any(map(str.isspace, texts)):
            return None
        return texts, [{} for _ in texts]

    def _alone(self, line: bytes) -> tuple[str, Fields]:
        try:
            text = line.decode().strip("\ufeff\r\n")
        except UnicodeDecodeError:
            raise UnusableError("bad UTF-8") from None
        if not text or text.isspace():
            raise UnusableError("no text")
        return text, {}


class BlankLineReader(TextLineReader):
    """Reads what stands between blank lines as a document, as CC-100 has them. Documents are counted, not lines."""

    def _lines(self) -> Iterator[list[bytes]]:
        held: list[bytes] = []
        size = 0
        for lines in super()._lines():
            whole = []
            for line in lines:
                held.append(line)
                size += len(line) + 1
                if self._ends(line):
                    whole.append(b"\n".join(held))
                    held, size = [], 0
            self._refuse_endless(size)
            if whole:
                yield whole
        if held:
            yield [b"\n".join(held)]

    def _ends(self, line: bytes) -> bool:
        """Return whether a document ends with this line."""
        return not line or line.isspace()


class FileReader(BlankLineReader):
    """Reads a whole file as a document."""

    def _ends(self, line: bytes) -> bool:
        return False
