"""Stage: an index of packed rows over token shards, for all that a phase or an evaluation reads.

`python -m corpus.rows.index` makes the sets of rows that a slice of the recipe names and are not there yet, below one
folder that all phases share: a row length, a range of words or a split costs a pass over the lengths of documents, and
touches no id. Each shard is packed alone, in windows, by any number of processes: the same bytes come out.

What it writes last, `rows.json`, names the index of every set with its checksum: what a phase depends on, and no more.
"""

from __future__ import annotations

import argparse
import os
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from math import ceil
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from common.columns import GrowingColumn, write_columns
from common.errors import UserError, run_command
from common.files import full_disk_names, read_json, sha256_of, write_json
from common.listed import describe, problem_with
from common.workers import map_in_processes
from corpus.rows.listing import COMMAND, FORMAT, INDEX
from corpus.rows.packing import SPECIALS, Packed, pack
from corpus.rows.store import COLUMNS
from corpus.tokens.ids import MANIFEST, open_shard, read_shards
from recipe.needs import Rows, rows_of
from recipe.slices.files import read_slice
from recipe.slices.rowsets import parse_rowset
from recipe.slices.types import RowsSlice

MAX_LENGTH = 2**16 - 1
"""Slots of a row, so that a piece's count fits into 16 bits."""
TOTALS = ("rows", "tokens", "pieces", "documents", "cut_documents")
"""What an index tells of all its shards together."""
DOCUMENTS_A_PROCESS = 500_000
"""Fewer are packed before another process has started."""


class Task(NamedTuple):
    """A shard to be packed for one set of rows."""

    folder: Path
    entry: dict[str, Any]
    """The shard, as its manifest lists it."""
    rowset: str


class Result(NamedTuple):
    """A packed shard."""

    entry: dict[str, Any]
    """The shard, as its manifest lists it."""
    packed: Packed
    documents: int
    cut_documents: int


@dataclass(frozen=True)
class RowSet:
    """A set of rows that is to be made."""

    rows: Rows
    folder: Path
    """Where it goes."""
    shards: Path
    """Manifest of the token shards."""

    @property
    def index(self) -> Path:
        """Its index."""
        return self.folder / INDEX

    def listed(self) -> list[dict[str, Any]]:
        """Return the shards that it is made from, as their manifest lists them."""
        files: list[dict[str, Any]] = read_shards(self.shards)["splits"][self.rows.split]["files"]
        return files

    def there(self) -> bool:
        """Tell whether it has been made from the very shards that are there now."""
        if not self.index.exists():
            return False
        index = read_json(self.index)
        return bool(
            index.get("format") == FORMAT
            and index["shards_sha256"] == sha256_of(self.shards)
            and problem_with(self.folder, index["file"], checksum=False) is None
        )


def pack_shard(task: Task) -> Result:
    """Pack the documents of a shard that the set takes."""
    length, least, most = parse_rowset(task.rowset)
    shard = open_shard(task.folder / task.entry["name"])
    counts = shard.counts
    taken = shard.words >= least
    if most is not None:
        taken &= shard.words < most
    starts, counts = (shard.ends - counts)[taken], counts[taken]
    return Result(task.entry, pack(starts, counts, length), len(counts), int((counts > length - SPECIALS).sum()))


def make(wanted: Iterable[Rows], shards: Path, rows: Path, workers: int) -> list[RowSet]:
    """Make the sets of rows that are not there yet, and return all.

    Args:
        wanted: the sets.
        shards: folder of token shards, `{tokenizer}/{source}/manifest.json`.
        rows: folder of rows, `{tokenizer}/{source}/{split}/{rowset}/index.json`.
        workers: processes.

    Raises:
        UserError: rows are too long or too short, or shards are absent or damaged.
    """
    sets = [_row_set(one, shards, rows) for one in wanted]
    absent = [one for one in sets if not one.there()]
    tasks = [[Task(one.shards.parent, entry, one.rows.rowset) for entry in one.listed()] for one in absent]
    every = list(chain.from_iterable(tasks))
    pays = ceil(sum(task.entry["documents"] for task in every) / DOCUMENTS_A_PROCESS)
    results = map_in_processes(pack_shard, every, min(workers, pays))
    for one, own in zip(absent, tasks, strict=True):
        _write(one, islice(results, len(own)))
    return sets


def _row_set(rows: Rows, shards: Path, folder: Path) -> RowSet:
    length = parse_rowset(rows.rowset)[0]
    if not SPECIALS < length <= MAX_LENGTH:
        raise UserError(f"rows of {length} slots cannot be made; give {SPECIALS + 1} to {MAX_LENGTH:,} slots.")
    place = folder / rows.tokenizer / rows.source / rows.split / rows.rowset
    return RowSet(rows, place, shards / rows.tokenizer / rows.source / MANIFEST)


