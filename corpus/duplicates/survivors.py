"""Stage: what is left of all sources when they have been compared: `python -m corpus.duplicates.survivors`.

In this order: of documents with the same words one is kept; of clusters of near duplicates, a few; lines that hold
held-out text are cut out of the training split; lines that stand in many documents are cut. Beside each `sampled.json`
goes a `manifest.json`, which lists the same parts, with what is cut out of them. The manifests are written last.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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
from corpus.duplicates.settled import COMPARED, compared_digest
from corpus.duplicates.state import state_of
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


@dataclass(frozen=True)
class Inputs:
    """What is compared: manifests by source, and what is held out."""

    documents: Mapping[str, Path]
    """Of what each source's own steps left."""
    fingerprints: Mapping[str, Path]
    """Empty where nothing is to be compared."""
    held_out: Mapping[str, Any] = field(default_factory=dict)
    """Manifest of what is held out; empty where nothing is."""

    def manifest(self, source: str) -> Path:
        """Return where the manifest of what is left of a source goes."""
        return self.documents[source].with_name(MANIFEST)

    def digest(self, slice_: DuplicatesSlice, source: str) -> str:
        """Return what a source is compared by."""
        prints = {name: read_json(path)["slice"] for name, path in self.fingerprints.items()}
        return compared_digest(slice_, prints, self.documents, self.held_out.get("made_from", ""), source)


def compare(
    slice_: DuplicatesSlice,
    inputs: Inputs,
    output: Path,
    workers: int,
    memory: int,
    wanted: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Write `manifest.json` beside manifests of sampled documents, and `output`, what was found; return that.

    Args:
        slice_: what the recipe asks for.
        inputs: what is compared.
        output: where the whole is told.
        workers: processes.
        memory: bytes that may be held at a time, about, by all workers together.
        wanted: sources whose manifests are to be written, all by default. Those of the others are there.

    Raises:
        UserError: nothing is left of a source, or something is missing or damaged.
    """
    wanted = slice_.order if wanted is None else [source for source in slice_.order if source in wanted]
    output.parent.mkdir(parents=True, exist_ok=True)
    manifests = [inputs.manifest(source) for source in wanted]
    for path in (output, *manifests):
        path.unlink(missing_ok=True)
    for path in (output, *manifests, *(path.with_name(COMPARED) for path in manifests)):
        remove_staged(path)
    if inputs.fingerprints and wanted:
        made = _compare(slice_, inputs, output.parent, workers, memory, wanted)
    else:
        made = {source: [] for source in wanted}
    sets = inputs.held_out.get("sets", [])
    contents = {}
    for source, parts in made.items():
        sampled = read_manifest(inputs.documents[source])
        contents[source] = _manifest(sampled, parts) if parts else sampled
        told = _told(sampled, parts) | {"sets": _found(sets, parts)}
        write_json(inputs.documents[source].with_name(COMPARED), told | {"digest": inputs.digest(slice_, source)})
    for source, content in contents.items():
        _remove_others(inputs.documents[source].parent, content)
        write_json(inputs.manifest(source), content)
    whole = _whole(slice_, inputs, sets)
    write_json(output, whole)
    return whole


def _compare(
    slice_: DuplicatesSlice, inputs: Inputs, folder: Path, workers: int, memory: int, wanted: Sequence[str]
) -> dict[str, list[tuple[str, CutPart]]]:
    """Decide upon all documents; cut those of the wanted sources, and return their parts as `_cut` does."""
    numbering = Numbering.of(slice_.order, dict(inputs.documents), dict(inputs.fingerprints))
    lines = [len(part.open().keys.get("line_keys", ())) for part in numbering.parts]
    firsts = np.concatenate([[0], np.cumsum(lines)]).astype(np.int64)
    with state_of(numbering.count, int(firsts[-1]), folder) as state:
        drop_copies(numbering, state, memory, workers)
        asked = [read_json(path)["slice"] for path in inputs.fingerprints.values()]
        if bands := max((one["bands"] for one in asked if one["near"]), default=0):
            decide(numbering, state, bands, slice_.keep, memory, workers)
        if firsts[-1]:
            limits = tuple(slice_.sources[name].max_line_documents or 0 for name in slice_.order)
            mark_lines(numbering, state, firsts, limits, memory, workers)
        tasks = [
            Task(part, inputs.documents[part.source].parent, state, int(first), slice_.remove, slice_.max_share)
            for part, first in zip(numbering.parts, firsts, strict=False)
            if part.source in wanted
        ]
        made: dict[str, list[tuple[str, CutPart]]] = {source: [] for source in wanted}
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


def _found(sets: Sequence[str], parts: Sequence[tuple[str, CutPart]]) -> dict[str, dict[str, int]]:
    """Return set -> `documents`, `lines` and `bytes` of a source's training text that held text of it."""
    total: dict[str, Counter[int]] = {}
    for _, part in parts:
        for what, counts in part.found.items():
            total.setdefault(what, Counter()).update(counts)
    return {
        sets[number]: {what: counts[number] for what, counts in total.items()}
        for number in sorted(total.get("documents", {}))
    }


def _whole(slice_: DuplicatesSlice, inputs: Inputs, sets: Sequence[str]) -> dict[str, Any]:
    """Return what is told of all sources, of which each keeps its own."""
    told = {source: read_json(inputs.documents[source].with_name(COMPARED)) for source in slice_.order}
    return {
        "format": FORMAT,
        "sources": {
            name: {key: one[key] for key in ("sampled", "left", "dropped", "cut")} for name, one in told.items()
        },
        "sets": {name: {s: one["sets"][name] for s, one in told.items() if name in one["sets"]} for name in sets},
    }


def _told(sampled: Mapping[str, Any], parts: Sequence[tuple[str, CutPart]]) -> dict[str, Any]:
    """Return how many documents a source had and has, why others went, and what was cut out of those that are left."""
    account = Account()
    for _, part in parts:
        account.add(part.account)
    return {
        "sampled": sum(sampled["splits"][split]["documents"] for split in SPLITS),
        "left": account.documents.total() if parts else sum(sampled["splits"][one]["documents"] for one in SPLITS),
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
    parser.add_argument(
        "--manifests", type=Path, nargs="*", help="those that are to be written (default: one beside each sampled.json)"
    )
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
    held_out = read_json(arguments.held_out) if arguments.held_out else {}
    inputs = Inputs(documents, fingerprints, held_out)
    wanted = None
    if arguments.manifests is not None:
        wanted = [source for source in documents if inputs.manifest(source) in arguments.manifests]
    told = compare(slice_, inputs, arguments.output, arguments.workers, arguments.memory_mb * MEGABYTE, wanted)
    for source, content in told["sources"].items():
        why = [f"{count:,} {reason}" for reason, count in content["dropped"].items()]
        why += [f"{reason} cut out of {count:,}" for reason, count in content["cut"].items()]
        told_of = f"{source}: {content['left']:,} of {content['sampled']:,} documents are left"
        print(", ".join([told_of, *why]))
    for name, found in told["sets"].items():
        for source, counts in found.items():
            lines, found_in = counts["lines"], counts["documents"]
            print(f"{source} held text of {name}: {lines:,} line{'s' * (lines > 1)} of {found_in:,} documents")


if __name__ == "__main__":
    run_command(main)
