"""Stage: a source's documents become token shards, once per tokenizer: `python -m corpus.tokens.shards`.

A part of the documents is the unit of work: a process reads it, encodes it, compares a sample with the reference
engine, writes its shard and then a record of it. Killed at any moment, the next run keeps every shard that has its
record, and does the others; the manifest is written last. The same documents and tokenizer give the same bytes, with
any number of processes and threads.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from common.columns import Column, whole, write_columns
from common.errors import UserError, run_command
from common.files import link_or_copy, read_json, sha256_of, write_json
from common.workers import map_in_processes
from corpus.sampling.cuts import documents_digest
from corpus.sampling.documents import SPLITS, part_texts, read_manifest
from corpus.tokens.comparing import COMPARED_CHARACTERS, COMPARED_EVERY, COMPARED_TEXTS, refuse_difference
from corpus.tokens.encoding import TextEncoder, read_description, read_encoder
from corpus.tokens.engines import ENGINES, REFERENCE
from corpus.tokens.ids import COMMAND, FORMAT

if TYPE_CHECKING:
    from recipe.types import Engine

CALLS = 2
"""Of an engine with threads at once: while one waits for the last of its threads, the other keeps the cores busy."""


@dataclass(frozen=True)
class Task:
    """A part of the documents that is to become a shard."""

    documents: Path
    """Manifest of the documents."""
    part: dict[str, Any]
    """The part's entry in it."""
    tokenizer: Path
    fingerprint: str
    engine: Engine
    directory: Path
    """Where the shard goes."""
    threads: int
    """Of the engine."""

    @property
    def stem(self) -> str:
        """Name of the shard, without suffix."""
        return str(self.part["name"]).partition(".")[0]

    def record(self) -> dict[str, Any] | None:
        """Return the record of this very part's shard if it is there and whole, but for its checksum."""
        path = self.directory / f"{self.stem}.json"
        if not path.exists():
            return None
        record: dict[str, Any] = read_json(path)
        wanted = {"format": FORMAT, "documents_sha256": documents_digest(self.part), "tokenizer": self.fingerprint}
        shard = self.directory / f"{self.stem}.ids"
        same = record.items() >= wanted.items() and shard.is_file() and shard.stat().st_size == record["bytes"]
        return record if same else None


@dataclass
class _Gathered:
    """Ids that are encoded and not yet written."""

    ids: list[NDArray[Any]] = field(default_factory=list)
    counts: list[NDArray[np.int64]] = field(default_factory=list)
    """Ids of each text."""
    words: list[NDArray[np.uint32]] = field(default_factory=list)


def make_shard(task: Task) -> dict[str, Any]:
    """Write a part's shard and its record, unless they are there; return the record."""
    if record := task.record():
        return record
    os.environ["RAYON_NUM_THREADS"] = str(task.threads)  # looked at once, before the first text
    encoder = _encoder(task.tokenizer, task.fingerprint, task.engine, task.threads > 1)
    gathered = _encode(task, encoder)
    sizes = np.concatenate([np.zeros(0, np.int64), *gathered.counts])
    words = np.concatenate([np.zeros(0, np.uint32), *gathered.words])
    dtype = id_type(encoder)
    unigram = np.zeros(encoder.padded_vocabulary, dtype=np.int64)
    for ids in gathered.ids:
        unigram += np.bincount(ids, minlength=len(unigram))
    if sizes.sum() >= 2**32:
        raise UserError(f"{task.part['name']} holds {sizes.sum():,} ids, more than a shard may; make smaller parts.")
    path = task.directory / f"{task.stem}.ids"
    write_columns(
        path,
        {
            "ids": Column(dtype, int(sizes.sum()), gathered.ids),
            "ends": whole(np.cumsum(sizes, dtype=np.uint32)),
            "words": whole(words),
            "unigram": whole(unigram),
        },
    )
    record = {
        "format": FORMAT,
        "documents_sha256": documents_digest(task.part),
        "tokenizer": task.fingerprint,
        "name": path.name,
        "bytes": path.stat().st_size,
        "sha256": sha256_of(path),
        "documents": len(sizes),
        "ids": int(sizes.sum()),
        "words": int(words.sum()),
        "text_bytes": task.part["text_bytes"],
    }
    write_json(task.directory / f"{task.stem}.json", record)
    return record


@lru_cache(maxsize=2)
def _encoder(tokenizer: Path, fingerprint: str, engine: Engine, threads: bool) -> TextEncoder:
    """Read an encoder once a process, not once a part; the fingerprint tells it from another at the same path."""
    return read_encoder(tokenizer, engine, threads)


def id_type(encoder: TextEncoder) -> type[np.uint16] | type[np.uint32]:
    """Return the smallest type that holds every id of the model's vocabulary."""
    return np.uint16 if encoder.padded_vocabulary <= 1 << 16 else np.uint32


