"""What stands in the rows that a phase trains on: the documents behind a global row, with their text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from tokenizers import Tokenizer

from common.errors import UserError
from corpus.rows.store import RowReader
from corpus.tokens.ids import open_shard
from model.history.plan import Plan
from model.training.data import Stream


@dataclass(frozen=True)
class Seen:
    """A document, or the part of one, that stands in a row."""

    source: str
    shard: Path
    number: int
    """Of the document in its shard, from 0 on."""
    name: str
    """What the source calls it; empty where its documents are away."""
    ids: tuple[int, int]
    """The ids of the document that stand in the row, [begin, end), and `of` how many."""
    of: int
    text: str
    """Of these ids."""


def streams(plan: Plan, vocabulary: int) -> list[tuple[Stream, int]]:
    """Return the data of each stage of a phase, and the global row of its stream that the stage ends before."""
    found, data = [], plan.start.data
    languages = sorted({part.component.language for mixed in plan.blends for part in mixed.parts})
    for stage, mixed, end in zip(plan.content.stages, plan.blends, plan.ends, strict=True):
        stream = Stream(stage, mixed, data, plan.content.seed, vocabulary, languages)
        last = end.batch.ranges[-1][1]
        found.append((stream, last))
        data = stream.at(last)
    return found


def stream_of(found: Sequence[tuple[Stream, int]], number: int | None, row: int) -> Stream:
    """Return the stream that a global row is of; `number` is the stream's, None where there is but one.

    Raises:
        UserError: the phase has no such stream, has several and none is named, or does not reach the row.
    """
    ends: dict[int, int] = {}
    for stream, last in found:
        ends[stream.place.stream] = last
    told = ", ".join(f"{number} with rows up to {last - 1:,}" for number, last in ends.items())
    if number is None and len(ends) > 1:
        raise UserError(f"the phase reads several streams ({told}); name one with --stream.")
    wanted = next(iter(ends)) if number is None else number
    if row >= ends.get(wanted, 0):
        raise UserError(f"the phase does not read row {row:,} of stream {wanted}; it reads stream {told}.")
    return next(stream for stream, _ in found if stream.place.stream == wanted)


def documents(stream: Stream, row: int, tokenizer: Tokenizer, corpus: Path) -> Iterator[Seen]:
    """Yield what stands in a global row of a stream, in its order.

    Args:
        stream: of the phase.
        row: global row of it.
        tokenizer: that made the ids.
        corpus: folder of the sources' documents, `{source}/`, where their names are looked up.
    """
    component, place = stream.mixture.locate(np.array([row], dtype=np.int64))
    part, reader = stream.parts[int(component[0])], stream.readers[int(component[0])]
    yield from _pieces(reader, int(place[0]), part.component.source, tokenizer, corpus)


def _pieces(reader: RowReader, place: int, source: str, tokenizer: Tokenizer, corpus: Path) -> Iterator[Seen]:
    entry, pieces = reader.place(place)
    shard = open_shard(reader.shards / entry["name"])
    for start, count in zip(pieces.start.tolist(), pieces.count.tolist(), strict=True):
        number = int(np.searchsorted(shard.ends, start, side="right"))
        first = int(shard.ends[number - 1]) if number else 0
        yield Seen(
            source=source,
            shard=reader.shards / entry["name"],
            number=number,
            name=_name(corpus / source / f"{Path(entry['name']).stem}.parquet", number),
            ids=(start - first, start - first + count),
            of=int(shard.ends[number]) - first,
            text=tokenizer.decode(shard.ids[start : start + count].tolist(), skip_special_tokens=False),
        )


def _name(part: Path, number: int) -> str:
    """Return the id of a document of a part, by its number; empty where the part is away."""
    with suppress(FileNotFoundError), pq.ParquetFile(part) as file:
        for group in range(file.num_row_groups):
            rows = file.metadata.row_group(group).num_rows
            if number < rows:
                return str(file.read_row_group(group, columns=["id"])["id"][number])
            number -= rows
    return ""