def _write(one: RowSet, results: Iterable[Result]) -> None:
    """Write a set of rows from its packed shards, in order; one of them is in memory at a time.

    Jobs of several phases may make the same set at once: each file is replaced by an equal one, and none is ever absent
    that was there. An index of other shards is told from this one by their checksum.
    """
    manifest = read_shards(one.shards)
    length, least, most = parse_rowset(one.rows.rowset)
    total, parts = _write_rows(one.folder, results)
    index = {
        "format": FORMAT,
        "source": manifest["source"],
        "language": manifest["language"],
        "split": one.rows.split,
        "length": length,
        "min_words": least,
        "max_words": most,
        **{name: total[name] for name in TOTALS},
        "fill": total["tokens"] / (total["rows"] * length) if total["rows"] else 0.0,
        "split_ids": sum(entry["ids"] for entry in one.listed()),
        "tokenizer": manifest["tokenizer"],
        "shards": os.path.relpath(one.shards.parent, one.folder),
        "shards_sha256": sha256_of(one.shards),
        "parts": parts,
        "file": describe(one.folder / COLUMNS),
    }
    write_json(one.index, index)


def _write_rows(folder: Path, results: Iterable[Result]) -> tuple[Counter[str], list[dict[str, Any]]]:
    """Write the columns of a set; return what its shards hold together, and an entry for each of them."""
    folder.mkdir(parents=True, exist_ok=True)
    total: Counter[str] = Counter(dict.fromkeys(TOTALS, 0))
    parts = []
    with (
        full_disk_names(folder / COLUMNS),
        GrowingColumn(np.uint32, folder) as starts,
        GrowingColumn(np.uint16, folder) as counts,
        GrowingColumn(np.uint64, folder) as ends,
    ):
        for result in results:
            pieces, rows = result.packed.pieces, len(result.packed.ends)
            starts.append(pieces.start)
            counts.append(pieces.count)
            ends.append(result.packed.ends.astype(np.uint64) + np.uint64(total["pieces"]))
            total.update(
                rows=rows,
                tokens=int(pieces.sizes.sum()),
                pieces=len(pieces.start),
                documents=result.documents,
                cut_documents=result.cut_documents,
            )
            parts.append({**{key: result.entry[key] for key in ("name", "bytes", "sha256")}, "rows": rows})
        write_columns(folder / COLUMNS, {"starts": starts.column(), "counts": counts.column(), "ends": ends.column()})
    return total, parts


def write_list(sets: Sequence[RowSet], output: Path) -> None:
    """Write what the sets of rows are: names, checksums and sizes of their indexes, with paths from `output` on."""
    listed = []
    for one in sets:
        index = read_json(one.index)
        listed.append(
            {
                "source": one.rows.source,
                "split": one.rows.split,
                "rowset": one.rows.rowset,
                "index": os.path.relpath(one.index, output.parent),
                "sha256": sha256_of(one.index),
                "rows": index["rows"],
                "tokens": index["tokens"],
            }
        )
    write_json(output, {"format": FORMAT, "sets": listed})


def main() -> None:
    """Run the stage from the command line."""
    parser = argparse.ArgumentParser(
        prog=COMMAND, description="Pack what a phase or an evaluation reads into rows: an index over token shards."
    )
    parser.add_argument("--slice", type=Path, required=True, help="JSON slice of the rows, from the recipe")
    parser.add_argument("--shards", type=Path, required=True, help="folder of token shards: results/shards")
    parser.add_argument("--rows", type=Path, required=True, help="folder of all rows: results/rows")
    parser.add_argument("--workers", type=int, default=1, help="processes, each packs a shard at a time (default: 1)")
    parser.add_argument("--output", type=Path, required=True, help="rows.json to write, last")
    arguments = parser.parse_args()
    if arguments.workers < 1:
        raise UserError(f"--workers is {arguments.workers}; give at least 1.")
    begin = time.perf_counter()
    wanted = rows_of(read_slice(arguments.slice, RowsSlice))
    arguments.output.unlink(missing_ok=True)
    sets = make(wanted, arguments.shards, arguments.rows, arguments.workers)
    write_list(sets, arguments.output)
    for one in sets:
        index = read_json(one.index)
        print(
            f"{one.rows.source} {one.rows.split} {one.rows.rowset}: {index['documents']:,} documents in "
            f"{index['rows']:,} rows, {index['tokens']:,} tokens in {index['fill']:.2%} of the slots; "
            f"{index['cut_documents']:,} documents are longer than a row"
        )
    print(f"{time.perf_counter() - begin:.1f} s")


if __name__ == "__main__":
    run_command(main)
