"""A source's raw files become documents in three splits, with an account of every document read.

The way of a document: `corpus.sources.readers` reads it -> `corpus.sampling.cleaning` keeps or drops it and chooses its
split -> it is written to the part of its unit and split, `{split}-{unit}.parquet`, beside the manifest.
Parts without documents are not written. A unit (`corpus.sources.spans`) is some ten or hundred MB of text and one task
of a process pool; parts do not depend on the number of processes. The manifest is written last: without it nothing
here is valid to a reader. A new attempt keeps the parts that an earlier one finished (`corpus.sampling.parts`). Every
document read is in a split or dropped for a counted reason; rejects are counted apart.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from common.errors import UserError
from common.files import write_json
from common.workers import map_in_processes
from corpus.sampling.account import Account
from corpus.sampling.documents import FORMAT
from corpus.sampling.making import Task, make_parts
from corpus.sampling.origins import slice_digest, write_origins
from corpus.sampling.parts import Part, finished_parts, key_of, remove_others
from corpus.sampling.steps import steps_of
from corpus.sources.readers import Span, plan
from corpus.sources.spans import unit_bytes_for
from recipe.slices.types import SourceSlice

COMMAND = "python -m corpus.sampling"
MOST = 0.9
"""Where so large a share of the records is rejected for one reason, the cause is one too."""


def sample(
    source: SourceSlice, files: list[Path], manifest: Path, workers: int, part_bytes: int | None = None
) -> Account:
    """Write the parts of every file beside `manifest`, then `manifest`, and return the account.

    Parts that are there already, made from the same, are kept. They hold about `part_bytes` of text, by default what
    `unit_bytes_for` says: a kill costs each process at most what it takes to read two of them, some seconds.

    Raises:
        UserError: a file is unusable or changes, too large a share of the records is malformed, or no document is left.
    """
    files = sorted(files)  # in whatever order they were named
    directory = Path(os.path.realpath(manifest.parent))
    if any(Path(os.path.realpath(path)).parent == directory for path in files):  # `resolve` fails in a loop of links
        raise UserError(f"{manifest.parent} holds input files, and parts in it are replaced; give another --output.")
    manifest.unlink(missing_ok=True)
    part_bytes = part_bytes or unit_bytes_for(files)
    units = plan(files, part_bytes, source.plain_text)
    keys = [key_of(source, unit, part_bytes) for unit in units]
    finished = _finished(manifest.parent, keys)
    remove_others(manifest.parent, _flat(finished))
    tasks = [
        Task(source, number, unit, key, manifest.parent, part_bytes, parts[-1] if parts else None)
        for number, (unit, key, parts) in enumerate(zip(units, keys, finished, strict=True))
        if not parts or not parts[-1].last
    ]
    tasks.sort(key=_bytes_to_read, reverse=True)
    steps_of(source)  # what they load, the processes share
    try:
        for _ in map_in_processes(make_parts, tasks, workers):
            pass
    except BaseException:
        remove_others(manifest.parent, _flat(_finished(manifest.parent, keys)))
        raise
    account = _add_up(units, _finished(manifest.parent, keys))
    _refuse_too_many_rejects(account, source)
    if not account.documents.total():
        raise UserError(_nothing_left(account, source, files))
    write_origins(manifest, files, slice_digest(source))
    write_json(manifest, _manifest(account, source))
    return account


def _finished(directory: Path, keys: list[str]) -> list[list[Part]]:
    return [finished_parts(directory, unit, key) for unit, key in enumerate(keys)]


def _flat(parts: Iterable[Iterable[Part]]) -> list[Part]:
    return [part for unit in parts for part in unit]


def _bytes_to_read(task: Task) -> int:
    """The most bytes that a task may have to read: large ones come first, so that none runs alone in the end.

    Where a file cannot be split, its first span may hold all of it.
    """
    return sum(span.end - span.start if span.start else span.size for span in task.spans)


def _add_up(units: list[tuple[Span, ...]], finished: list[list[Part]]) -> Account:
    """Add the accounts of all parts, with lines counted from the beginning of each file.

    Raises:
        UserError: the frames of a file are not joined without a gap.
    """
    account = Account()
    lines = frames_end = 0
    for unit, parts in zip(units, finished, strict=True):
        if unit[0].start == 0:
            lines = frames_end = 0
        for part in parts:
            account.add(part.account, lines)
        lines += parts[-1].place.line
        frames_end = _follow_frames(unit[-1], parts[-1].frames, frames_end)
    return account


def _follow_frames(span: Span, frames: tuple[int, int] | None, before: int) -> int:
    """Return where the frames end that were read of a file, after those of a span that follow ones up to `before`.

    Each span found its first frame by itself. That the frames of all spans join from the first byte to the last is the
    proof that it was a frame, and that nothing was left out.
    """
    if span.kind.compression != "zst":
        return 0
    first, end = frames or (before, before)
    if first != before or (span.end == span.size != end):
        raise UserError(f"{span.path} is cut short or damaged after byte {before:,}; fetch or copy it again.")
    return end


def _refuse_too_many_rejects(account: Account, source: SourceSlice) -> None:
    rejected = account.rejected.total()
    records = account.read + rejected
    if rejected and rejected / records > source.max_rejected:
        first = "; ".join(f"{reject.file} line {reject.line}: {reject.reason}" for reject in account.examples[:3])
        raise UserError(
            f"{rejected:,} of {records:,} records of source {source.name} are malformed, more than the share of "
            f"{source.max_rejected:g} that max_rejected allows ({first}); {_advice(account, source, records)}."
        )


def _advice(account: Account, source: SourceSlice, records: int) -> str:
    """Say what to do about rejects, by the reason that explains nearly all of them."""
    reason, count = account.rejected.most_common(1)[0]
    if count < MOST * records:
        return "mend the files or raise max_rejected"
    if reason.startswith("no text"):
        names = next((example.fields for example in account.examples if example.fields), "")
        there = f"; the records have {names}" if names else ""
        now = " and ".join(map(repr, source.text_field))
        return f"set text_field, now {now}, to the field that holds the text{there}"
    if reason == "malformed JSON":
        return "if these are lines of plain text, let the files' names end in .txt"
    if reason.endswith("is no JSON"):
        return "write null, or nothing, for numbers that are missing"
    if reason.startswith("two fields"):
        return "keep one of them"
    return "mend the files or raise max_rejected"


def _nothing_left(account: Account, source: SourceSlice, files: list[Path]) -> str:
    if not account.read:
        return f"source {source.name} has no documents: {len(files)} file(s) hold none, the first is {files[0]}."
    reasons = ", ".join(f"{count:,} by {reason!r}" for reason, count in account.dropped.most_common())
    return (
        f"source {source.name} has no documents left: of {account.read:,} read, {reasons} were dropped; "
        "loosen its filters or its fraction in the recipe."
    )


def _manifest(account: Account, source: SourceSlice) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "source": source.name,
        "language": source.language,
        **account.manifest(),
    }
