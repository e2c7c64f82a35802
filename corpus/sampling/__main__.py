"""Stage: a source's raw files become documents in three splits: `python -m corpus.sampling`."""

from __future__ import annotations

import argparse
from pathlib import Path

from common.errors import UserError, run_command
from corpus.hub.lists import local_files
from corpus.sampling.account import Account
from corpus.sampling.documents import SPLITS
from corpus.sampling.renamed import take_over
from corpus.sampling.sample import COMMAND, sample
from corpus.sources.readers import source_files
from recipe.reading import expand_files
from recipe.slices.files import read_slice
from recipe.slices.types import SourceSlice


def _tell(account: Account, source: SourceSlice, files: int) -> None:
    splits = ", ".join(f"{account.documents[split]:,} {split}" for split in SPLITS)
    megabytes = account.bytes.total() / 1e6
    print(f"{source.name}: {account.read:,} documents read from {files} file(s), kept {splits}")
    print(f"  kept text: {megabytes:,.2f} MB, {account.words.total():,} words")
    for what, counts in (("changed", account.changed), ("dropped", account.dropped), ("rejected", account.rejected)):
        for reason, count in counts.most_common():
            print(f"  {what}: {count:,} ({reason})")
    for reject in account.examples:
        there = f" (it has {reject.fields})" if reject.fields else ""
        print(f"    {reject.file} line {reject.line}: {reject.reason}{there}: {reject.excerpt}")


def main() -> None:
    """Run the stage from the command line."""
    parser = argparse.ArgumentParser(
        prog=COMMAND,
        description="Read a source's files, drop what its filters refuse, and write documents in three splits.",
    )
    parser.add_argument("--slice", type=Path, required=True, help="JSON slice of the source, from the recipe")
    parser.add_argument("--output", type=Path, required=True, help="manifest to write; the documents go beside it")
    parser.add_argument("--workers", type=int, default=1, help="processes, each makes one part at a time (default: 1)")
    parser.add_argument("--part-bytes", type=int, help="bytes of text in a part, about (default: by the source's size)")
    parser.add_argument("--files", nargs="+", metavar="FILE", help="read these instead of the files of the slice")
    parser.add_argument("--hub", type=Path, help="list of the files that `python -m corpus.hub` fetched for the source")
    arguments = parser.parse_args()
    if arguments.workers < 1:
        raise UserError(f"--workers is {arguments.workers}; give at least 1.")
    if arguments.part_bytes is not None and arguments.part_bytes < 1:
        raise UserError(f"--part-bytes is {arguments.part_bytes}; give at least 1.")
    source = read_slice(arguments.slice, SourceSlice)
    present = [name for name in expand_files(source) if Path(name).is_file()]
    if arguments.files is None and (made := take_over(source, arguments.output, present)):
        documents = ", ".join(f"{made['splits'][split]['documents']:,} {split}" for split in SPLITS)
        print(f"{source.name}: sampled before under another name, which is taken over: {documents}")
        return
    files, again = source_files(arguments.files or local_files(source.files, arguments.hub))
    account = sample(source, files, arguments.output, arguments.workers, arguments.part_bytes)
    _tell(account, source, len(files))
    for path, first in again.items():
        print(f"  {path} is {first} by another name; it was read once")


if __name__ == "__main__":
    run_command(main)
