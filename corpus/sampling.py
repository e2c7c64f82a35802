"""A source's raw files become documents in three splits, with an account of every document read.

The way of a document: `corpus.sources` reads it -> `corpus.filters` keeps or drops it and chooses its split -> it is
written to the part of its file and split, `{split}-{number of the input file}.jsonl.zst`, beside the manifest. Parts
without documents are not written. Each input file is one task of a process pool; parts do not depend on the number of
processes. The manifest is written last: without it nothing here is valid, and a new attempt first removes what an
earlier one left. Every document read is in a split or dropped for a counted reason; rejects are counted apart.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from corpus.files import UserError, read_json, run_command, sha256_of, write_json
from corpus.filters import SPLITS, count_words, drop_reason, in_fraction, split_of
from corpus.sources import Document, Reject, read_documents, source_files
from corpus.zstd import Write, atomic_jsonl_zst
from workflow.slices import SourceSlice, read_slice

FORMAT = 1
MAX_EXAMPLES = 20
OUTSIDE_FRACTION = "not in the fraction"
COMMAND = "python -m corpus.sampling"


@dataclass
class Account:
    """What became of the records of some files. Accounts of several files add up with `add`."""

    read: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    examples: list[Reject] = field(default_factory=list)
    documents: Counter[str] = field(default_factory=Counter)
    """Split -> documents; `bytes` of UTF-8 text and whitespace-separated `words` likewise."""
    bytes: Counter[str] = field(default_factory=Counter)
    words: Counter[str] = field(default_factory=Counter)
    histogram: Counter[int] = field(default_factory=Counter)
    """Decimal digits of the number of words -> kept documents."""
    parts: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {split: [] for split in SPLITS})

    def add(self, other: Account) -> None:
        """Add the account of later files."""
        self.read += other.read
        self.examples = (self.examples + other.examples)[:MAX_EXAMPLES]
        for name in ("dropped", "rejected", "documents", "bytes", "words", "histogram"):
            getattr(self, name).update(getattr(other, name))
        for split in SPLITS:
            self.parts[split] += other.parts[split]


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
    for part in _sample_files(source, files, manifest.parent, workers):
        account.add(part)
    _refuse_too_many_rejects(account, source)
    if not account.documents.total():
        raise UserError(_nothing_left(account, source, files))
    write_json(manifest, _manifest(account, source))
    return account


def read_manifest(path: Path) -> dict[str, Any]:
    """Read a manifest of documents. Raises `UserError` if it is absent or something else."""
    manifest = read_json(path)
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT or not {"source", "splits"} <= set(manifest):
        raise UserError(f"{path} is not a manifest of documents of format {FORMAT}; remake it with {COMMAND}.")
    return manifest


def split_texts(manifest_path: Path, split: str) -> Iterator[str]:
    """Yield the texts of a split ("train", "validation" or "test") in order.

    Each part is checked against the size and SHA-256 in the manifest before its first text is given.

    Raises:
        UserError: the manifest is absent or of another format, or a part is absent or not as it was written.
    """
    manifest = read_manifest(manifest_path)
    if split not in manifest["splits"]:
        raise UserError(f"{manifest_path} has no split {split!r}; it has {', '.join(SPLITS)}.")
    for part in manifest["splits"][split]["files"]:
        path = manifest_path.parent / part["name"]
        _refuse_changed(path, part, manifest_path)
        for record in read_documents([path]):
            assert isinstance(record, Document), f"{path} passed its checksum, so no record in it is malformed"
            yield record.text


def _refuse_changed(path: Path, part: dict[str, Any], manifest_path: Path) -> None:
    advice = f"delete {manifest_path} and run {COMMAND} again"
    if not path.is_file():
        raise UserError(f"{path} is missing; {advice}.")
    size = path.stat().st_size
    if size != part["bytes"]:
        raise UserError(f"{path} has {size} bytes, not {part['bytes']} as when it was written; {advice}.")
    if sha256_of(path) != part["sha256"]:
        raise UserError(f"{path} is not as it was written (its SHA-256 differs); {advice}.")


def _remove_leftovers(manifest: Path) -> None:
    """Remove the manifest, then the parts, whole or staged, of an earlier attempt."""
    manifest.unlink(missing_ok=True)
    for split in SPLITS:
        for name in (f"{split}-*.jsonl.zst", f".{split}-*.jsonl.zst.*.part"):
            for leftover in manifest.parent.glob(name):
                leftover.unlink()


def _sample_files(source: SourceSlice, files: list[Path], directory: Path, workers: int) -> Iterator[Account]:
    tasks = [(source, number, path, directory) for number, path in enumerate(files)]
    workers = min(workers, len(files))
    if workers == 1:
        yield from map(_sample_file, tasks)
        return
    # Spawned, not forked: a fork would copy pyarrow's threads' locks.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_die_with_parent) as pool:
        try:
            yield from pool.map(_sample_file, tasks)
        except BrokenProcessPool:
            raise UserError("a worker was killed, most likely for memory; run again with fewer --workers.") from None
        finally:
            pool.shutdown(cancel_futures=True)


def _die_with_parent() -> None:
    """End this worker when its parent is killed: else it would write into the next attempt's directory."""

    def wait() -> None:
        parent = multiprocessing.parent_process()
        assert parent is not None, "runs in a worker only"
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _sample_file(task: tuple[SourceSlice, int, Path, Path]) -> Account:
    source, number, path, directory = task
    account = Account()
    with ExitStack() as stack:
        writers: dict[str, Write] = {}
        for record in read_documents([path], source.text_field):
            if isinstance(record, Reject):
                account.rejected[record.reason] += 1
                if len(account.examples) < MAX_EXAMPLES:
                    account.examples.append(record)
            elif split := _account_document(record, source, account):
                if split not in writers:
                    writers[split] = stack.enter_context(atomic_jsonl_zst(directory / _part_name(split, number)))
                writers[split](_written(record))
    for split in writers:
        part = directory / _part_name(split, number)
        account.parts[split].append(
            {
                "name": part.name,
                "bytes": part.stat().st_size,
                "sha256": sha256_of(part),
                "documents": account.documents[split],
            }
        )
    return account


