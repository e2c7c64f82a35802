"""Packed rows on disk: an index over token shards, any row of it in constant time.

A set of rows is a directory. `rows.columns` (`common.columns`) says where each row's pieces lie: `starts`, the first id
of each piece in its shard, `counts`, its ids, and `ends`, where each row ends in these two. Rows of a shard stand
together, in the order of its windows. `index.json`, written last, says what they were made from and how many of them
lie in each shard; without it nothing beside it is valid. No id is copied on disk: a row is put together when it is
read.

Files are opened when a row in them is asked for, and `OPEN_FILES` of them stay open in a process, whatever the corpus.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.columns import open_columns
from common.listed import refuse_changed
from corpus.rows.listing import advice, read_index
from corpus.rows.packing import SPECIALS, Pieces
from corpus.tokens.ids import Ids
from corpus.tokens.special import CLS, SEP

COLUMNS = "rows.columns"
OPEN_FILES = 128


class RowReader:
    """The packed rows behind an `index.json`.

    Opening it looks at no id; `files` names what to verify.
    """

    def __init__(self, index_path: Path) -> None:
        """Read an index.

        Raises:
            UserError: the index is absent or of another format, or its file is missing or of another size.
        """
        self.index = read_index(index_path)
        self.rows: int = self.index["rows"]
        self.length: int = self.index["length"]
        """Slots of a row; a row may hold fewer tokens."""
        self.path = index_path
        self._columns = index_path.with_name(COLUMNS)
        self.shards = Path(os.path.normpath(index_path.parent / self.index["shards"]))
        """The directory of its shards."""
        self._before = np.array([0, *accumulate(part["rows"] for part in self.index["parts"])], dtype=np.int64)
        refuse_changed(index_path.parent, self.index["file"], advice(index_path), checksum=False)

    def row(self, row: int) -> tuple[Ids, NDArray[np.uint16]]:
        """Return the tokens [n] of a row, in the type of its shard, and the slots of its pieces, uint16[p].

        The sizes sum to n.

        Raises:
            IndexError: `row` is not in 0 .. rows - 1.
            UserError: a file of it is absent or damaged.
        """
        part, pieces = self.place(row)
        ids = _open(self.shards / part["name"], part["sha256"])["ids"]
        return put_together(ids, pieces), pieces.sizes.astype(np.uint16)

    def place(self, row: int) -> tuple[Mapping[str, Any], Pieces]:
        """Return the entry of the shard that a row is of, and where its pieces lie in it.

        Raises:
            IndexError: `row` is not in 0 .. rows - 1.
        """
        pieces = self._pieces(row)
        return self.index["parts"][int(np.searchsorted(self._before, row, side="right")) - 1], pieces

    def row_tokens(self, row: int) -> int:
        """Return how many tokens a row holds, without touching them."""
        return int(self._pieces(row).sizes.sum())

    def files(self, ranges: Iterable[tuple[int, int]]) -> Iterator[tuple[Path, dict[str, Any]]]:
        """Yield the files that ranges [begin, end) of rows are read from: the directory of each, and its entry.

        Each comes once, the index's own first, then the shards in the order of the ranges.
        """
        yield self.path.parent, self.index["file"]
        parts = dict.fromkeys(
            part
            for begin, end in ranges
            for part in range(
                int(np.searchsorted(self._before, begin, side="right")) - 1,
                int(np.searchsorted(self._before, end, side="left")),
            )
        )
        for part in parts:
            if self.index["parts"][part]["rows"]:
                yield self.shards, self.index["parts"][part]

    def _pieces(self, row: int) -> Pieces:
        if not 0 <= row < self.rows:
            raise IndexError(f"row {row} of {self.rows} in {self.path}")
        columns = _open(self._columns, self.index["file"]["sha256"])
        first = int(columns["ends"][row - 1]) if row else 0
        place = slice(first, int(columns["ends"][row]))
        return Pieces(columns["starts"][place].astype(np.int64), columns["counts"][place].astype(np.int64))


def put_together(ids: NDArray[Any], pieces: Pieces) -> NDArray[Any]:
    """Return the tokens of a row, [CLS], ids and [SEP] of each piece, in the type of `ids`."""
    tokens = np.empty(int(pieces.sizes.sum()), dtype=ids.dtype.newbyteorder("="))
    end = 0
    for start, count in zip(pieces.start.tolist(), pieces.count.tolist(), strict=True):
        tokens[end] = CLS
        tokens[end + 1 : end + 1 + count] = ids[start : start + count]
        end += count + SPECIALS
        tokens[end - 1] = SEP
    return tokens


@lru_cache(maxsize=OPEN_FILES)
def _open(path: Path, checksum: str) -> dict[str, NDArray[Any]]:
    """Open a file of columns; its checksum tells it from another that was at this path before."""
    return open_columns(path)


def verify(index_path: Path) -> None:
    """Read every file that the rows of an index are read from, and compare its checksum.

    Raises:
        UserError: the index is absent, or a file is missing or not as it was written; it names the first such file.
    """
    reader = RowReader(index_path)
    for directory, entry in reader.files([(0, reader.rows)]):
        refuse_changed_rows(directory, entry, index_path)


def refuse_changed_rows(directory: Path, entry: dict[str, Any], index_path: Path) -> None:
    """Raise `UserError` if a file that `RowReader.files` named is not as it was written."""
    refuse_changed(directory, entry, advice(index_path))
