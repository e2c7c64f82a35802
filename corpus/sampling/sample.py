"""A source's raw files become documents in three splits, with an account of every document read.

The way of a document: `corpus.sources.readers` reads it -> `corpus.sampling.cleaning` keeps or drops it and chooses its
split -> it is written to the part of its file and split, `{split}-{number of the input file}.jsonl.zst`, beside the
manifest. Parts without documents are not written. Each input file is one task of a process pool; parts do not depend on
the number of processes. The manifest is written last: without it nothing here is valid, and a new attempt first removes
what an earlier one left. Every document read is in a split or dropped for a counted reason; rejects are counted apart.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from common.errors import UserError
from common.files import write_json
from common.listed import describe
from common.workers import map_in_processes
from corpus.sampling.account import Account
from corpus.sampling.cleaning import Cleaner
from corpus.sampling.documents import FORMAT
from corpus.sampling.filters import SPLITS
from corpus.sources.readers import Document, Reject, read_documents
from corpus.sources.zstd import Write, atomic_jsonl_zst
from recipe.slices.types import SourceSlice

COMMAND = "python -m corpus.sampling"


def sample(source: SourceSlice, files: list[Path], manifest: Path, workers: int) -> Account:
    """Write the parts of every file beside `manifest`, then `manifest`, and return the account.

    Raises:
        UserError: a file is unusable, too large a share of the records is malformed, or no document is left.
    """
    directory = Path(os.path.realpath(manifest.parent))
    if any(Path(os.path.realpath(path)).parent == directory for path in files):  # `resolve` fails in a loop of links
        raise UserError(f"{manifest.parent} holds input files, and parts in it are replaced; give another --output.")
    _remove_leftovers(manifest)
    account = Account()
    tasks = [(source, number, path, manifest.parent) for number, path in enumerate(files)]
    for part in map_in_processes(_sample_file, tasks, workers):
        account.add(part)
    _refuse_too_many_rejects(account, source)
    if not account.documents.total():
        raise UserError(_nothing_left(account, source, files))
    write_json(manifest, _manifest(account, source))
    return account


def _remove_leftovers(manifest: Path) -> None:
    """Remove the manifest, then the parts, whole or staged, of an earlier attempt."""
    manifest.unlink(missing_ok=True)
    for split in SPLITS:
        for name in (f"{split}-*.jsonl.zst", f".{split}-*.jsonl.zst.*.part"):
            for leftover in manifest.parent.glob(name):
                leftover.unlink()


def _sample_file(task: tuple[SourceSlice, int, Path, Path]) -> Account:
    source, number, path, directory = task
    account = Account()
    cleaner = Cleaner(source)
    with ExitStack() as stack:
        writers: dict[str, Write] = {}
        for record in read_documents([path], source.text_field):
            if isinstance(record, Reject):
                account.reject(record)
            elif taken := cleaner.take(record, account):
                split, document = taken
                if split not in writers:
                    writers[split] = stack.enter_context(atomic_jsonl_zst(directory / _part_name(split, number)))
                writers[split](_written(document))
    for split in writers:
        part = directory / _part_name(split, number)
        account.parts[split].append({**describe(part), "documents": account.documents[split]})
    return account


def _part_name(split: str, number: int) -> str:
    return f"{split}-{number:05d}.jsonl.zst"


def _written(document: Document) -> dict[str, Any]:
    fields = {**document.fields, "text": document.text}
    identifier = fields.pop("id", None)
    if identifier is None:
        identifier = f"{Path(document.file).name}:{document.line}"
    return {"id": str(identifier), **fields}


def _refuse_too_many_rejects(account: Account, source: SourceSlice) -> None:
    rejected = account.rejected.total()
    records = account.read + rejected
    if rejected and rejected / records > source.max_rejected:
        first = "; ".join(f"{reject.file} line {reject.line}: {reject.reason}" for reject in account.examples[:3])
        advice = "mend the files or raise max_rejected"
        if account.rejected["no text"] == records:
            # Every record is whole but for the text: it has another name.
            advice = f"set text_field, now {source.text_field!r}, to the field that holds the text"
        raise UserError(
            f"{rejected:,} of {records:,} records of source {source.name} are malformed, more than the share of "
            f"{source.max_rejected:g} that max_rejected allows ({first}); {advice}."
        )


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
