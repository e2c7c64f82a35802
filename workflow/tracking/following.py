"""The lines of a log that grows, and that training cuts back when it goes on from a checkpoint."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_DIGEST_BYTES = 8
_READ = 1 << 22
"""Bytes given out at once."""


class Lines:
    """The whole lines of a file, each once. After a cut come those that follow the last line that is still as it was.

    A line is known by its digest: the steps after a checkpoint are trained again, and their lines have other times.
    """

    def __init__(self, path: Path, known: bytes = b"") -> None:
        """Go on after lines that were given out before.

        Args:
            path: of the file, which need not be there yet.
            known: as `known` of the one who gave them out.
        """
        self._path = path
        self._digests = [known[at : at + _DIGEST_BYTES] for at in range(0, len(known), _DIGEST_BYTES)]
        self._last = range(0)  # where the last line that was given out lies; empty where that is not known

    @property
    def known(self) -> bytes:
        """The digests of all lines that were given out and are still there, in order."""
        return b"".join(self._digests)

    def read(self) -> list[bytes]:
        """Return the lines that are new, at most some megabytes of them: read again until there are none."""
        try:
            with open(self._path, "rb") as stream:
                if not self._is_there(stream):
                    self._find_common(stream)
                stream.seek(self._last.stop)
                return list(self._new(stream))
        except FileNotFoundError:
            self._digests, self._last = [], range(0)
            return []

    def _is_there(self, stream: BinaryIO) -> bool:
        """Tell whether the last line that was given out lies where it lay, and so all before it."""
        stream.seek(self._last.start)
        return bool(self._last) and digest(stream.read(len(self._last))) == self._digests[-1]

    def _find_common(self, stream: BinaryIO) -> None:
        """Forget the lines that were given out from the first on that is another now."""
        stream.seek(0)
        kept, self._last = 0, range(0)
        for line, known in zip(stream, self._digests, strict=False):
            if digest(line) != known:
                break
            self._last = range(self._last.stop, self._last.stop + len(line))
            kept += 1
        del self._digests[kept:]

    def _new(self, stream: BinaryIO) -> Iterator[bytes]:
        begin = self._last.stop
        for line in stream:
            if not line.endswith(b"\n") or self._last.stop - begin > _READ:
                break
            self._digests.append(digest(line))
            self._last = range(self._last.stop, self._last.stop + len(line))
            yield line


def digest(line: bytes) -> bytes:
    """Return what a line is known by."""
    return hashlib.blake2b(line, digest_size=_DIGEST_BYTES).digest()
