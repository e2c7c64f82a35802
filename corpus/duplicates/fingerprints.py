"""Stage: what is compared of a source's documents: `python -m corpus.duplicates.fingerprints`.

Each part becomes two files of columns, beside the manifest and named by all that decides them, so that a new attempt
keeps those that are finished, and so does a source of another name with the same documents:

`{key}.keys` of a part, each group of keys sorted, with the number of the document in the part that each is of:
  `order`, `identity`    uint64[d], hashes of text, and of name and fields: of equal copies the same one stays anywhere
  `sizes`, `words`       uint32[d], bytes and words
  `exact_*`              uint64[d], uint32[d]: a key of all words of a document
  `band_*`               uint64[b n], uint32[b n]: of each of b bands, one after another, a key of n documents
  `line_*`               uint64[l], uint32[l] x 3: of each line its key, its document, and its first and last byte + 1
`{key}.found` of a part of the training split: lines that hold text which is held out, one for each set of it:
  `documents`, `starts`, `ends`, `sets`
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from common.columns import open_columns, whole, write_columns
from common.errors import run_command
from common.files import link_or_copy, read_json, write_json
from common.workers import map_in_processes
from corpus.duplicates.held_out import LINE_WORDS, HeldOut
from corpus.duplicates.minhash import band_keys
from corpus.duplicates.settled import described
from corpus.duplicates.words import Hashes, Index, Words, keys_of, stretches, words_of
from corpus.sampling.documents import SPLITS, part_columns, read_manifest
from recipe.slices.files import read_slice
from recipe.slices.types import FingerprintSlice

FORMAT = 1
KEYS, FOUND = "keys", "found"
_LINE_FEED = ord("\n")
Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Task:
    """The fingerprints of one part."""

    documents: Path
    """Manifest of the source."""
    entry: dict[str, Any]
    """The part's in it."""
    slice: FingerprintSlice
    held_out: Path | None
    """Manifest of what may not be trained on, if the part is of the training split."""
    names: dict[str, str]
    """Of its files, `KEYS` and perhaps `FOUND`."""
    directory: Path

    @staticmethod
    def of(
        documents: Path, entry: dict[str, Any], slice_: FingerprintSlice, held_out: Path | None, directory: Path
    ) -> Task:
        """Name the files by what decides them."""
        decides: dict[str, list[Any]] = {KEYS: [FORMAT, entry["sha256"], slice_.model_dump(mode="json")]}
        if held_out:
            decides[FOUND] = [FORMAT, entry["sha256"], read_json(held_out)["file"]["sha256"]]
        digests = {what: hashlib.sha256(json.dumps(each).encode()).hexdigest()[:32] for what, each in decides.items()}
        return Task(documents, entry, slice_, held_out, {w: f"{d}.{w}" for w, d in digests.items()}, directory)

    def missing(self) -> list[str]:
        """Return which files are still to be made."""
        return [what for what, name in self.names.items() if not (self.directory / name).is_file()]


@dataclass
class _Gathered:
    """Columns of a part in pieces."""

    documents: int = 0
    pieces: dict[str, list[NDArray[Any]]] = field(default_factory=dict)
    bands: list[tuple[Hashes, Index]] = field(default_factory=list)

    def add(self, **columns: NDArray[Any]) -> None:
        """Add a piece of each column."""
        for name, piece in columns.items():
            self.pieces.setdefault(name, []).append(piece)

    def columns(self) -> Arrays:
        """Return the whole columns."""
        return {name: np.concatenate(pieces) for name, pieces in self.pieces.items()}


