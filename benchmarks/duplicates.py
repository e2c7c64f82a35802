"""Near duplicates: what finding them takes, which are found, and which documents are left, beside datatrove.

`python -m benchmarks.duplicates [--data DIRECTORY] [--datatrove PYTHON]`. The text is that of `--data`, and some of its
documents again with words changed here and there (`--again` of them), so that there are pairs with any Jaccard index.
All start from the same .jsonl.zst files, have FineWeb2's 14 bands of 8 hashes of words 5 at a time, and keep one
document of a cluster. They take turns and are measured as whole processes, `benchmarks.process`. Ours have two costs:
the stages that look for duplicates, and with the stage that reads the raw files too, as the peer does.

What is to be found is told by brute force: the Jaccard index of all pairs of a sample of the documents, by the words as
they are cut here, which for the peer is near its own.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array

from benchmarks.measure import parser, print_table, read_text
from benchmarks.process import Cost, run, together
from common.errors import run_command
from common.files import read_json
from corpus.duplicates.minhash import band_keys
from corpus.duplicates.words import runs, without_numbers, words_of
from corpus.sampling.cuts import cuts_of
from corpus.sampling.documents import SPLITS, part_columns
from corpus.sources.zstd import atomic_jsonl_zst
from recipe.duplicates import Duplicates
from recipe.slices.files import to_json
from recipe.slices.types import ContaminationSlice, DuplicatesSlice, FingerprintSlice, SourceSlice

SOURCE = "text"
FILES = 4
SAMPLED = 10_000
"""Documents, in random order, of which all pairs are looked at."""
TOGETHER = 1000
"""Documents, some megabytes, of which keys are made at a time."""
BINS = (0.3, 0.5, 0.6, 0.7, 0.75, 0.8, 0.9, 1.0)
CONTESTANT = Path(__file__).parent / "contestants" / "minhash_with_datatrove.py"


@dataclass(frozen=True)
class Outcome:
    """What a contestant took, and what it left."""

    cost: Cost
    search: Cost | None
    """Of the search alone, where it is a stage of its own."""
    left: frozenset[int]
    """Numbers of the documents that are left."""


def with_variants(texts: Sequence[str], again: float, seed: int = 1) -> list[str]:
    """Return texts, and a share of them again with one word in some tens changed."""
    chance = random.Random(seed)
    made = list(texts)
    for text in chance.sample(list(texts), int(again * len(texts))):
        words = text.split(" ")
        for place in chance.sample(range(len(words)), int(len(words) * chance.choice([0.002, 0.01, 0.02, 0.05, 0.1]))):
            words[place] = f"w{chance.randrange(10**6)}x"
        made.append(" ".join(words))
    chance.shuffle(made)
    return made


def write(texts: Sequence[str], folder: Path) -> list[Path]:
    """Write texts into files of their numbers and texts."""
    folder.mkdir()
    paths = [folder / f"{number}.jsonl.zst" for number in range(FILES)]
    for number, path in enumerate(paths):
        with atomic_jsonl_zst(path) as write_record:
            for place in range(number, len(texts), FILES):
                write_record({"id": str(place), "text": texts[place]})
    return paths


def ours(folder: Path, files: Sequence[Path]) -> Outcome:
    """Run our stages on one core."""
    place = folder / "ours"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    slices = {
        "source": SourceSlice(name=SOURCE, seed=1, language="fi", files=list(map(str, files)), held_out=0.0),
        "held_out": ContaminationSlice(sources=[SOURCE], words=13, sets={}),
        "prints": FingerprintSlice(exact=False, near=True, lines=False, words=5, bands=14, hashes=8),
        "duplicates": DuplicatesSlice(
            order=[SOURCE], sources={SOURCE: Duplicates(exact=False)}, keep={1: 1}, remove=True, max_share=0.5
        ),
    }
    for name, content in slices.items():
        (place / f"{name}.json").write_text(to_json(content))
    documents, prints = place / "corpus" / "sampled.json", place / "prints" / "manifest.json"

    def stage(module: str, name: str, *options: object) -> Cost:
        command = [sys.executable, "-m", f"corpus.{module}", "--slice", place / f"{name}.json", *options]
        return run([list(map(str, command))], {})[0]

    reading = stage("sampling", "source", "--output", documents)
    search = together(
        [
            stage("duplicates.fingerprints", "prints", "--documents", documents, "--output", prints),
            stage(
                *("duplicates.survivors", "duplicates", "--documents", documents),
                *("--fingerprints", prints, "--output", place / "all.json"),
            ),
        ]
    )
    return Outcome(together([reading, search]), search, frozenset(_left(documents.with_name("manifest.json"))))


def _left(manifest: Path) -> list[int]:
    """Return the numbers of the documents that are left by a manifest in which documents are cut whole or not."""
    left: list[int] = []
    for split in SPLITS:
        for entry in read_json(manifest)["splits"][split]["files"]:
            numbers = [int(each) for group in part_columns(manifest, entry, ["id"]) for each in group["id"].to_pylist()]
            cuts = cuts_of(manifest.parent, entry)
            gone = set(cuts.documents.tolist()) if cuts else set()
            left += [number for place, number in enumerate(numbers) if place not in gone]
    return left


def theirs(folder: Path, python: Path, language: str) -> Outcome:
    """Run datatrove on one core."""
    place = folder / "theirs"
    shutil.rmtree(place, ignore_errors=True)
    cost = run([[str(python), str(CONTESTANT), str(place), "1", language, str(folder / "raw")]], {})[0]
    lines = [line for path in (place / "kept").glob("*.jsonl") for line in path.read_text("utf-8").splitlines()]
    return Outcome(cost, None, frozenset(int(json.loads(line)["id"]) for line in lines))


def jaccard_pairs(texts: Sequence[str], least: float) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return int64[p, 2] and float64[p]: all pairs of texts with a Jaccard index of at least `least`, and the index."""
    words = words_of([text.encode() for text in texts])
    hashes, places = runs(without_numbers(words.hashes), words.ends, 5)
    documents = np.searchsorted(words.ends, places, "right")
    pairs = np.unique(np.stack([documents, np.unique(hashes, return_inverse=True)[1]], 1), axis=0)
    ones = np.ones(len(pairs), np.int32)
    there = coo_array((ones, pairs.T), shape=(len(texts), int(pairs[:, 1].max()) + 1)).tocsr()
    sizes = np.bincount(pairs[:, 0], minlength=len(texts))
    found, indices = [], []
    for start in range(0, len(texts), 500):
        both = (there[start : start + 500] @ there.T).tocoo()
        one, other = both.row + start, both.col
        index = both.data / (sizes[one] + sizes[other] - both.data)
        chosen = (other > one) & (index >= least)
        found.append(np.stack([one[chosen], other[chosen]], 1))
        indices.append(index[chosen])
    return np.concatenate(found).astype(np.int64), np.concatenate(indices)


