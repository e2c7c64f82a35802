"""Named arrays in one file: written as a stream, read as mapped memory.

The file is safetensors' (https://huggingface.co/docs/safetensors, "Format"): 8 bytes, little-endian, the size of a JSON
header; the header, name -> dtype, shape, place; the arrays. Its own library holds all arrays in memory to write them
and copies what it reads; here an array is written piece by piece and read by touching pages. Arrays are one-dimensional
and stand in the order of their item sizes, largest first, so that each is aligned.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import numpy as np
from numpy.typing import NDArray

from common.errors import UserError
from common.files import atomic_file

_TYPES = {"U8": np.uint8, "U16": np.uint16, "U32": np.uint32, "U64": np.uint64, "I64": np.int64}
_NAMES = {np.dtype(kind): name for name, kind in _TYPES.items()}
_LONGEST_HEADER = 1 << 20
_COPIED = 1 << 22
"""Bytes of a growing column that are in memory at a time when it is copied."""


@dataclass(frozen=True)
class Column:
    """An array that comes in pieces."""

    dtype: Any
    length: int
    """Items in all pieces together."""
    pieces: Iterable[NDArray[Any]]


def whole(array: NDArray[Any]) -> Column:
    """Return a column of one piece."""
    return Column(array.dtype, len(array), [array])


class GrowingColumn:
    """A column whose length is known in the end only: until then its pieces lie in a file without a name.

    So it takes no memory, and nothing is left of it however this process ends.
    """

    def __init__(self, dtype: Any, directory: Path) -> None:
        """Begin an empty column; `directory`, which is there, is where the file lies."""
        self._dtype = np.dtype(dtype).newbyteorder("<")
        self._file: IO[bytes] = tempfile.TemporaryFile(dir=directory)  # noqa: SIM115 (closed by __exit__)
        self._length = 0

    def __enter__(self) -> Self:  # noqa: D105
        return self

    def __exit__(  # noqa: D105
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def append(self, piece: NDArray[Any]) -> None:
        """Add items to the end, converted to the column's type."""
        self._file.write(np.ascontiguousarray(piece, dtype=self._dtype).data)
        self._length += len(piece)

    def column(self) -> Column:
        """Return what was added, to be written once."""
        return Column(self._dtype, self._length, self._pieces())

    def _pieces(self) -> Iterator[NDArray[Any]]:
        self._file.seek(0)
        while content := self._file.read(_COPIED):
            yield np.frombuffer(content, self._dtype)


def write_columns(path: Path, columns: Mapping[str, Column]) -> None:
    """Write columns, unsigned or int64, atomically; equal columns give equal bytes.

    Raises:
        ValueError: the pieces of a column have not as many items as it says.
    """
    ordered = sorted(columns.items(), key=lambda item: (-np.dtype(item[1].dtype).itemsize, item[0]))
    header: dict[str, Any] = {}
    end = 0
    for name, column in ordered:
        dtype = np.dtype(column.dtype)
        begin, end = end, end + column.length * dtype.itemsize
        header[name] = {"dtype": _NAMES[dtype], "shape": [column.length], "data_offsets": [begin, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with atomic_file(path) as stream:
        stream.write(len(text).to_bytes(8, "little") + text)
        for name, column in ordered:
            written = 0
            for piece in column.pieces:
                stream.write(np.ascontiguousarray(piece, dtype=np.dtype(column.dtype).newbyteorder("<")).data)
                written += len(piece)
            if written != column.length:
                raise ValueError(f"column {name} of {path} has {written} items, not {column.length}")


def open_columns(path: Path) -> dict[str, NDArray[Any]]:
    """Return name -> read-only array of mapped memory; the file stays open for as long as one of them lives.

    Raises:
        UserError: the file is absent, or not one that `write_columns` made.
    """
    try:
        # As a plain array: numpy's memmap does work in Python for every slice that is taken of it.
        content: NDArray[np.uint8] = np.memmap(path, np.uint8, "r").view(np.ndarray)
        start = 8 + int.from_bytes(content[:8].tobytes(), "little")
        if start > min(len(content), _LONGEST_HEADER):
            raise ValueError("its header is longer than the file")
        header = json.loads(content[8:start].tobytes())
        return {name: _column(content, start, entry) for name, entry in header.items()}
    except FileNotFoundError:
        raise UserError(f"{path} is missing; run the stage that makes it again.") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is damaged ({error}); delete it and run the stage that makes it again.") from None


def _column(content: NDArray[np.uint8], start: int, entry: Mapping[str, Any]) -> NDArray[Any]:
    begin, end = entry["data_offsets"]
    dtype = np.dtype(_TYPES[entry["dtype"]]).newbyteorder("<")
    (length,) = entry["shape"]
    if not 0 <= begin <= end <= len(content) - start or end - begin != length * dtype.itemsize:
        raise ValueError("an array lies outside the file")
    return content[start + begin : start + end].view(dtype)