def make_fingerprints(task: Task) -> None:
    """Write the files of a part that are not there."""
    missing = task.missing()
    if not missing:
        return
    keys, found = _Gathered(), _Gathered()
    held_out = _held_out(task.held_out) if task.held_out and FOUND in missing else None
    for group in part_columns(task.documents, task.entry, ["id", "fields", "text", "words"]):
        texts: list[bytes] = group["text"].cast("large_binary").to_pylist()
        words = words_of(texts)
        lines = _Lines.of(texts, words)
        if KEYS in missing:
            _add_keys(keys, task.slice, group, texts, words, lines)
        if held_out:
            _add_found(found, held_out, words, lines, keys.documents)
        keys.documents += len(texts)
    if KEYS in missing:
        columns = {name: whole(column) for name, column in _sorted(keys, task.slice.bands if task.slice.near else 0)}
        write_columns(task.directory / task.names[KEYS], columns)
    if held_out:
        empty = {"documents": np.uint32, "starts": np.uint32, "ends": np.uint32, "sets": np.uint16}
        there = found.columns()
        columns = {name: whole(there.get(name, np.zeros(0, kind))) for name, kind in empty.items()}
        write_columns(task.directory / task.names[FOUND], columns)


@lru_cache(maxsize=1)
def _held_out(manifest: Path) -> HeldOut:
    return HeldOut.read(read_json(manifest), manifest.parent)


@dataclass(frozen=True)
class _Lines:
    """Where the lines of documents lie."""

    documents: Index
    starts: Index
    ends: Index
    """int64[l], first byte, and first byte of the next line."""
    words: Index

    @staticmethod
    def of(texts: Sequence[bytes], words: Words) -> _Lines:
        documents = np.repeat(np.arange(len(texts)), np.diff(words.document_lines, prepend=0))
        sizes = np.fromiter(map(len, texts), np.int64, len(texts))
        offsets = np.cumsum(sizes + 1) - (sizes + 1)
        together = np.frombuffer(b"".join(part for text in texts for part in (text, b"\n")), np.uint8)
        line_feeds = np.flatnonzero(together == _LINE_FEED)
        # The last line of a document ends with it: the line feed there is not its own.
        ends = np.minimum(line_feeds + 1 - offsets[documents], sizes[documents])
        starts = np.concatenate([[0], ends[:-1]]).astype(np.int64)
        starts[words.document_lines[:-1]] = 0
        return _Lines(documents, starts, ends, np.diff(words.line_ends, prepend=0))


def _add_keys(
    into: _Gathered, slice_: FingerprintSlice, group: Any, texts: list[bytes], words: Words, lines: _Lines
) -> None:
    digest = xxhash.xxh3_64_intdigest
    told = zip(group["id"].to_pylist(), group["fields"].to_pylist(), strict=True)
    names = [f"{identifier}\n{fields or ''}".encode() for identifier, fields in told]
    own = np.arange(into.documents, into.documents + len(texts), dtype=np.uint32)
    into.add(
        order=np.fromiter(map(digest, texts), np.uint64, len(texts)),
        identity=np.fromiter(map(digest, names), np.uint64, len(texts)),
        sizes=np.fromiter(map(len, texts), np.uint32, len(texts)),
        words=np.frombuffer(group["words"].buffers()[1], np.uint32, len(texts)),
    )
    if slice_.exact:
        into.add(exact_keys=keys_of(texts, words), exact_documents=own)
    if slice_.near:
        keys, documents = band_keys(words, slice_.words, slice_.bands, slice_.hashes)
        into.bands.append((keys, documents + into.documents))
    if slice_.lines:
        chosen = lines.words >= LINE_WORDS
        into.add(
            line_keys=stretches(words.hashes, words.line_ends)[chosen],
            line_documents=own[lines.documents[chosen]],
            line_starts=lines.starts[chosen].astype(np.uint32),
            line_ends=lines.ends[chosen].astype(np.uint32),
        )


def _add_found(into: _Gathered, held_out: HeldOut, words: Words, lines: _Lines, before: int) -> None:
    found, sets = held_out.find(words)
    into.add(
        documents=(lines.documents[found] + before).astype(np.uint32),
        starts=lines.starts[found].astype(np.uint32),
        ends=lines.ends[found].astype(np.uint32),
        sets=sets,
    )


