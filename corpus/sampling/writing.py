"""Documents as Parquet: written row group by row group, with no object for a value.

Row groups end by the text that they hold, not by how it came, so that the same documents make the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from common.files import atomic_file
from corpus.sampling.arrow import numbers_of, strings_of
from corpus.sampling.documents import SCHEMA

GROUP_BYTES = 2**22
"""Text of a row group: what a reader holds at a time. A group ends with the document that makes it as much."""
COMPRESSION = "none"


@dataclass(frozen=True)
class Kept:
    """Documents of one split, in order."""

    identifiers: list[str]
    texts: list[bytes]
    """UTF-8."""
    fields: list[bytes | None]
    """JSON objects of their other fields; None where there are none."""
    words: NDArray[np.uint32]


class DocumentWriter:
    """Writes documents into a Parquet file, as soon as they fill a row group."""

    def __init__(self, file: pq.ParquetWriter) -> None:  # noqa: D107
        self._file = file
        self._forget()

    def write(self, kept: Kept) -> None:
        """Write documents, or hold them for the next row group."""
        start = 0
        for number, text in enumerate(kept.texts, 1):
            self._size += len(text)
            if self._size >= GROUP_BYTES:
                self._hold(kept, start, number)
                self.flush()
                start = number
        self._hold(kept, start, len(kept.texts))

    def flush(self) -> None:
        """Write what is held."""
        if self._texts:
            columns = {
                "id": strings_of([identifier.encode() for identifier in self._identifiers]),
                "words": numbers_of(np.concatenate(self._words)),
                "fields": strings_of(self._fields)
                if any(self._fields)
                else pa.nulls(len(self._fields), pa.large_string()),
                "text": strings_of(self._texts),
            }
            self._file.write_batch(pa.record_batch([columns[name] for name in SCHEMA.names], schema=SCHEMA))
        self._forget()

    def _hold(self, kept: Kept, start: int, end: int) -> None:
        self._identifiers += kept.identifiers[start:end]
        self._words.append(kept.words[start:end])
        self._fields += kept.fields[start:end]
        self._texts += kept.texts[start:end]

    def _forget(self) -> None:
        self._identifiers: list[str] = []
        self._words: list[NDArray[np.uint32]] = []
        self._fields: list[bytes | None] = []
        self._texts: list[bytes] = []
        self._size = 0


@contextmanager
def atomic_documents(path: Path) -> Iterator[DocumentWriter]:
    """Give a writer; `path` appears, whole, when the block ends without error. Equal documents give equal bytes."""
    with (
        atomic_file(path) as stream,
        pq.ParquetWriter(stream, SCHEMA, compression=COMPRESSION, use_dictionary=False, write_statistics=False) as file,
    ):
        writer = DocumentWriter(file)
        yield writer
        writer.flush()
