"""What a phase is going to read is compared with its checksums: before training where that is quick, else beside it.

A phase verifies the files that it will draw rows from, and no others; each file is verified by one rank, those first
that are read first. What is not done after `FOREGROUND_SECONDS` goes on in a thread while training begins, and a
damaged file then stops the phase at its next step, and before its end in any case.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any, NamedTuple

from common.errors import UserError
from corpus.rows.store import refuse_changed_rows
from model.training.data import Stream

FOREGROUND_SECONDS = 30.0


class File(NamedTuple):
    """A file that rows are read from."""

    directory: Path
    name: str
    index_path: Path
    """Of the rows, for what is said if it is damaged."""


Files = dict[File, dict[str, Any]]
"""File -> its entry in the index, with size and SHA-256."""


def files_read(ahead: Iterable[tuple[Stream, int]]) -> Files:
    """Return the files that each stream reads up to a global row of it, about in the order of their use."""
    files: Files = {}
    for stream, end in ahead:
        files.update(_read_by(stream, stream.place.rows, end))
    return files


def _read_by(stream: Stream, begin: int, end: int) -> Iterator[tuple[File, dict[str, Any]]]:
    ranges: dict[int, list[tuple[int, int]]] = {}
    for component, first, last in stream.mixture.touched(begin, end):
        ranges.setdefault(component, []).append((first, last))
    each = [
        [(File(directory, entry["name"], reader.path), entry) for directory, entry in reader.files(ranges[component])]
        for component, reader in enumerate(stream.readers)
        if component in ranges
    ]
    return (found for found in chain.from_iterable(zip_longest(*each)) if found)


class Verification:
    """The check of some files, in a thread."""

    def __init__(self, files: Mapping[File, Mapping[str, Any]]) -> None:
        """Begin to verify files, in their order."""
        self._files = files
        self._problem: UserError | OSError | None = None
        self._thread = threading.Thread(target=self._verify, daemon=True, name="verification")
        self._thread.start()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for the end, or so long; return whether all is verified.

        Raises:
            UserError: a file is missing, or is not as it was written; it names the first such file.
        """
        self._thread.join(seconds)
        if self._problem:
            raise self._problem
        return not self._thread.is_alive()

    def _verify(self) -> None:
        try:
            for file, entry in self._files.items():
                refuse_changed_rows(file.directory, dict(entry), file.index_path)
        except (UserError, OSError) as problem:
            self._problem = problem


def share(files: Files, rank: int, world_size: int) -> Files:
    """Return what rank `rank` verifies: every `world_size`-th file, so that early ones are done first on all ranks."""
    chosen: Sequence[File] = list(files)[rank::world_size]
    return {file: files[file] for file in chosen}
