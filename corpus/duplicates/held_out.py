"""Stage: what no source may train on: held-out documents of all sources, and evaluation sets, as hashes of their words.

`python -m corpus.duplicates.held_out`. A run of `words` words of a held-out document may stand nowhere in training
text, nor one of its lines that is shorter. The hashes lie in one file of columns, sorted, so that looking for the
words of a corpus among them touches little memory: a table of bits says of nearly all that they are not there.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.columns import Column, open_columns, whole, write_columns
from common.errors import UserError, run_command
from common.files import remove_staged, write_json
from common.listed import describe
from common.workers import map_in_processes
from corpus.duplicates.settled import held_out_digest
from corpus.duplicates.words import Hashes, Index, Words, runs, stretches, words_of
from corpus.sampling.documents import manifests_by_source, part_texts, read_manifest
from corpus.sources.fields import Wanted
from corpus.sources.readers import Place, UnitReader, plan, source_files
from recipe.duplicates import EvaluationSet
from recipe.slices.files import read_slice
from recipe.slices.types import ContaminationSlice

FORMAT = 1
LINE_WORDS = 5
"""Words of the shortest line that is looked for: shorter ones stand everywhere by themselves."""
TABLE_BITS = 26
BATCH_BYTES = 2**22


@dataclass(frozen=True)
class HeldOut:
    """Hashes that are looked for, and of which sets they are."""

    length: int
    """Words in a run."""
    names: list[str]
    """Of the sets."""
    runs: Hashes
    run_sets: NDArray[np.uint16]
    """uint64[r], uint16[r]: hashes of runs, sorted, and the set of each; one of several sets stands several times."""
    lines: Hashes
    line_sets: NDArray[np.uint16]
    """The same of lines that are shorter than a run."""

    @staticmethod
    def read(manifest: dict[str, Any], directory: Path) -> HeldOut:
        """Open what a manifest in a directory describes."""
        return HeldOut(manifest["words"], manifest["sets"], **open_columns(directory / manifest["file"]["name"]))

    @cached_property
    def _tables(self) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        return _table(self.runs), _table(self.lines)

    def find(self, words: Words) -> tuple[Index, NDArray[np.uint16]]:
        """Return int64[f], uint16[f]: lines of documents that hold text of a set, and the set, each pair once, sorted.

        A line holds it if a run of words that is looked for touches it, or if it is one of the shorter lines.
        """
        line_starts = np.concatenate([[0], words.line_ends[:-1]]).astype(np.int64)
        hashes, places = runs(words.hashes, words.ends, self.length)
        of_runs, sets = _look_up(hashes, self.runs, self._tables[0], self.run_sets)
        begin = places[of_runs]
        # All lines from that of the first word to that of the last one.
        first = np.searchsorted(words.line_ends, begin, "right")
        last = np.searchsorted(words.line_ends, begin + self.length - 1, "right")
        count = last - first + 1
        touched = np.repeat(first, count) + _counted(count)
        sizes = words.line_ends - line_starts
        short = np.flatnonzero((sizes >= LINE_WORDS) & (sizes < self.length))
        keys = stretches(words.hashes, words.line_ends)[short]
        of_lines, line_sets = _look_up(keys, self.lines, self._tables[1], self.line_sets)
        lines = np.concatenate([touched, short[of_lines]]).astype(np.int64)
        of_sets = np.concatenate([np.repeat(sets, count), line_sets]).astype(np.int64)
        pairs = np.unique(lines << 16 | of_sets)
        return pairs >> 16, (pairs & 0xFFFF).astype(np.uint16)


def _counted(counts: Index) -> Index:
    """Return 0, 1, ... of each count, one after another."""
    ends = np.cumsum(counts)
    return np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - counts, counts)


def _table(hashes: Hashes) -> NDArray[np.bool_]:
    table = np.zeros(1 << TABLE_BITS, np.bool_)
    table[hashes >> np.uint64(64 - TABLE_BITS)] = True
    return table


def _look_up(
    hashes: Hashes, known: Hashes, table: NDArray[np.bool_], sets: NDArray[np.uint16]
) -> tuple[Index, NDArray[np.uint16]]:
    """Return the places of hashes that are known, with the set of each; one of several sets stands several times."""
    maybe = np.flatnonzero(table[hashes >> np.uint64(64 - TABLE_BITS)])
    begin, end = (np.searchsorted(known, hashes[maybe], side) for side in ("left", "right"))
    counts = end - begin
    return np.repeat(maybe, counts), sets[np.repeat(begin, counts) + _counted(counts)]


@dataclass(frozen=True)
class _Part:
    """Documents of one set: a part of a source, or a unit of an evaluation set."""

    set: int
    length: int
    manifest: Path | None = None
    entry: Any = None
    spans: Any = None
    field: str = ""


def _hashes_of(part: _Part) -> tuple[Hashes, Hashes]:
    """Return the hashes of the runs and of the short lines of a part, each once."""
    found_runs, found_lines = [np.zeros(0, np.uint64)], [np.zeros(0, np.uint64)]
    for texts in _texts(part):
        words = words_of(texts)
        found_runs.append(runs(words.hashes, words.ends, part.length)[0])
        sizes = np.diff(words.line_ends, prepend=0)
        short = (sizes >= LINE_WORDS) & (sizes < part.length)
        found_lines.append(stretches(words.hashes, words.line_ends)[short])
    return np.unique(np.concatenate(found_runs)), np.unique(np.concatenate(found_lines))


def _texts(part: _Part) -> Iterable[list[bytes]]:
    if part.manifest is not None:
        yield from (texts.encoded() for texts in part_texts(part.manifest, part.entry))
        return
    for batch in UnitReader(part.spans, Wanted(part.field), 0, Place()).batches():
        if batch.texts:
            yield batch.texts


def _parts(slice_: ContaminationSlice, manifests: dict[str, Path]) -> tuple[list[str], list[_Part]]:
    names: list[str] = []
    parts: list[_Part] = []
    for source, path in manifests.items():
        splits = read_manifest(path)["splits"]
        for split in ("validation", "test"):
            for entry in splits[split]["files"]:
                parts.append(_Part(len(names), slice_.words, path, entry))
        names.append(f"held out of {source}")
    for name, content in slice_.sets.items():
        parts += [
            _Part(len(names), slice_.words, spans=unit, field=field)
            for field in content.fields
            for unit in plan(source_files(content.files)[0], 1 << 28, "line")
        ]
        names.append(name)
    return names, parts


def make(slice_: ContaminationSlice, documents: Sequence[Path], output: Path, workers: int) -> dict[str, Any]:
    """Write the hashes beside `output`, then `output`, their manifest; return it.

    Raises:
        UserError: documents or files of a set are missing or damaged, or a set has no text under its fields.
    """
    manifests = manifests_by_source(documents, slice_.sources, "the search for held-out text")
    names, parts = _parts(slice_, manifests)
    path = output.with_suffix(".columns")
    output.unlink(missing_ok=True)
    output.parent.mkdir(parents=True, exist_ok=True)
    for each in (output, path):
        remove_staged(each)
    kinds: tuple[list[Hashes], list[Hashes]] = ([np.zeros(0, np.uint64)], [np.zeros(0, np.uint64)])
    sets: tuple[list[NDArray[np.uint16]], list[NDArray[np.uint16]]] = ([], [])
    filled = set()
    for part, found in zip(parts, map_in_processes(_hashes_of, parts, workers), strict=True):
        for hashes, own, into in zip(found, kinds, sets, strict=True):
            own.append(hashes)
            into.append(np.full(len(hashes), part.set, np.uint16))
            filled |= {part.set} if len(hashes) else set()
    for number, name in enumerate(names):
        if name in slice_.sets and number not in filled:
            raise UserError(_empty(name, slice_.sets[name]))
    columns: dict[str, Column] = {}
    for kind, own, into in zip(("run", "line"), kinds, sets, strict=True):
        hashes, of_sets = np.concatenate(own), np.concatenate([np.zeros(0, np.uint16), *into])
        order = np.lexsort((of_sets, hashes))
        columns |= {f"{kind}s": whole(hashes[order]), f"{kind}_sets": whole(of_sets[order])}
    write_columns(path, columns)
    manifest = {
        "format": FORMAT,
        "made_from": held_out_digest(slice_, {name: manifests[name] for name in slice_.sources}),
        "words": slice_.words,
        "sets": names,
        "runs": columns["runs"].length,
        "lines": columns["lines"].length,
        "file": describe(path),
    }
    write_json(output, manifest)
    return manifest


def _empty(name: str, content: EvaluationSet) -> str:
    return (
        f"evaluation set {name} holds no text of {LINE_WORDS} words under {', '.join(content.fields)} in "
        f"{', '.join(content.files)}; set contamination.sets.{name}.fields to the fields that hold it."
    )


def main() -> None:
    """Run the stage from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m corpus.duplicates.held_out",
        description="Hash the held-out documents of all sources and evaluation sets, to find them in training text.",
    )
    parser.add_argument("--slice", type=Path, required=True, help="JSON slice of contamination, from the recipe")
    parser.add_argument("--documents", type=Path, nargs="*", default=[], help="manifests of the sampled sources")
    parser.add_argument("--output", type=Path, required=True, help="manifest to write; the hashes go beside it")
    parser.add_argument("--workers", type=int, default=1, help="processes (default: 1)")
    arguments = parser.parse_args()
    slice_ = read_slice(arguments.slice, ContaminationSlice)
    made = make(slice_, arguments.documents, arguments.output, arguments.workers)
    print(f"{made['runs']:,} runs of {made['words']} words and {made['lines']:,} shorter lines are held out")


if __name__ == "__main__":
    run_command(main)