def _part_name(split: str, number: int) -> str:
    return f"{split}-{number:05d}.jsonl.zst"


def _account_document(document: Document, source: SourceSlice, account: Account) -> str | None:
    """Count the document, and return its split, or None if it is dropped."""
    account.read += 1
    if not in_fraction(document.text, source.fraction, source.seed):
        account.dropped[OUTSIDE_FRACTION] += 1
        return None
    words = count_words(document.text)
    if reason := drop_reason(document, words, source.filters):
        account.dropped[reason] += 1
        return None
    split = split_of(document.text, source.held_out, source.seed)
    account.documents[split] += 1
    account.bytes[split] += len(document.text.encode())
    account.words[split] += words
    account.histogram[len(str(words))] += 1
    return split


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
        "splits": {
            split: {
                "documents": account.documents[split],
                "bytes": account.bytes[split],
                "words": account.words[split],
                "files": account.parts[split],
            }
            for split in SPLITS
        },
        "read": account.read,
        "dropped": dict(account.dropped),
        "rejected": dict(account.rejected),
        "examples": [
            {"file": reject.file, "line": reject.line, "reason": reject.reason, "excerpt": reject.excerpt}
            for reject in account.examples
        ],
        "word_histogram": [account.histogram[digits] for digits in range(1, max(account.histogram) + 1)],
    }


def _tell(account: Account, source: SourceSlice, files: int) -> None:
    splits = ", ".join(f"{account.documents[split]:,} {split}" for split in SPLITS)
    megabytes = account.bytes.total() / 1e6
    print(f"{source.name}: {account.read:,} documents read from {files} file(s), kept {splits}")
    print(f"  kept text: {megabytes:,.2f} MB, {account.words.total():,} words")
    for what, counts in (("dropped", account.dropped), ("rejected", account.rejected)):
        for reason, count in counts.most_common():
            print(f"  {what}: {count:,} ({reason})")
    for reject in account.examples:
        print(f"    {reject.file} line {reject.line}: {reject.reason}: {reject.excerpt}")


def main() -> None:
    """Run the stage from the command line."""
    parser = argparse.ArgumentParser(
        prog=COMMAND,
        description="Read a source's files, drop what its filters refuse, and write documents in three splits.",
    )
    parser.add_argument("--slice", type=Path, required=True, help="JSON slice of the source, from the recipe")
    parser.add_argument("--output", type=Path, required=True, help="manifest to write; the documents go beside it")
    parser.add_argument("--workers", type=int, default=1, help="processes, each reads one file at a time (default: 1)")
    parser.add_argument("--files", nargs="+", metavar="FILE", help="read these instead of the files of the slice")
    arguments = parser.parse_args()
    if arguments.workers < 1:
        raise UserError(f"--workers is {arguments.workers}; give at least 1.")
    source = read_slice(arguments.slice, SourceSlice)
    files = source_files(arguments.files or source.files)
    account = sample(source, files, arguments.output, arguments.workers)
    _tell(account, source, len(files))


if __name__ == "__main__":
    run_command(main)
