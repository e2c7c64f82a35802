"""Packed rows on disk: Arrow IPC files, written as a stream and read as views of mapped memory.

One record per row: `tokens`, the row's ids without padding, and `lengths`, the sizes of its pieces. Record batches hold
`BATCH_ROWS` rows and files `FILE_ROWS`, so row i is found by division. The files are not compressed: a row read is a
page read. `index.json`, written last, names them with sizes and checksums; without it nothing beside it is valid.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from common.errors import UserError
from common.files import atomic_file, read_json
from common.listed import describe, refuse_changed

FORMAT = 1
BATCH_ROWS = 1024
FILE_ROWS = 65_536
CACHED_BATCHES = 1024

Tokens = NDArray[np.uint16] | NDArray[np.uint32]
Views = tuple[Tokens, NDArray[np.int32], NDArray[np.uint16], NDArray[np.int32]]
"""Of a record batch: tokens, where each row's begin and end, lengths of pieces, where each row's begin and end."""


@dataclass(frozen=True)
class RowBatch:
    """r rows, ready to be written."""

    tokens: Tokens
    """[n], ids of all rows one after the other."""
    row_starts: NDArray[np.int64]
    """int64[r + 1], where each row begins in `tokens`, and n."""
    lengths: NDArray[np.int64]
    """int64[p], slots of all pieces one after the other."""
    piece_starts: NDArray[np.int64]
    """int64[r + 1], where each row begins in `lengths`, and p."""

    @property
    def rows(self) -> int:
        """r."""
        return len(self.row_starts) - 1

    def to_arrow(self) -> Any:
        """Return the `pyarrow.RecordBatch` of these rows."""
        tokens = pa.ListArray.from_arrays(pa.array(self.row_starts, pa.int32()), pa.array(self.tokens))
        lengths = pa.ListArray.from_arrays(pa.array(self.piece_starts, pa.int32()), pa.array(self.lengths, pa.uint16()))
        return pa.record_batch([tokens, lengths], names=["tokens", "lengths"])


def write_rows(directory: Path, batches: Iterator[RowBatch]) -> list[dict[str, Any]]:
    """Write batches of `BATCH_ROWS` rows, the last of which may have fewer, to `rows-00000.arrow` and so on.

    Returns:
        Name, bytes, sha256 and rows of each file, as an index lists them.
    """
    files: list[dict[str, Any]] = []
    for first in batches:
        path = directory / f"rows-{len(files):05d}.arrow"
        rows = 0
        with atomic_file(path) as stream, pa.ipc.new_file(stream, first.to_arrow().schema) as writer:
            for batch in chain([first], islice(batches, FILE_ROWS // BATCH_ROWS - 1)):
                writer.write_batch(batch.to_arrow())
                rows += batch.rows
        files.append({**describe(path), "rows": rows})
    return files


class RowReader:
    """Packed rows behind an `index.json`, any row in constant time, as views of mapped memory.

    Opening it checks that every file is there and has its size; `verify` checks the bytes.
    """

    def __init__(self, index_path: Path) -> None:
        """Open the rows that an index lists.

        Raises:
            UserError: the index is absent or of another format, or a file is missing or of another size.
        """
        self.index = read_index(index_path)
        self.rows: int = self.index["rows"]
        self.length: int = self.index["length"]
        """Slots of a row; a row may hold fewer tokens."""
        self._path = index_path
        self._files: dict[int, Any] = {}
        self._batches: OrderedDict[int, Views] = OrderedDict()
        for file in self.index["files"]:
            refuse_changed(index_path.parent, file, _advice(index_path), checksum=False)

    def row(self, row: int) -> tuple[Tokens, NDArray[np.uint16]]:
        """Return the tokens [n] of a row, uint16 or uint32 as in the index, and the slots of its pieces, uint16[p].

        Both are read-only views without a copy; the sizes sum to n.

        Raises:
            IndexError: `row` is not in 0 .. rows - 1.
        """
        if not 0 <= row < self.rows:
            raise IndexError(f"row {row} of {self.rows} in {self._path}")
        tokens, row_starts, lengths, piece_starts = self._batch(row // BATCH_ROWS)
        place = row % BATCH_ROWS
        return (
            tokens[row_starts[place] : row_starts[place + 1]],
            lengths[piece_starts[place] : piece_starts[place + 1]],
        )

    def row_tokens(self, row: int) -> int:
        """Return how many tokens a row holds, without touching them."""
        if not 0 <= row < self.rows:
            raise IndexError(f"row {row} of {self.rows} in {self._path}")
        starts = self._batch(row // BATCH_ROWS)[1]
        return int(starts[row % BATCH_ROWS + 1] - starts[row % BATCH_ROWS])

    def _batch(self, batch: int) -> Views:
        if batch in self._batches:
            self._batches.move_to_end(batch)
            return self._batches[batch]
        file, place = divmod(batch, FILE_ROWS // BATCH_ROWS)
        try:
            columns = self._file(file).get_batch(place).columns
        except pa.ArrowInvalid as error:
            raise UserError(f"{self._file_path(file)} is damaged ({error}); {_advice(self._path)}.") from None
        views = tuple(
            part.to_numpy(zero_copy_only=True) for column in columns for part in (column.values, column.offsets)
        )
        self._batches[batch] = views
        if len(self._batches) > CACHED_BATCHES:
            self._batches.popitem(last=False)
        return self._batches[batch]

    def _file(self, file: int) -> Any:
        if file not in self._files:
            self._files[file] = pa.ipc.open_file(pa.memory_map(str(self._file_path(file))))
        return self._files[file]

    def _file_path(self, file: int) -> Path:
        return self._path.parent / str(self.index["files"][file]["name"])


def read_index(index_path: Path) -> dict[str, Any]:
    """Read an `index.json`. Raises `UserError` if it is absent or of another format."""
    index = read_json(index_path)
    if not isinstance(index, dict) or index.get("format") != FORMAT:
        raise UserError(f"{index_path} is not an index of rows of format {FORMAT}; {_advice(index_path)}.")
    return index


def read_unigram(index_path: Path) -> NDArray[np.int64]:
    """Return int64[padded_vocabulary], how often each id occurs in the rows, [CLS] and [SEP] not counted.

    Raises:
        UserError: the index or the file is absent, or the file is not as it was written.
    """
    entry = read_index(index_path)["unigram"]
    refuse_changed(index_path.parent, entry, _advice(index_path))
    counts: NDArray[np.int64] = np.load(index_path.parent / entry["name"], allow_pickle=False)
    return counts


def verify(index_path: Path, files: Iterable[str] | None = None) -> None:
    """Read the named files of an index, or all, and compare their checksums.

    Raises:
        UserError: the index is absent, or a file is missing or not as it was written; it names the first such file.
    """
    index = read_index(index_path)
    entries = {entry["name"]: entry for entry in [*index["files"], index["unigram"]]}
    for name in entries if files is None else files:
        if name not in entries:
            raise UserError(f"{index_path} lists no file {name}; it lists {', '.join(entries)}.")
        refuse_changed(index_path.parent, entries[name], _advice(index_path))


def remove_rows(index_path: Path) -> None:
    """Remove the index, then every file, whole or staged, that an earlier attempt left beside it."""
    index_path.unlink(missing_ok=True)
    for pattern in ("rows-*.arrow", ".rows-*.arrow.*.part", "unigram.npy", ".unigram.npy.*.part"):
        for leftover in index_path.parent.glob(pattern):
            leftover.unlink()


def _advice(index_path: Path) -> str:
    return f"delete {index_path} and run python -m corpus.rows.shards again"
