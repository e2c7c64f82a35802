"""What a person is warned of: text that a run reads more often than it is worth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.errors import UserError
from common.files import read_json
from corpus.rows.listing import INDEX
from recipe.needs import all_phases
from recipe.schema import Recipe, lineage
from recipe.slices.making import phase_slice
from workflow.statistics.repetition import ALL, Read, Words, in_words, read_by_phases, read_by_runs

NAMED = 3
"""Sources that a warning names."""
ALIKE = 1.1
"""Documents of a range of words that are read so many times as often as the whole source are no matter of their own."""
FILE = Path("results/statistics.json")


@dataclass(frozen=True)
class Repeated:
    """A source in the run that reads it most."""

    source: str
    run: str
    epochs: float
    """Of the documents that are read most."""
    words: Words
    """Which those are."""


def repeated(runs: Mapping[str, Mapping[str, Read]], limit: float) -> list[Repeated]:
    """Return the sources of which some text is read more often than `limit` in a run, those read most first."""
    worst: dict[str, Repeated] = {}
    for run, reads in runs.items():
        for source, read in reads.items():
            epochs, words = read.most()
            if epochs <= ALIKE * read.epochs:
                epochs, words = read.epochs, ALL
            if epochs > limit and (source not in worst or epochs > worst[source].epochs):
                worst[source] = Repeated(source, run, epochs, words)
    return sorted(worst.values(), key=lambda one: (-one.epochs, one.source))


def warning(runs: Mapping[str, Mapping[str, Read]], limit: float | None) -> str:
    """Return what to warn of in one sentence; empty where nothing is read more often than `limit`, or none is given.

    That up to four epochs of repeated text change the loss little, and later ones are worth less and less, is
    Muennighoff et al. (2023), arXiv 2305.16264.
    """
    found = repeated(runs, limit) if limit is not None else []
    if not found:
        return ""
    all_ = len({source for reads in runs.values() for source in reads})
    named = ", ".join(map(_named, found[:NAMED])) + (f" and {len(found) - NAMED} more" if len(found) > NAMED else "")
    return (
        f"{len(found)} of {all_} sources are read more than {limit:g} times in a run: {named}. Text that is read up to "
        "4 times is worth nearly as much as new text, and less and less after that (arXiv 2305.16264); "
        "warnings.max_epochs in the recipe sets where this begins."
    )


def told(file: Path = FILE) -> str:
    """Return the warning that the statistics of a recipe hold; empty where it is none, or they are not there."""
    content: Any = read_json(file) if file.is_file() else None
    sentence = content.get("warning") if isinstance(content, dict) else ""
    return f"{sentence}  ({file})" if sentence else ""


def foretold(recipe: Recipe, rows: Path) -> str:
    """Return what to warn of before anything is done for a recipe; empty where that is nothing, or not known yet.

    Args:
        recipe: the recipe.
        rows: folder of all rows; where each set that the recipe reads is there, it is known.
    """
    phases = {place: phase_slice(recipe, *place) for place in all_phases(recipe)}
    indexes = {
        place: {
            (part.source, part.rowset): rows / content.tokenizer / part.source / "train" / part.rowset / INDEX
            for stage in content.stages
            for part in stage.components
        }
        for place, content in phases.items()
    }
    if not all(path.is_file() for own in indexes.values() for path in own.values()):
        return ""
    runs = {run: lineage(recipe, run) for run in recipe.runs}
    try:
        return warning(read_by_runs(runs, read_by_phases(runs, phases, indexes)), recipe.warnings.max_epochs)
    except UserError:  # what is damaged is told by whoever needs it
        return ""


def _named(one: Repeated) -> str:
    which = "" if one.words == ALL else f"its documents of {in_words(one.words)} "
    return f"{one.source} ({which}{one.epochs:.1f} times in {one.run})"
