"""What the parts of a recipe need of one another: which sources, tokenizers, rows and phases each thing is made from.

Names of files and rules are not known here. The workflow turns the answers into paths, a plan counts them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from recipe.branches import branched_from
from recipe.schema import Recipe, lineage
from recipe.slices.making import evaluation_slice, model_name, phase_slice, train_rows_slice
from recipe.slices.types import EvaluationSlice, RowsSlice

UNTRAINED = ".untrained"
"""Ends the name of an encoder that has the shape of a run's, and random weights; no run can be called so."""
OwnedPhase = tuple[str, str]
"""(run that owns the phase, name of the phase)."""


class Shards(NamedTuple):
    """The token shards of a source."""

    tokenizer: str
    source: str


class Rows(NamedTuple):
    """A set of packed rows."""

    tokenizer: str
    source: str
    split: str
    rowset: str
    """As `recipe.slices.rowsets.rowset` names it."""


@dataclass(frozen=True)
class Needs:
    """All that the runs of a recipe need, each thing once."""

    sources: list[str]
    tokenizers: list[str]
    shards: list[Shards]
    phases: list[OwnedPhase]


def looked_for(recipe: Recipe, sources: Iterable[str]) -> bool:
    """Return whether anything is held out, of these sources or of evaluation sets, that training text may not hold."""
    return bool(recipe.contamination.sets) or any(recipe.sources[name].held_out for name in sources)


def compared(recipe: Recipe, sources: Collection[str]) -> bool:
    """Return whether documents of these sources are compared, with each other or with what is held out."""
    asked = [recipe.sources[name].duplicates for name in sources]
    return looked_for(recipe, sources) or any(one.exact or one.near or one.max_line_documents for one in asked)


def speed_encoders(recipe: Recipe) -> list[str]:
    """Return the encoders whose speed is measured: a run of each model, which speaks for all, and foreign ones."""
    runs = {model_name(recipe, run): run for run in reversed(recipe.runs)}
    return [*sorted(runs.values()), *recipe.evaluation.models] if recipe.evaluation.speed_lengths else []


def whole_recipe(recipe: Recipe) -> Needs:
    """Return what all runs and the tokenizers, which are compared, need together; other sources are left out."""
    phases = all_phases(recipe)
    evaluations = [evaluation_slice(recipe, run) for run in recipe.runs]
    shards = {one for owned in phases for one in shards_of(rows_of(train_rows_slice(phase_slice(recipe, *owned))))}
    shards |= {one for content in evaluations for one in evaluation_shards(content)}
    sources = {source for name in recipe.tokenizers for source in tokenizer_sources(recipe, name)}
    sources |= {source for content in evaluations for source in content.sources}
    sources |= {task.made.source for task in recipe.evaluation.understanding.tasks.values() if task.made}
    return Needs(sorted(sources), sorted(recipe.tokenizers), sorted(shards), phases)


def all_phases(recipe: Recipe) -> list[OwnedPhase]:
    """Return every phase of every run once, in the order of the runs and of their ways."""
    return list(dict.fromkeys(step for run in recipe.runs for step in lineage(recipe, run)))


def trained_phases(recipe: Recipe) -> list[OwnedPhase]:
    """Return the phases that are trained: all but those that are a beginning of another, which takes no training."""
    return [step for step in all_phases(recipe) if branched_from(recipe, *step) is None]


def previous_phase(recipe: Recipe, run: str, phase: str) -> OwnedPhase | None:
    """Return the phase that a phase of `run` itself begins from; None if that is the first of its way."""
    way = lineage(recipe, run)
    place = way.index((run, phase))
    return way[place - 1] if place else None


def start_of(recipe: Recipe, run: str, phase: str) -> str | None:
    """Return the model whose start a phase of `run` itself begins with; None if it begins with other weights."""
    model = model_name(recipe, run)
    return model if recipe.models[model].start and previous_phase(recipe, run, phase) is None else None


def started_models(recipe: Recipe) -> list[str]:
    """Return the models that any phase begins with the start of, in the order of the phases."""
    return list(dict.fromkeys(filter(None, (start_of(recipe, *owned) for owned in all_phases(recipe)))))


def tokenizer_sources(recipe: Recipe, name: str) -> list[str]:
    """Return the sources that a tokenizer's sample is drawn from, in the mixture's order; none if it is not trained."""
    mixture = recipe.tokenizers[name].mixture
    return list(recipe.mixtures[mixture].factors) if mixture else []


def retrieval_encoders(recipe: Recipe) -> list[str]:
    """Return the encoders whose retrieval is measured."""
    return _beside_others(recipe, recipe.evaluation.retrieval.runs)


def understanding_encoders(recipe: Recipe) -> list[str]:
    """Return the encoders whose understanding is measured."""
    return _beside_others(recipe, recipe.evaluation.understanding.runs)


def euroeval_encoders(recipe: Recipe) -> list[str]:
    """Return the encoders that EuroEval measures."""
    return _beside_others(recipe, recipe.evaluation.euroeval.runs)


def euroeval_datasets(recipe: Recipe) -> list[str]:
    """Return the names of the data sets that it measures them on: its own, then those of local files."""
    asked = recipe.evaluation.euroeval
    return [*asked.datasets, *asked.local]


def _beside_others(recipe: Recipe, named: list[str]) -> list[str]:
    """Return runs, all where none is named, an untrained encoder of each start, and encoders from elsewhere."""
    runs = named or list(recipe.runs)
    starts = [lineage(recipe, run)[0][0] for run in runs]
    first = dict.fromkeys(recipe.runs[run].seed_of or run for run in starts)
    return [*runs, *(f"{run}{UNTRAINED}" for run in first), *recipe.evaluation.models]


def foreign_tokenizers(recipe: Recipe) -> list[str]:
    """Return the tokenizers from elsewhere that are compared: those named, and those of encoders from elsewhere."""
    return list(dict.fromkeys([*recipe.evaluation.tokenizers, *recipe.evaluation.models.values()]))


def rows_of(content: RowsSlice) -> list[Rows]:
    """Return the sets of rows that a slice of rows names, by source."""
    return [
        Rows(content.tokenizer, source, content.split, name)
        for source, names in content.rowsets.items()
        for name in names
    ]


def shards_of(rows: Iterable[Rows]) -> list[Shards]:
    """Return the token shards that rows are an index over, sorted."""
    return sorted({Shards(one.tokenizer, one.source) for one in rows})


def evaluation_shards(content: EvaluationSlice) -> list[Shards]:
    """Return the token shards that a run is measured on, and those whose token counts are the baseline, sorted."""
    return sorted({Shards(content.tokenizer, source) for source in content.sources})
