"""Measure reading rows: how many a second, what the first one costs, what the disk has to give.

Rows are of made-up ids: lengths of documents decide what reading costs, not what they say. All readers get the same
rows of 1,024 slots in the same orders, each run a process of its own; the time is that inside it, from opening on. The
first row is asked for at the beginning and at the end, of our index also among ten million tiny rows. litdata runs
under a Python of its own, named by `--litdata`.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray

from benchmarks.measure import print_table
from benchmarks.process import directory_bytes, run
from common.columns import whole, write_columns
from common.errors import run_command
from common.files import write_json
from common.listed import describe
from corpus.rows.index import make
from corpus.rows.order import SourceOrder, block_count
from corpus.rows.store import RowReader
from corpus.tokens.ids import FORMAT
from recipe.needs import Rows

LENGTH = 1024
DOCUMENTS = 160_000
MEAN_IDS, SPREAD = 250.0, 1.1
"""Of a document: a log-normal distribution, about that of the text in docs/performance.md."""
TINY_LENGTH, TINY_IDS, TINY_ROWS = 8, 6, 10_000_001
DRAWN = 20_000
"""Rows that are read in an order."""
Order = NDArray[np.int64]


def made_rows(folder: Path, counts: NDArray[np.int64], length: int) -> Path:
    """Write a shard of documents of int64[d] `counts` random ids and pack it; return the index of its rows."""
    shard = folder / "shards" / "t" / "made" / "train-00000.ids"
    ids = np.random.default_rng(0).integers(5, 27_000, counts.sum(), dtype=np.uint16)
    columns = {
        "ids": whole(ids),
        "ends": whole(np.cumsum(counts).astype(np.uint32)),
        "words": whole(counts.astype(np.uint32)),
        "unigram": whole(np.bincount(ids, minlength=27_264).astype(np.int64)),
    }
    write_columns(shard, columns)
    splits = {
        "train": {"files": [{**describe(shard), "documents": len(counts), "ids": len(ids)}]},
        "validation": {"files": []},
        "test": {"files": []},
    }
    told = {"format": FORMAT, "source": "made", "language": "fi", "tokenizer": "", "padded_vocabulary": 27_264}
    write_json(shard.with_name("manifest.json"), {**told, "splits": splits})
    (made,) = make([Rows("t", "made", "train", str(length))], folder / "shards", folder / "rows", workers=1)
    return made.index


def orders(reader: RowReader) -> dict[str, Order]:
    """Return the orders in which rows are read."""
    rows = reader.rows
    count = min(DRAWN, rows)
    training = SourceOrder(rows, block_count(reader.index["tokens"]), b"key", str(LENGTH))
    return {
        "one after the other": np.arange(count, dtype=np.int64),
        "at random": np.random.default_rng(0).permutation(rows)[:count],
        "as in training": training(np.arange(count, dtype=np.int64)),
        "the first": np.array([0]),
        "the last": np.array([rows - 1]),
    }


def copy_rows(index: Path, folder: Path) -> tuple[Path, Path]:
    """Write all rows as two .npy that other libraries' scripts read; return the tokens and where each row ends."""
    reader = RowReader(index)
    rows = [reader.row(row)[0] for row in range(reader.rows)]
    np.save(folder / "tokens.npy", np.concatenate(rows))
    np.save(folder / "ends.npy", np.cumsum([len(row) for row in rows], dtype=np.int64))
    return folder / "tokens.npy", folder / "ends.npy"


def forget(folder: Path) -> None:
    """Drop the pages of all files below a folder from memory, so that the next reader waits for the disk."""
    os.sync()
    for path in folder.rglob("*"):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)


def read_rows(command: Sequence[object], order: Path) -> list[float]:
    """Run a reader; return seconds, processor seconds, bytes from the disk, tokens."""
    measured: list[float] = json.loads(run([[*map(str, command), str(order)]], {})[1])
    return measured


def table(readers: dict[str, tuple[Sequence[object], Path]], ordered: dict[str, Path], rounds: int) -> list[list[str]]:
    """Return a row for each reader and order; readers take turns."""
    cells: dict[tuple[str, str], list[list[float]]] = {}
    for _ in range(rounds):
        for order, path in ordered.items():
            for name, (command, _) in readers.items():
                cells.setdefault((order, name), []).append(read_rows(command, path))
    rows = []
    for (order, name), measured in cells.items():
        count = len(np.load(ordered[order]))
        command, folder = readers[name]
        forget(folder)
        cold = read_rows(command, ordered[order])
        wall, processor = (median(one[place] for one in measured) for place in (0, 1))
        speed = f"{count / processor:,.0f}" if count > 1 else ""
        first = "" if count > 1 else f"{1000 * wall:.1f}"
        rows.append([f"{name}, {order}", speed, first, f"{cold[2] / count / 1000:,.1f}"])
    return rows


def main(arguments: argparse.Namespace) -> None:
    """Measure and print the tables."""
    with tempfile.TemporaryDirectory(dir=arguments.work) as name:
        folder = Path(name)
        counts = np.random.default_rng(0).lognormal(np.log(MEAN_IDS) - SPREAD**2 / 2, SPREAD, DOCUMENTS)
        index = made_rows(folder / "ours", np.maximum(counts, 1).astype(np.int64), LENGTH)
        rows = RowReader(index).rows
        ours = (sys.executable, "-m", "benchmarks.contestants.with_row_reader")
        readers: dict[str, tuple[Sequence[object], Path]] = {"ours": ((*ours, index), folder / "ours")}
        if arguments.litdata:
            script = (arguments.litdata, Path(__file__).parent / "contestants" / "with_litdata.py")
            with ProcessPoolExecutor(1) as other:  # in which the rows stay mapped; what is mapped cannot be forgotten
                copies = other.submit(copy_rows, index, folder).result()
            run([[*map(str, script), "write", str(folder / "litdata"), *map(str, copies)]], {})
            readers["litdata"] = ((*script, "read", folder / "litdata"), folder / "litdata")
        ordered = {order: folder / f"{order}.npy" for order in orders(RowReader(index))}
        for order, places in orders(RowReader(index)).items():
            np.save(ordered[order], places)
        header = ["", "rows per processor second", "ms to the first row", "kB from the disk a row, cold"]
        print_table(header, table(readers, ordered, arguments.rounds))
        tokens = RowReader(index).index["tokens"]
        sizes = ", ".join(f"{reader} {directory_bytes(place) / tokens:.2f}" for reader, (_, place) in readers.items())
        print(f"\n{rows:,} rows of {LENGTH:,}; bytes on disk a token: {sizes}.")
        tiny = made_rows(folder / "tiny", np.full(TINY_ROWS, TINY_IDS), TINY_LENGTH)
        for row in (0, TINY_ROWS - 1):
            np.save(folder / "one.npy", np.array([row]))
            seconds = median(read_rows((*ours, tiny), folder / "one.npy")[0] for _ in range(arguments.rounds))
            print(f"ours, row {row:,} of {TINY_ROWS:,} tiny rows: {1000 * seconds:.1f} ms")
    if not arguments.litdata:
        print("litdata was not measured: name a Python that has it with --litdata.")


if __name__ == "__main__":
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--rounds", type=int, default=5, help="times that all take turns (default: %(default)s)")
    made.add_argument("--work", type=Path, help="folder for what is written (default: the system's)")
    made.add_argument("--litdata", metavar="PYTHON", help="one that has litdata, to measure it too")
    run_command(lambda: main(made.parse_args()))
