"""One unit of input becomes parts: the work of one process, which begins where finished parts end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from common.listed import describe
from corpus.sampling.account import Account
from corpus.sampling.cleaning import Cleaner, wanted_by
from corpus.sampling.parts import Part, part_name
from corpus.sampling.writing import DocumentWriter, atomic_documents
from corpus.sources.readers import Batch, Place, Span, UnitReader
from recipe.slices.types import SourceSlice


@dataclass(frozen=True, slots=True)
class Task:
    """What is left to do of a unit."""

    source: SourceSlice
    unit: int
    spans: tuple[Span, ...]
    key: str
    directory: Path
    part_bytes: int
    """A part ends with the record that makes its input twice as many bytes of text."""
    done: Part | None
    """The last part that is finished."""


def make_parts(task: Task) -> None:
    """Make the parts of a unit that are not finished.

    Raises:
        UserError: a file is damaged, not of its format, or changed since the plan was made.
    """
    span, place, number = (task.done.span, task.done.place, task.done.number + 1) if task.done else (0, Place(), 0)
    reader = UnitReader(task.spans, wanted_by(task.source), span, place)
    cleaner = Cleaner(task.source)
    batches = reader.batches()
    while not _make_part(task, number, reader, batches, cleaner):
        number += 1


def _make_part(task: Task, number: int, reader: UnitReader, batches: Iterator[Batch], cleaner: Cleaner) -> bool:
    """Make the next part; return whether it is the unit's last."""
    account = Account()
    end = reader.consumed + 2 * task.part_bytes
    reader.stop_at(end)
    first, last = reader.number, True
    with ExitStack() as stack:
        writers: dict[str, DocumentWriter] = {}
        for batch in batches:
            for split, kept in cleaner.take(batch, reader.reader.span.start, account):
                if split not in writers:
                    path = task.directory / part_name(split, task.unit, number)
                    writers[split] = stack.enter_context(atomic_documents(path))
                writers[split].write(kept)
            if reader.consumed >= end:
                last = False
                break
        for span in task.spans[first : reader.number + 1]:
            span.refuse_changed()
    for split in writers:
        account.list_file(split, describe(task.directory / part_name(split, task.unit, number)))
    now = reader.reader
    Part(task.unit, number, task.key, reader.number, now.place, last, now.frames, account).write(task.directory)
    return last
