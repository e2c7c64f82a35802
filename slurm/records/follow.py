"""Reading logs while they grow, and their ends."""

from __future__ import annotations

import sys
from pathlib import Path


class Mirror:
    """Copies what is added to a file to standard output."""

    def __init__(self, path: Path, whole: bool = False) -> None:
        """Begin at the present end of `path`, which need not exist yet, or at its beginning if `whole`."""
        self._path = path
        self._copied = path.stat().st_size if path.exists() and not whole else 0

    def copy(self) -> None:
        """Copy what has come since the last call, byte for byte."""
        if not self._path.exists():
            return
        with open(self._path, "rb") as stream:
            stream.seek(self._copied)
            added = stream.read()
        self._copied += len(added)
        sys.stdout.buffer.write(added)
        sys.stdout.buffer.flush()


def last_lines(path: Path, count: int = 15, limit: int = 16_384) -> str:
    """Return at most `count` last lines, from at most `limit` last bytes of a file; empty if there is none."""
    if not path.exists():
        return ""
    with open(path, "rb") as stream:
        stream.seek(max(0, path.stat().st_size - limit))
        lines = stream.read().decode("utf-8", errors="replace").splitlines()
    return "\n".join(lines[-count:])