def _sorted(gathered: _Gathered, bands: int) -> Iterator[tuple[str, NDArray[Any]]]:
    """Yield all columns of keys, each kind sorted by its key and then by document."""
    columns = gathered.columns()
    for kind in ("exact", "line"):
        if f"{kind}_keys" in columns:
            order = np.argsort(columns[f"{kind}_keys"], kind="stable")
            columns |= {name: column[order] for name, column in columns.items() if name.startswith(f"{kind}_")}
    if bands:
        keys = np.concatenate([np.zeros((bands, 0), np.uint64), *(each for each, _ in gathered.bands)], axis=1)
        documents = np.concatenate([np.zeros(0, np.int64), *(each for _, each in gathered.bands)]).astype(np.uint32)
        orders = np.argsort(keys, axis=1, kind="stable")
        columns["band_keys"] = np.take_along_axis(keys, orders, axis=1).ravel()
        columns["band_documents"] = documents[orders].ravel()
    yield from columns.items()


def make(
    slice_: FingerprintSlice, documents: Path, held_out: Path | None, output: Path, workers: int
) -> dict[str, Any]:
    """Write the fingerprints of a source beside `output`, then `output`, their manifest; return it.

    Raises:
        UserError: the documents are missing or not as they were written.
    """
    manifest = read_manifest(documents)
    output.unlink(missing_ok=True)
    output.parent.mkdir(parents=True, exist_ok=True)
    tasks = [
        Task.of(documents, entry, slice_, held_out if split == "train" else None, output.parent)
        for split in SPLITS
        for entry in manifest["splits"][split]["files"]
    ]
    _take_over(tasks, output.parent)
    for _ in map_in_processes(make_fingerprints, sorted(tasks, key=lambda task: -task.entry["bytes"]), workers):
        pass
    made = {
        "format": FORMAT,
        "source": manifest["source"],
        "slice": described(slice_),
        "parts": {task.entry["name"]: task.names for task in tasks},
    }
    kept = {name for task in tasks for name in task.names.values()}
    for path in [*output.parent.glob(f"*.{KEYS}"), *output.parent.glob(f"*.{FOUND}"), *output.parent.glob(".*.part")]:
        if path.name not in kept:
            path.unlink()
    write_json(output, made)
    return made


def _take_over(tasks: Sequence[Task], directory: Path) -> None:
    """Give files that were made for the same documents under another name of the source a second name here."""
    for name in (task.names[what] for task in tasks for what in task.missing()):
        for other in sorted(directory.parent.glob(f"*/{name}"))[:1]:
            link_or_copy(other, directory / name)


@dataclass(frozen=True)
class Fingerprints:
    """Those of one part, mapped into memory."""

    keys: Mapping[str, NDArray[Any]]
    found: Mapping[str, NDArray[Any]] | None


@lru_cache(maxsize=4096)
def open_fingerprints(keys: Path, found: Path | None) -> Fingerprints:
    """Open the files of a part; they stay open, since they are looked at again and again."""
    return Fingerprints(open_columns(keys), open_columns(found) if found else None)


def main() -> None:
    """Run the stage from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m corpus.duplicates.fingerprints",
        description="Reduce a source's documents to the hashes by which duplicates and held-out text are found.",
    )
    parser.add_argument("--slice", type=Path, required=True, help="JSON slice of the fingerprints, from the recipe")
    parser.add_argument("--documents", type=Path, required=True, help="manifest of the sampled source")
    parser.add_argument("--held-out", type=Path, help="manifest of corpus.duplicates.held_out")
    parser.add_argument("--output", type=Path, required=True, help="manifest to write; the fingerprints go beside it")
    parser.add_argument("--workers", type=int, default=1, help="processes, each takes a part at a time (default: 1)")
    arguments = parser.parse_args()
    slice_ = read_slice(arguments.slice, FingerprintSlice)
    made = make(slice_, arguments.documents, arguments.held_out, arguments.output, arguments.workers)
    print(f"{made['source']}: fingerprints of {len(made['parts'])} parts")


if __name__ == "__main__":
    run_command(main)
