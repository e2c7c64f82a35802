"""Rows of a span of a Parquet file: those of its row groups, of which group i of n stands at i/n of the file."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from common.errors import UserError
from corpus.sources.reading import SpanReader
from corpus.sources.records import Batch, Reject, UnusableError, excerpt, parse_row

BATCH_ROWS = 256


class ParquetReader(SpanReader):
    """Reads the rows of a span."""

    damage = (pa.ArrowException,)

    def _batches(self) -> Iterator[Batch]:
        # A buffered, unthreaded read keeps a batch in memory instead of a whole row group.
        with pq.ParquetFile(self.path, buffer_size=2**20, pre_buffer=False) as file:
            schema = file.schema_arrow
            if self.text_field not in schema.names:
                raise UserError(
                    f"{self.path} has no column {self.text_field!r}, only {', '.join(schema.names)}; "
                    "set `text_field` of this source."
                )
            columns = [field.name for field in schema if field.name == self.text_field or _is_scalar(field.type)]
            groups, skip = self._groups_after_place(file.metadata)
            for batch in file.iter_batches(BATCH_ROWS, row_groups=groups, columns=columns, use_threads=False):
                yield from self._rows(batch.slice(min(skip, batch.num_rows)))
                skip = max(0, skip - batch.num_rows)

    def _groups_after_place(self, metadata: Any) -> tuple[list[int], int]:
        """Return the row groups that are not read through, and how many rows of the first of them are."""
        count, size = metadata.num_row_groups, self.span.size
        groups = [group for group in range(count) if self.span.start <= group * size // count < self.span.end]
        ends = accumulate(metadata.row_group(group).num_rows for group in groups)
        done = sum(end <= self.offset for end in ends)
        read = sum(metadata.row_group(group).num_rows for group in groups[:done])
        return groups[done:], self.offset - read

    def _rows(self, rows: Any) -> Iterator[Batch]:
        names = rows.schema.names
        batch = Batch(self.span.path)
        for values in zip(*map(_values, rows.columns), strict=True):
            self.line += 1
            self.offset += 1
            row = dict(zip(names, values, strict=True))
            try:
                text, fields = parse_row(row, self.text_field)
            except UnusableError as reason:
                batch.rejects.append(Reject(batch.file, self.line, str(reason), excerpt(row[self.text_field])))
            else:
                self.consumed += len(text)
                batch.add([text], [fields], [self.line])
            if self.consumed >= self.limit:
                yield batch
                batch = Batch(self.span.path)
        yield batch


def _is_scalar(kind: Any) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(
        pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind) or _is_textual(kind)
    )


def _is_textual(kind: Any) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _values(column: Any) -> list[Any]:
    """Values of a column, strings as bytes: pyarrow does not check UTF-8 when it reads, and here it must be checked."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if _is_textual(column.type):
        column = column.cast(pa.large_binary())
    return list(column.to_pylist())
