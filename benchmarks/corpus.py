"""Measure the way from raw text to rows that are ready to train: our stages, reading and the engine alone, and peers.

`python -m benchmarks.corpus --data DIRECTORY` with the `.jsonl.zst` that `python -m benchmarks.corpus_text` wrote. All
start from the same files and the same tokenizer, take turns, and are measured as whole processes, `benchmarks.process`:
start, imports and reading the tokenizer are in it. Peers run under Pythons of their own, named by `--datatrove` and
`--datasets`; one that is not named is told below the table.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.measure import parser, print_table
from benchmarks.process import Cost, run, together
from common.errors import UserError, run_command
from common.files import read_json
from corpus.tokens.bpe import make as make_tokenizer
from recipe.slices.files import to_json
from recipe.slices.types import RowsSlice, SourceSlice, TokenizerSlice

LENGTH = 1024
VOCABULARY = 27_224
SAMPLE_BYTES = 30_000_000
SOURCE, TOKENIZER = "text", "t"
STAGES = ("documents", "shards", "rows")
WORKERS = (1, 2)
CONTESTANTS = Path(__file__).parent / "contestants"
ALONE = "reading and engine alone"


@dataclass(frozen=True)
class Place:
    """Where a benchmark works, and what it reads."""

    folder: Path
    """Of everything that is written."""
    raw: Path
    """Folder of `.jsonl.zst`."""

    @property
    def files(self) -> list[Path]:
        """The raw files."""
        return sorted(self.raw.glob("*.jsonl.zst"))

    @property
    def tokenizer(self) -> Path:
        """The tokenizer that all are given."""
        return self.folder / "tokenizers" / TOKENIZER / "tokenizer.json"

    def emptied(self, name: str) -> Path:
        """Return a folder for results that holds nothing."""
        shutil.rmtree(self.folder / name, ignore_errors=True)
        (self.folder / name).mkdir(parents=True)
        return self.folder / name


Contestant = Callable[[], dict[str, Cost]]
"""Runs once and returns the cost of each of its stages."""


def prepare(place: Place) -> None:
    """Write the slices that the stages need, and train the tokenizer that all are given."""
    files = [str(path) for path in place.files]
    source = SourceSlice(name=SOURCE, seed=1, language="fi", files=files, held_out=0.001)
    rows = RowsSlice(tokenizer=TOKENIZER, split="train", rowsets={SOURCE: [str(LENGTH)]})
    (place.folder / "source.json").write_text(to_json(source), encoding="utf-8")
    (place.folder / "rows.json").write_text(to_json(rows), encoding="utf-8")
    documents = place.emptied("first") / "manifest.json"
    run([stage_command("sampling", "--slice", place.folder / "source.json", "--output", documents)], {})
    recipe = TokenizerSlice(
        name=TOKENIZER,
        seed=1,
        vocabulary=VOCABULARY,
        multiple=64,
        sample_bytes=SAMPLE_BYTES,
        factors={SOURCE: 1},
        languages={SOURCE: "fi"},
    )
    make_tokenizer(recipe, {SOURCE: documents}, place.tokenizer.with_name("manifest.json"))


def stage_command(module: str, *options: object) -> list[str]:
    """Return the command of a stage of `corpus`."""
    return [sys.executable, "-m", f"corpus.{module}", *map(str, options)]


def ours(place: Place, workers: int) -> Contestant:
    """Return the three stages, one after the other."""

    def contest() -> dict[str, Cost]:
        folder = place.emptied("ours")
        documents, shards = folder / "documents" / "manifest.json", folder / "shards" / TOKENIZER / SOURCE
        options = ("--workers", workers)
        commands = [
            stage_command("sampling", "--slice", place.folder / "source.json", "--output", documents, *options),
            stage_command(
                *("tokens.shards", "--documents", documents, "--tokenizer", place.tokenizer),
                *("--output", shards / "manifest.json", *options),
            ),
            stage_command(
                *("rows.index", "--slice", place.folder / "rows.json", "--shards", folder / "shards"),
                *("--rows", folder / "rows", "--output", folder / "rows.json", *options),
            ),
        ]
        return {stage: run([command], {})[0] for stage, command in zip(STAGES, commands, strict=True)}

    return contest


def script(place: Place, command: Sequence[object], workers: int, inputs: Sequence[object]) -> Contestant:
    """Return a contestant that is a script of `benchmarks/contestants`."""

    def contest() -> dict[str, Cost]:
        given = [*command, place.tokenizer, place.emptied("theirs"), workers, *inputs]
        return {"": run([list(map(str, given))], {})[0]}

    return contest


def table_rows(rounds: Sequence[dict[tuple[str, int], dict[str, Cost]]], megabytes: float) -> list[list[str]]:
    """Return the table: medians over the rounds, ratios to reading and engine alone taken within each."""
    rows = []
    for name, workers in rounds[0]:
        stages = rounds[0][name, workers]
        for stage in [*(stages if len(stages) > 1 else ()), None]:
            costs = [
                together(list(one.values()) if stage is None else [one[stage]]) for one in _of(rounds, name, workers)
            ]
            alone = [one[""] for one in _of(rounds, ALONE, workers)]
            both = list(zip(costs, alone, strict=True))
            rows.append(
                [
                    name if stage is None else f"{name}: {stage}",
                    str(workers),
                    f"{megabytes / median(cost.wall for cost in costs):.1f}",
                    f"{megabytes / median(cost.processor for cost in costs):.1f}",
                    f"{median(other.wall / cost.wall for cost, other in both):.0%}",
                    f"{median(other.processor / cost.processor for cost, other in both):.0%}",
                    f"{max(cost.memory for cost in costs) / 1e6:.0f}",
                ]
            )
    return rows


def _of(rounds: Sequence[dict[tuple[str, int], dict[str, Cost]]], name: str, workers: int) -> list[dict[str, Cost]]:
    return [one[name, workers] for one in rounds]


def main(arguments: argparse.Namespace) -> None:
    """Measure and print the table."""
    if arguments.data is None or not list(arguments.data.glob("*.jsonl.zst")):
        raise UserError("--data must hold .jsonl.zst; python -m benchmarks.corpus_text --output DIRECTORY writes some.")
    with tempfile.TemporaryDirectory(dir=arguments.work) as folder:
        place = Place(Path(folder), arguments.data)
        prepare(place)
        simple = (sys.executable, "-m", "benchmarks.contestants.reading_and_engine")
        contestants: dict[tuple[str, int], Contestant] = {}
        for workers in WORKERS:
            contestants[ALONE, workers] = script(place, simple, workers, place.files)
            contestants["ours", workers] = ours(place, workers)
        for peer in ("datatrove", "datasets"):
            if python := getattr(arguments, peer):
                command = (python, CONTESTANTS / f"with_{peer}.py")
                contestants[peer, WORKERS[-1]] = script(place, command, WORKERS[-1], [place.raw])
        rounds = [{name: contest() for name, contest in contestants.items()} for _ in range(arguments.rounds)]
        kept = read_json(place.folder / "ours" / "documents" / "manifest.json")["splits"]
    megabytes = sum(split["bytes"] for split in kept.values()) / 1e6
    header = ["", "workers", "MB/s", "MB per processor second", "of alone, wall", "of alone, processor", "memory, MB"]
    print_table(header, table_rows(rounds, megabytes))
    speedup = [
        together(list(one["ours", 1].values())).wall / together(list(one["ours", 2].values())).wall for one in rounds
    ]
    print(
        f"\n{megabytes:.1f} MB of text, {arguments.rounds} rounds; ours with 2 workers {median(speedup):.2f} times 1."
    )
    for peer in ("datatrove", "datasets"):
        if not getattr(arguments, peer):
            print(f"{peer} was not measured: name a Python that has it with --{peer}.")


if __name__ == "__main__":
    made = parser(__doc__, rounds=5)
    made.add_argument("--work", type=Path, help="folder for what is written (default: the system's)")
    made.add_argument("--datatrove", metavar="PYTHON", help="one that has datatrove, to measure it too")
    made.add_argument("--datasets", metavar="PYTHON", help="one that has datasets and tokenizers")
    run_command(lambda: main(made.parse_args()))