def _encode(task: Task, encoder: TextEncoder) -> _Gathered:
    gathered = _Gathered()
    dtype = id_type(encoder)
    compared: list[tuple[int, str]] = []
    every = max(COMPARED_EVERY, task.part["documents"] // COMPARED_TEXTS)

    def texts() -> Iterator[str]:
        number = 0
        for group in part_texts(task.documents, task.part):
            gathered.words.append(group.words)
            strings = group.strings()
            for place in range(-number % every, len(strings), every):
                compared.append((number + place, strings[place][:COMPARED_CHARACTERS]))
            number += len(strings)
            yield from strings

    for ids, counts in encoder.encode_flat(texts(), calls=min(task.threads, CALLS)):
        gathered.ids.append(ids.astype(dtype))
        gathered.counts.append(counts)
    if task.engine != REFERENCE:
        reference = _encoder(task.tokenizer, task.fingerprint, REFERENCE, task.threads > 1)
        refuse_difference(compared, str(task.documents.parent / task.part["name"]), encoder, reference)
    return gathered


def make(documents: Path, tokenizer: Path, output: Path, engine: Engine, workers: int) -> dict[str, Any]:
    """Write a source's shards beside `output`, then `output`, their manifest; return it.

    Raises:
        UserError: the documents or the tokenizer are absent or not as they were written, or the engine errs.
    """
    manifest = read_manifest(documents)
    told = read_description(tokenizer)
    output.unlink(missing_ok=True)
    output.parent.mkdir(parents=True, exist_ok=True)
    # The largest first, so that no process begins with one when the others have nothing left to do.
    parts = [part for split in SPLITS for part in manifest["splits"][split]["files"]]
    parts.sort(key=lambda part: part["bytes"], reverse=True)
    processes, threads = share_out([part["bytes"] for part in parts], workers)
    tasks = [Task(documents, part, tokenizer, told.fingerprint, engine, output.parent, threads) for part in parts]
    _remove_strangers(output.parent, {task.stem for task in tasks})
    _take_over(tasks)
    try:
        # Here, so that processes which are forked have them.
        for name in {engine, REFERENCE} if processes > 1 else ():
            _encoder(tokenizer, told.fingerprint, name, threads > 1)
        made = {record["name"]: record for record in map_in_processes(make_shard, tasks, processes)}
    finally:
        _encoder.cache_clear()
    shards: dict[str, Any] = {}
    for split in SPLITS:
        stems = [Path(part["name"]).name.partition(".")[0] for part in manifest["splits"][split]["files"]]
        records = [made[f"{stem}.ids"] for stem in stems]
        totals = {key: sum(record[key] for record in records) for key in ("documents", "ids", "words", "text_bytes")}
        listed = ("name", "bytes", "sha256", "documents", "ids")
        shards[split] = {**totals, "files": [{key: record[key] for key in listed} for record in records]}
    result = {
        "format": FORMAT,
        "source": manifest["source"],
        "language": manifest["language"],
        "tokenizer": told.fingerprint,
        "vocabulary": told.vocabulary,
        "padded_vocabulary": told.padded_vocabulary,
        "splits": shards,
    }
    write_json(output, result)
    return result


def _take_over(tasks: Sequence[Task]) -> None:
    """Give shards of the same documents a second name here, where the source was tokenized under another name."""
    absent = [task for task in tasks if not task.record()]
    if not absent:
        return
    own = absent[0].directory
    for other in sorted(path for path in own.parent.iterdir() if path.is_dir() and path != own):
        if not replace(absent[0], directory=other).record():
            continue
        for task in (task for task in absent if replace(task, directory=other).record()):
            for suffix in ("ids", "json"):  # the record last
                link_or_copy(other / f"{task.stem}.{suffix}", own / f"{task.stem}.{suffix}")
        return


def share_out(sizes: Sequence[int], workers: int) -> tuple[int, int]:
    """Return how many processes take parts of these sizes, and how many threads the engine of each has.

    A process takes one part at a time, in one thread. Where parts are few, or one is much larger than all others, that
    would leave cores over: then there are fewer processes, and the engine of each has threads.
    """
    processes = max(1, min(workers, round(sum(sizes) / max(sizes, default=1))))
    return processes, ceil(workers / processes)


def _remove_strangers(directory: Path, stems: set[str]) -> None:
    """Remove shards and records of parts that the documents no longer have, and what a kill left half written."""
    for path in [*directory.glob("*.ids"), *directory.glob("*.json")]:
        if path.stem not in stems:
            path.unlink()
    for path in directory.glob(".*.part"):
        path.unlink()


def main() -> None:
    """Run the stage from the command line."""
    parser = argparse.ArgumentParser(
        prog=COMMAND, description="Turn a source's documents into ids, and store them once for this tokenizer."
    )
    parser.add_argument("--documents", type=Path, required=True, help="manifest of the source's documents")
    parser.add_argument("--tokenizer", type=Path, required=True, help="manifest.json or tokenizer.json of a tokenizer")
    parser.add_argument("--engine", choices=ENGINES, default="tokie", help="see the recipe (default: tokie)")
    parser.add_argument(
        "--workers", type=int, default=1, help="cores: processes, or threads where parts are few (default: 1)"
    )
    parser.add_argument("--output", type=Path, required=True, help="manifest.json to write; the shards go beside it")
    arguments = parser.parse_args()
    if arguments.workers < 1:
        raise UserError(f"--workers is {arguments.workers}; give at least 1.")
    begin = time.perf_counter()
    made = make(arguments.documents, arguments.tokenizer, arguments.output, arguments.engine, arguments.workers)
    seconds = time.perf_counter() - begin
    for split, shards in made["splits"].items():
        print(
            f"{made['source']} {split}: {shards['documents']:,} documents, {shards['ids']:,} tokens in "
            f"{len(shards['files']):,} shards, {shards['text_bytes'] / 1e6:,.2f} MB of text"
        )
    size = sum(shards["text_bytes"] for shards in made["splits"].values())
    print(f"  {size / 1e6 / seconds:,.2f} MB of text a second, shards kept from an earlier run among them")


if __name__ == "__main__":
    run_command(main)
