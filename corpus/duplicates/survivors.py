"""Stage: what is left of all sources when they have been compared: `python -m corpus.duplicates.survivors`.

In this order: of documents with the same words one is kept; of clusters of near duplicates, a few; lines that hold
held-out text are cut out of the training split; lines that stand in many documents are cut. Beside each `sampled.json`
goes a `manifest.json`, which lists the same parts, with what is cut out of them. The manifests are written last.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from common.errors import UserError, run_command
from common.files import read_json, remove_staged, write_json
from common.workers import map_in_processes
from corpus.duplicates.clusters import decide
from corpus.duplicates.copies import drop_copies, mark_lines
from corpus.duplicates.cutting import CutPart, Task, cut_part
from corpus.duplicates.numbering import Numbering
from corpus.duplicates.state import State, state_of
from corpus.sampling.account import Account
from corpus.sampling.cuts import CUTS
from corpus.sampling.documents import SPLITS, manifests_by_source, read_manifest
from recipe.slices.files import read_slice
from recipe.slices.types import DuplicatesSlice

FORMAT = 1
MANIFEST = "manifest.json"
MEGABYTE = 10**6
DEFAULT_MEMORY_MB = 2_000
MERGED = ("dropped", "dropped_bytes", "changed", "cut_bytes")


def compare(
    slice_: DuplicatesSlice,
    documents: Mapping[str, Path],
    fingerprints: Mapping[str, Path],
    sets: Sequence[str],
    output: Path,
    workers: int,
    memory: int,
) -> dict[str, Any]:
    """Write `manifest.json` beside each manifest of sampled documents, and `output`, what was found; return that.

    Args:
        slice_: what the recipe asks for.
        documents: source -> its manifest of sampled documents.
        fingerprints: source -> its manifest of fingerprints; empty where nothing is to be compared.
        sets: names of the sets that held-out text is of.
        output: where the whole is told.
        workers: processes.
        memory: bytes that may be held at a time, about, by all workers together.

    Raises:
        UserError: nothing is left of a source, or something is missing or damaged.
    """
    for path in (output, *(path.with_name(MANIFEST) for path in documents.values())):
        path.unlink(missing_ok=True)
        remove_staged(path)
    output.parent.mkdir(parents=True, exist_ok=True)
    if not fingerprints:
        for path in documents.values():
            write_json(path.with_name(MANIFEST), read_manifest(path))
        whole: dict[str, Any] = {"format": FORMAT, "sources": {}, "sets": {}}
        write_json(output, whole)
        return whole
    numbering = Numbering.of(slice_.order, dict(documents), dict(fingerprints))
    lines = [len(part.open().keys.get("line_keys", ())) for part in numbering.parts]
    firsts = np.concatenate([[0], np.cumsum(lines)]).astype(np.int64)
    with state_of(numbering.count, int(firsts[-1]), output.parent) as state:
        drop_copies(numbering, state, memory, workers)
        bands = max((read_json(path).get("bands", 0) for path in fingerprints.values()), default=0)
        if bands:
            decide(numbering, state, bands, slice_.keep, memory, workers)
        limits = tuple(slice_.sources[name].max_line_documents or 0 for name in slice_.order)
        if firsts[-1]:
            mark_lines(numbering, state, firsts, limits, memory, workers)
        made = _cut(slice_, numbering, state, firsts, documents, workers)
    summary: dict[str, Any] = {"format": FORMAT, "sources": {}, "sets": {name: {} for name in sets}}
    contents = {}
    for source, parts in made.items():
        contents[source] = _manifest(read_manifest(documents[source]), parts)
        _tell_sets(summary["sets"], sets, source, parts)
    for source, content in contents.items():
        _remove_others(documents[source].parent, content)
        write_json(documents[source].with_name(MANIFEST), content)
    summary["sources"] = {source: _told(read_manifest(documents[source]), parts) for source, parts in made.items()}
    write_json(output, summary)
    return summary


def _cut(
    slice_: DuplicatesSlice,
    numbering: Numbering,
    state: State,
    firsts: Any,
    documents: Mapping[str, Path],
    workers: int,
) -> dict[str, list[tuple[str, CutPart]]]:
    """Return source -> its parts in order, each with its split and what is left of it."""
    tasks = [
        Task(part, documents[part.source].parent, state, int(first), slice_.remove, slice_.max_share)
        for part, first in zip(numbering.parts, firsts, strict=False)
    ]
    made: dict[str, list[tuple[str, CutPart]]] = {source: [] for source in slice_.order}
    for task, part in zip(tasks, map_in_processes(cut_part, tasks, workers), strict=True):
        made[task.part.source].append((task.part.split, part))
    return made


def _manifest(sampled: dict[str, Any], parts: Sequence[tuple[str, CutPart]]) -> dict[str, Any]:
    """Return the manifest of what is left of a source."""
    account = Account()
    for split, part in parts:
        account.add(part.account)
        if part.entry:
            account.files[split].append(part.entry)
    if not account.documents.total():
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in account.dropped.most_common())
        raise UserError(
            f"source {sampled['source']} has no documents left when all sources are compared ({reasons}); "
            "leave it out, name it in duplicates.prefer, or set its duplicates to {exact: false, near: false}."
        )
    told = account.manifest()
    merged = {name: dict(Counter(sampled[name]) + Counter(told[name])) for name in MERGED}
    steps = {"steps": sampled["steps"] + told["steps"], "removed": sampled["removed"] | told["removed"]}
    lengths = {"word_histogram": told["word_histogram"]}
    return sampled | {"splits": told["splits"]} | merged | steps | lengths


def _tell_sets(
    into: dict[str, dict[str, Any]], sets: Sequence[str], source: str, parts: Sequence[tuple[str, CutPart]]
) -> None:
    total: dict[str, Counter[int]] = {}
    for _, part in parts:
        for what, counts in part.found.items():
            total.setdefault(what, Counter()).update(counts)
    for number in sorted(total.get("documents", {})):
        into[sets[number]][source] = {what: counts[number] for what, counts in total.items()}


def _told(sampled: Mapping[str, Any], parts: Sequence[tuple[str, CutPart]]) -> dict[str, Any]:
    """Return how many documents a source had and has, why others went, and what was cut out of those that are left."""
    account = Account()
    for _, part in parts:
        account.add(part.account)
    return {
        "sampled": sum(sampled["splits"][split]["documents"] for split in SPLITS),
        "left": account.documents.total(),
        "dropped": dict(account.dropped),
        "cut": dict(account.changed),
    }


def _remove_others(folder: Path, content: Mapping[str, Any]) -> None:
    """Remove cuts that are of no use any more, and what a kill left half written."""
    entries = [entry for split in SPLITS for entry in content["splits"][split]["files"]]
    kept = {entry[CUTS]["name"] for entry in entries if CUTS in entry}
    for path in [*folder.glob(f"{CUTS}-*"), *folder.glob(f".{CUTS}-*.part")]:
        if path.name not in kept:
            path.unlink()


def main() -> None:
    """Run the stage from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m corpus.duplicates.survivors",
        description="Compare the documents of all sources, and write beside each sampled.json a manifest.json of those "
        "that are left.",
    )
    parser.add_argument("--slice", type=Path, required=True, help="JSON slice of the duplicates, from the recipe")
    parser.add_argument("--documents", type=Path, nargs="+", required=True, help="manifests of the sampled sources")
    parser.add_argument("--fingerprints", type=Path, nargs="*", default=[], help="manifests of their fingerprints")
    parser.add_argument("--held-out", type=Path, help="manifest of corpus.duplicates.held_out")
    parser.add_argument("--output", type=Path, required=True, help="JSON to write of what was found")
    parser.add_argument("--workers", type=int, default=1, help="processes (default: 1)")
    parser.add_argument(
        "--memory-mb", type=int, default=DEFAULT_MEMORY_MB, help="keys in memory at a time (default: %(default)s)"
    )
    arguments = parser.parse_args()
    if min(arguments.workers, arguments.memory_mb) < 1:
        raise UserError("--workers and --memory-mb must be at least 1.")
    slice_ = read_slice(arguments.slice, DuplicatesSlice)
    documents = manifests_by_source(arguments.documents, slice_.order, "the comparison")
    fingerprints = {read_json(path)["source"]: path for path in arguments.fingerprints}
    sets = read_json(arguments.held_out)["sets"] if arguments.held_out else []
    memory = arguments.memory_mb * MEGABYTE
    told = compare(slice_, documents, fingerprints, sets, arguments.output, arguments.workers, memory)
    for source, content in told["sources"].items():
        why = [f"{count:,} {reason}" for reason, count in content["dropped"].items()]
        why += [f"{reason} cut out of {count:,}" for reason, count in content["cut"].items()]
        told_of = f"{source}: {content['left']:,} of {content['sampled']:,} documents are left"
        print(", ".join([told_of, *why]))
    for name, found in told["sets"].items():
        for source, counts in found.items():
            print(f"{counts['documents']:,} documents of {source} held text of {name}, {counts['lines']:,} lines")


if __name__ == "__main__":
    run_command(main)
