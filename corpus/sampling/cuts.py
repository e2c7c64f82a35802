"""What is cut out of the documents of a part after it was written: duplicates, and text that others hold out.

Parts are written once. What is taken away from one lies in a file beside it, `cuts-{part}`: which documents, and from
which byte to which byte of their UTF-8, sorted. A document that is cut whole is none any more. So whether a document
stays may change, with another source or another key of the recipe, and nothing but its cuts is written again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.columns import open_columns, whole, write_columns

CUTS = "cuts"
"""Key of a part's entry under which its cuts are listed, and the beginning of their name."""


@dataclass(frozen=True)
class Cuts:
    """Stretches that are cut out of the documents of a part, sorted, none of them touching another."""

    documents: NDArray[np.uint32]
    """uint32[c], numbers of documents in the part."""
    starts: NDArray[np.uint32]
    ends: NDArray[np.uint32]
    """uint32[c], bytes."""

    def write(self, path: Path) -> None:
        """Write them; equal cuts give equal bytes."""
        write_columns(path, {name: whole(getattr(self, name)) for name in ("documents", "starts", "ends")})

    @staticmethod
    def read(path: Path) -> Cuts:
        """Read them. Raises `UserError` if the file is absent or another one."""
        return Cuts(**open_columns(path))

    def within(self, first: int, last: int) -> Cuts:
        """Return the cuts of documents from `first` to before `last`, which are then counted from 0."""
        begin, end = np.searchsorted(self.documents, [first, last])
        return Cuts(self.documents[begin:end] - np.uint32(first), self.starts[begin:end], self.ends[begin:end])

    def apply(self, texts: Sequence[bytes]) -> tuple[list[bytes], NDArray[np.int64]]:
        """Return texts without what is cut, those that are left nothing too, and which texts were changed."""
        left = list(texts)
        changed, places = np.unique(self.documents, return_index=True)
        for document, begin, end in zip(
            changed.tolist(), places.tolist(), [*places.tolist()[1:], len(self.documents)], strict=True
        ):
            text, place, pieces = texts[document], 0, []
            for cut in range(begin, end):
                pieces.append(text[place : self.starts[cut]])
                place = int(self.ends[cut])
            left[document] = b"".join([*pieces, text[place:]])
        return left, changed.astype(np.int64)


def cuts_of(directory: Path, part: Mapping[str, Any]) -> Cuts | None:
    """Return the cuts of a part, given its entry in a manifest in `directory`, or None if it has none."""
    entry = part.get(CUTS)
    return Cuts.read(directory / entry["name"]) if entry else None


def documents_digest(part: Mapping[str, Any]) -> str:
    """Return a digest of the documents of a part as they are read, given its entry in a manifest: SHA-256."""
    if CUTS not in part:
        return str(part["sha256"])
    return hashlib.sha256(f"{part['sha256']} {part[CUTS]['sha256']}".encode()).hexdigest()
