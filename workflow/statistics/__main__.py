"""Stage: what was removed of the text, and how often runs read what is left: `python -m workflow.statistics`.

It is made before any training, from manifests alone, and decides nothing: another limit trains nothing again.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from common.errors import run_command
from common.files import read_json, write_json
from corpus.rows.listing import read_list
from corpus.sampling.documents import read_manifest
from corpus.tokens.ids import read_shards
from recipe.slices.files import read_slice
from recipe.slices.types import PhaseSlice, StatisticsSlice
from workflow.statistics.repetition import read_by_phases, read_by_runs
from workflow.statistics.text import of_languages, of_source
from workflow.statistics.warning import warning

FORMAT = 1


def statistics(slice_: StatisticsSlice, results: Path) -> dict[str, Any]:
    """Return the statistics of the text below `results`.

    Raises:
        UserError: naming what is missing or damaged.
    """
    places = dict.fromkeys(place for way in slice_.runs.values() for place in way)
    recipe, rows = results / "recipe" / "phase", results / "runs"
    phases = {(run, phase): read_slice(recipe / f"{run}.{phase}.json", PhaseSlice) for run, phase in places}
    indexes = {(run, phase): read_list(rows / run / phase / "rows.json") for run, phase in places}
    by_phases = read_by_phases(slice_.runs, phases, indexes)
    by_runs = read_by_runs(slice_.runs, by_phases)
    sources = {
        name: of_source(
            read_manifest(results / "corpus" / name / "manifest.json"),
            {one: read_shards(results / "shards" / one / name / "manifest.json") for one in tokenizers},
        )
        for name, tokenizers in slice_.sources.items()
    }
    found = read_json(results / "duplicates" / "manifest.json")["sets"]
    return {
        "format": FORMAT,
        "sources": sources,
        "languages": of_languages(sources),
        "contamination": {
            "words": slice_.words,
            "cut_out": slice_.remove,
            "evaluation_sets": slice_.sets,
            "sets": found,
        },
        "phases": [
            {"run": run, "phase": phase, "sources": {name: read.told() for name, read in sorted(reads.items())}}
            for (run, phase), reads in by_phases.items()
        ],
        "runs": {
            run: {
                "tokenizer": phases[way[0]].tokenizer,
                "phases": way,
                "sources": {name: read.told() | _most(read.most()) for name, read in sorted(by_runs[run].items())},
            }
            for run, way in slice_.runs.items()
        },
        "max_epochs": slice_.max_epochs,
        "warning": warning(by_runs, slice_.max_epochs),
    }


def _most(most: tuple[float, tuple[int, int | None]]) -> dict[str, Any]:
    epochs, (least, too_many) = most
    return {"most_read": {"epochs": epochs, "min_words": least, "max_words": too_many}}


def main() -> None:
    """Run the stage from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m workflow.statistics",
        description="Tell what each step of cleaning took of the text, and how often runs read what is left.",
    )
    parser.add_argument("--slice", type=Path, required=True, help="JSON slice of the statistics, from the recipe")
    parser.add_argument("--results", type=Path, default=Path("results"), help="directory of results (default: results)")
    parser.add_argument("--output", type=Path, required=True, help="JSON to write")
    arguments = parser.parse_args()
    told = statistics(read_slice(arguments.slice, StatisticsSlice), arguments.results)
    write_json(arguments.output, told)
    for name, source in told["sources"].items():
        before, after = source["before"], source["after"]
        print(f"{name}: {before['bytes']:,} bytes in {before['documents']:,} documents before cleaning, ", end="")
        print(f"{after['bytes']:,} in {after['documents']:,} after")
    for run, content in told["runs"].items():
        epochs = (f"{name} {one['epochs']:.2f}" for name, one in content["sources"].items())
        print(f"{run} reads each source so often: {', '.join(epochs)}")
    print(told["warning"] or f"no source is read more than {told['max_epochs']} times")


if __name__ == "__main__":
    run_command(main)
