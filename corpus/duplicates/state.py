"""What is known of each document, in arrays as long as there are documents: files that are mapped, not held.

The kernel keeps them in memory as far as there is any, and on disk beyond it. Processes share them.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

KEPT, EXACT, NEAR, NEAR_HELD_OUT = range(4)
"""What becomes of a document, in the column `fates`."""
_PREFIX = ".state-"
KINDS = {"fates": np.uint8, "touched": np.uint8, "parents": np.int64, "sizes": np.uint32, "kept": np.uint32}


@dataclass(frozen=True)
class State:
    """Arrays by name, each in a file of a folder."""

    folder: Path
    lengths: dict[str, int]

    def array(self, name: str) -> NDArray[Any]:
        """Return an array, which others may look at and change: of `KINDS`, or marks of one byte."""
        if not self.lengths[name]:
            return np.zeros(0, KINDS.get(name, np.uint8))
        return np.memmap(self.folder / name, KINDS.get(name, np.uint8), "r+", shape=(self.lengths[name],)).view(
            np.ndarray
        )


@contextmanager
def state_of(documents: int, lines: int, directory: Path) -> Iterator[State]:
    """Give arrays of zeros for so many documents, and `lines` for so many lines; they go when the block ends.

    Those that a killed attempt left in the directory go first: there is one attempt at a time.
    """
    for left in directory.glob(f"{_PREFIX}*"):
        shutil.rmtree(left)
    with TemporaryDirectory(prefix=_PREFIX, dir=directory) as folder:
        state = State(Path(folder), dict.fromkeys(KINDS, documents) | {"lines": lines})
        for name, length in state.lengths.items():
            with open(state.folder / name, "wb") as file:
                if size := length * np.dtype(KINDS.get(name, np.uint8)).itemsize:
                    # Now, and told: a full disk would otherwise end the process with a signal when a page is written.
                    os.posix_fallocate(file.fileno(), 0, size)
        yield state