def keys_per_second(texts: Sequence[str], rounds: int) -> float:
    """Return megabytes of text a processor second that become keys of bands, without reading or starting anything."""
    utf8 = [text.encode() for text in texts]
    seconds = []
    for _ in range(rounds + 1):  # the first makes tables
        begin = time.process_time()
        for start in range(0, len(utf8), TOGETHER):
            band_keys(words_of(utf8[start : start + TOGETHER]), 5, 14, 8)
        seconds.append(time.process_time() - begin)
    return sum(map(len, utf8)) / 1e6 / median(seconds[1:])


def quality(outcome: Outcome, pairs: NDArray[np.int64], index: NDArray[np.float64], count: int) -> list[list[str]]:
    """Return for each range of the index its pairs among the first `count` documents, and of how many one is left."""
    left = np.zeros(count, np.bool_)
    left[[number for number in outcome.left if number < count]] = True
    apart = ~(left[pairs[:, 0]] & left[pairs[:, 1]])
    rows = []
    for low, high in itertools.pairwise(BINS):
        own = (index >= low) & ((index < high) | (high == BINS[-1]))
        rows.append([f"{low:g} to {high:g}", f"{own.sum():,}", f"{apart[own].mean():.3f}" if own.any() else ""])
    if count < max(outcome.left):
        return rows  # the other one of a document that was dropped may not be among them
    nearest = np.zeros(count)
    np.maximum.at(nearest, pairs.ravel(), np.repeat(index, 2))
    gone = np.flatnonzero(~left)
    right = ", ".join(f"{(nearest[gone] >= least).mean():.4f} one of at least {least:g}" for least in (0.5, 0.7))
    rows.append([f"of {len(gone):,} that were dropped, have another with an index", "", right])
    return rows


def main(arguments: argparse.Namespace) -> None:
    """Measure and print the tables."""
    text = read_text(arguments.data)
    texts = with_variants(text.documents, arguments.again)
    megabytes = sum(len(one.encode()) for one in texts) / 1e6
    with tempfile.TemporaryDirectory(dir=arguments.work) as name:
        folder = Path(name)
        files = write(texts, folder / "raw")
        contestants: dict[str, Callable[[], Outcome]] = {"ours": partial(ours, folder, files)}
        if arguments.datatrove:
            contestants["datatrove"] = partial(theirs, folder, arguments.datatrove, arguments.language)
        rounds = [{name: contest() for name, contest in contestants.items()} for _ in range(arguments.rounds)]
    rows = []
    for name in contestants:
        outcomes = [one[name] for one in rounds]
        search = [each.search.processor for each in outcomes if each.search]
        same = len({each.left for each in outcomes}) == 1
        rows.append(
            [
                name,
                f"{megabytes / median(search):.1f}" if search else "",
                f"{megabytes / median(each.cost.processor for each in outcomes):.2f}",
                f"{max(each.cost.memory for each in outcomes) / 1e6:.0f}",
                f"{len(outcomes[0].left):,}",
                "yes" if same else "no",
            ]
        )
    header = [
        "",
        "search, MB per processor second",
        "with reading",
        "memory, MB",
        "documents left",
        "each time the same",
    ]
    print_table(header, rows)
    looked_at = texts[:SAMPLED]
    pairs, index = jaccard_pairs(looked_at, BINS[0])
    for name in contestants:
        print(f"\n{name}: pairs of documents of which at most one is left, by their Jaccard index\n")
        print_table(
            ["Jaccard index", "pairs", "at most one left"], quality(rounds[0][name], pairs, index, len(looked_at))
        )
    print(f"\nFrom texts to keys alone: {keys_per_second(texts, arguments.rounds):.0f} MB per processor second.")
    print(f"\n{text.name}: {len(texts):,} documents, {megabytes:.1f} MB, {arguments.rounds} rounds, one core.")
    if not arguments.datatrove:
        print("datatrove was not measured: name a Python that has it with --datatrove.")


if __name__ == "__main__":
    made = parser(__doc__, rounds=3)
    made.add_argument("--again", type=float, default=0.3, help="share of documents that come again, changed")
    made.add_argument(
        "--datatrove", metavar="PYTHON", type=Path, help="one that has datatrove and spacy, to measure it"
    )
    made.add_argument("--language", default="eng", help="what datatrove calls the text's language (default: eng)")
    made.add_argument("--work", type=Path, help="folder for what is written (default: the system's)")
    run_command(lambda: main(made.parse_args()))
