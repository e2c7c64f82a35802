"""Rows of a span of a Parquet file: those of its row groups, of which group i of n stands at i/n of the file."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate
from typing import Any

import pyarrow.parquet as pq

from corpus.sources.records import Batch
from corpus.sources.tables import TableReader, columns_of

BATCH_ROWS = 256


class ParquetReader(TableReader):
    """Reads the rows of a span."""

    def _batches(self) -> Iterator[Batch]:
        # A buffered, unthreaded read keeps a batch in memory instead of a whole row group.
        with pq.ParquetFile(self.path, buffer_size=2**20, pre_buffer=False) as file:
            columns = columns_of(file.schema_arrow, self.wanted, self.path)
            groups, skip = self._groups_after_place(file.metadata)
            for batch in file.iter_batches(BATCH_ROWS, row_groups=groups, columns=columns, use_threads=False):
                yield from self._batches_of(batch.slice(min(skip, batch.num_rows)))
                skip = max(0, skip - batch.num_rows)

    def _groups_after_place(self, metadata: Any) -> tuple[list[int], int]:
        """Return the row groups that are not read through, and how many rows of the first of them are."""
        count, size = metadata.num_row_groups, self.span.size
        groups = [group for group in range(count) if self.span.start <= group * size // count < self.span.end]
        ends = accumulate(metadata.row_group(group).num_rows for group in groups)
        done = sum(end <= self.offset for end in ends)
        read = sum(metadata.row_group(group).num_rows for group in groups[:done])
        return groups[done:], self.offset - read
