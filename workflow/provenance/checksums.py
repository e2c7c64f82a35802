"""Checksums of files, each computed once: by size and time of change a later call knows that a file is the same.

results/provenance/checksums.json   {name: [bytes, modified (ns), sha256]}
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from common.errors import UserError
from common.files import read_json, sha256_of, write_json

NAME = Path("results/provenance/checksums.json")


class Checksums:
    """SHA-256 of files below a working directory."""

    def __init__(self, directory: Path) -> None:
        """Read what is known; a file that is damaged or of another form counts as none."""
        self._directory = directory
        self._known: dict[str, list[Any]] = {}
        self._changed = False
        try:
            content = read_json(directory / NAME) if (directory / NAME).is_file() else {}
        except UserError:
            content = {}
        if isinstance(content, dict):
            self._known = {
                name: entry for name, entry in content.items() if isinstance(entry, list) and len(entry) == 3
            }

    def of(self, name: str) -> str:
        """Return the SHA-256 of a file, which is read, piece by piece, only if it is not the one that is known.

        Raises:
            OSError: it cannot be read.
        """
        path = self._directory / name
        status = path.stat()
        now = [status.st_size, status.st_mtime_ns]
        known = self._known.get(name)
        if known is None or known[:2] != now:
            known = self._known[name] = [*now, sha256_of(path)]
            self._changed = True
        return str(known[2])

    def save(self) -> None:
        """Write what is known of files that are still there, if anything is new."""
        if self._changed:
            there = {name: entry for name, entry in self._known.items() if (self._directory / name).is_file()}
            write_json(self._directory / NAME, there)
            self._changed = False
