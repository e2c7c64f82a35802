"""Sources of made text through all stages that compare them, for tests."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from common.files import read_json
from corpus.duplicates import fingerprints, held_out, survivors
from corpus.sampling.documents import SPLITS, split_texts
from corpus.sampling.sample import sample
from recipe.cleaning import Cleaning
from recipe.duplicates import Duplicates, EvaluationSet
from recipe.slices.files import to_json
from recipe.slices.types import ContaminationSlice, DuplicatesSlice, FingerprintSlice, SourceSlice
from recipe.types import Strict

PART_BYTES = 20_000
KEEP = {1: 1, 2: 2, 3: 3, 5: 5, 100: 8, 1000: 1}
VOCABULARY = [
    f"{a}{b}{c}"
    for a in ("talo", "koira", "järvi", "beana", "fjäll")
    for b in "abcdefghij"
    for c in ("", "ssa", "t", "lla")
]


def prose(seed: int, words: int = 120, line: int = 20) -> str:
    """Return a text of lines, the same for the same seed; two have no run of words in common."""
    rng = random.Random(seed)
    drawn = rng.choices(VOCABULARY, k=words)
    return "\n".join(" ".join(drawn[start : start + line]) for start in range(0, words, line))


def changed(text: str, places: Sequence[int]) -> str:
    """Return a text with other words at some places."""
    lines = [line.split(" ") for line in text.split("\n")]
    for number, place in enumerate(places):
        row = place % len(lines)
        lines[row][place // len(lines) % len(lines[row])] = f"muu{number}"
    return "\n".join(" ".join(line) for line in lines)


def command(module: str, *arguments: object, status: int = 0) -> str:
    """Run a stage as its rule does; return what it says."""
    done = subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


class Corpus:
    """Sources in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, source: str, texts: Sequence[str], files: int = 1, reverse: bool = False) -> None:
        """Write the raw files of a source, its documents dealt out in order to some files, or in reverse to others."""
        folder = self.folder / "raw" / source
        folder.mkdir(parents=True, exist_ok=True)
        rows = [json.dumps({"id": f"d{number}", "text": text}) for number, text in enumerate(texts)]
        rows = rows[::-1] if reverse else rows
        for number in range(files):
            own = rows[number::files]
            (folder / f"{number if not reverse else files - number:03d}.jsonl").write_text("\n".join(own) + "\n")

    def compare(
        self,
        sources: Mapping[str, Duplicates],
        memory: int = 10**9,
        part_bytes: int = PART_BYTES,
        held_out_share: float = 0.0,
        sets: Mapping[str, EvaluationSet] | None = None,
        **asked: Any,
    ) -> dict[str, Any]:
        """Sample and compare sources, in the order in which they are given; return what is told of them."""
        documents = {}
        for name in sources:
            files = sorted((self.folder / "raw" / name).glob("*.jsonl"))
            slice_ = SourceSlice(
                name=name,
                seed=1,
                language="fi",
                files=list(map(str, files)),
                held_out=held_out_share,
                held_out_anywhere=held_out_share,
                cleaning=Cleaning(repair=True, private_data=["email"]),
            )
            self.ask(f"source-{name}", slice_)
            documents[name] = self.folder / "corpus" / name / "sampled.json"
            sample(slice_, files, documents[name], 1, part_bytes)
        words = asked.pop("words", 13)
        not_trained = self.folder / "duplicates" / "held_out.json"
        asked_sets = ContaminationSlice(sources=list(sources), words=words, sets=dict(sets or {}))
        self.ask("contamination", asked_sets)
        made = held_out.make(asked_sets, list(documents.values()), not_trained, 1)
        prints = {}
        for name, own in sources.items():
            lines = own.max_line_documents is not None
            slice_ = FingerprintSlice(exact=own.exact, near=own.near, lines=lines, words=5, bands=14, hashes=8)
            self.ask(name, slice_)
            prints[name] = self.folder / "duplicates" / name / "manifest.json"
            fingerprints.make(slice_, documents[name], not_trained, prints[name], 1)
        slice_ = DuplicatesSlice(
            order=list(sources),
            sources=dict(sources),
            keep=asked.pop("keep", KEEP),
            remove=asked.pop("remove", True),
            max_share=asked.pop("max_share", 0.5),
        )
        assert not asked
        self.ask("duplicates", slice_)
        output = self.folder / "duplicates" / "manifest.json"
        return survivors.compare(slice_, survivors.Inputs(documents, prints, made), output, 1, memory)

    def ask(self, name: str, content: Strict) -> None:
        """Write a slice for `compare_again`."""
        path = self.folder / "duplicates" / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(to_json(content))

    def compare_again(self, sources: Sequence[str], workers: int, only: Sequence[str] | None = None) -> str:
        """Run all again by the real commands, with as many workers; return what the last one says.

        With `only`, the manifests of some sources are written.
        """
        place = self.folder / "duplicates"
        held_out_manifest, prints = place / "held_out.json", []
        documents = [self.folder / "corpus" / name / "sampled.json" for name in sources]
        for name, path in zip(sources, documents, strict=True):
            given: tuple[object, ...] = ("--slice", place / f"source-{name}.json", "--part-bytes", PART_BYTES)
            command("corpus.sampling", *given, "--output", path, "--workers", workers)
        given = ("--slice", place / "contamination.json", "--documents", *documents)
        command("corpus.duplicates.held_out", *given, "--output", held_out_manifest, "--workers", workers)
        for name, path in zip(sources, documents, strict=True):
            prints.append(place / name / "manifest.json")
            shutil.rmtree(prints[-1].parent)
            given = ("--slice", place / f"{name}.json", "--documents", path, "--held-out", held_out_manifest)
            command("corpus.duplicates.fingerprints", *given, "--output", prints[-1], "--workers", workers)
        given = ("--slice", place / "duplicates.json", "--documents", *documents, "--fingerprints", *prints)
        given += ("--held-out", held_out_manifest, "--workers", workers, "--output", place / "manifest.json")
        if only is not None:
            given += ("--manifests", *(self.folder / "corpus" / name / "manifest.json" for name in only))
        return command("corpus.duplicates.survivors", *given)

    def manifest(self, source: str) -> dict[str, Any]:
        """Return the manifest of what is left of a source."""
        return read_json(self.folder / "corpus" / source / "manifest.json")

    def texts(self, source: str, split: str = "train") -> list[str]:
        """Return the texts that are left."""
        return list(split_texts(self.folder / "corpus" / source / "manifest.json", split))

    def all_texts(self, source: str) -> list[str]:
        """Return the texts that are left in any split."""
        return [text for split in SPLITS for text in self.texts(source, split)]
