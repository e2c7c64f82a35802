"""Rows of Arrow's files and streams, such as those that `datasets` writes.

A file lists its batches: batch i of n stands at i/n of it. A stream does not, and is one span.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from corpus.sources.records import Batch
from corpus.sources.tables import TableReader, columns_of

ROWS = 256


class ArrowReader(TableReader):
    """Reads the rows of a span."""

    def _batches(self) -> Iterator[Batch]:
        with pa.memory_map(str(self.path)) as file:
            skip = self.offset
            columns: list[str] | None = None
            for batch in self._stored(file):
                if columns is None:
                    columns = list(dict.fromkeys(_top(batch.schema, name) for name in self._columns(batch.schema)))
                chosen = batch.slice(min(skip, batch.num_rows)).select(columns)
                skip = max(0, skip - batch.num_rows)
                for start in range(0, chosen.num_rows, ROWS):
                    rows = chosen.slice(start, ROWS)
                    _refuse_broken(rows)
                    yield from self._batches_of(rows)

    def _columns(self, schema: Any) -> list[str]:
        return columns_of(schema, self.wanted, self.path)

    def _stored(self, file: Any) -> Iterator[Any]:
        if self.span.kind.form == "arrow-stream":
            yield from pa.ipc.open_stream(file)
            return
        batches = pa.ipc.open_file(file)
        count, size = batches.num_record_batches, self.span.size
        for number in range(count):
            if self.span.start <= number * size // count < self.span.end:
                yield batches.get_batch(number)


def _top(schema: Any, path: str) -> str:
    return path if path in schema.names else path.partition(".")[0]


def _refuse_broken(rows: Any) -> None:
    """Raise `pa.ArrowInvalid` where offsets lead out of the file. Strings that are no UTF-8 are rejected one by one."""
    for column in rows.columns:
        try:
            column.validate(full=True)
        except pa.ArrowInvalid as error:
            if "UTF8" not in str(error):
                raise
