"""Slices of the recipe: small JSON files that hold exactly what changes one stage's result.

A rule writes each slice anew whenever the recipe changes, and a stage depends on its slice, not on the recipe. So what
was made stays valid for as long as its own slice stays the same: a new run, another mixture or a reworded title leaves
a finished phase alone. Four kinds: of a source, a tokenizer, a phase of a run, and the evaluation of a run.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import Field, ValidationError

from common.errors import UserError, run_command
from common.files import atomic_file
from recipe.reading import read_recipe
from recipe.schema import (
    Batch,
    Documents,
    LearningRate,
    Mixture,
    ModelShape,
    Optimizer,
    Recipe,
    Stage,
    Strict,
    WordBin,
    ancestry,
    lineage,
)

ROWSET = re.compile(r"(?P<length>\d+)(?:-words-(?P<min>\d+)-(?P<max>\d*))?")


class SourceSlice(Documents):
    """What decides which documents of a source are kept, and in which split each lies."""

    name: str
    seed: int


class TokenizerSlice(Strict):
    """What decides a tokenizer: its size, and the sample it is trained on."""

    name: str
    seed: int
    vocabulary: int
    multiple: int
    sample_bytes: int
    factors: dict[str, float]
    """Source -> factor; a source's share of the sample goes with factor x bytes."""
    languages: dict[str, str]
    """Source -> language."""


class Component(Strict):
    """Rows of one source, or of one word bin of it, and how strongly they are drawn."""

    source: str
    language: str
    rowset: str
    """Directory below `results/shards/{tokenizer}/{source}/train/`."""
    factor: float
    bin: int | None
    """Index of the word bin; none where the mixture has no bins."""
    bin_share: float | None
    """Wanted share of that bin in all tokens drawn, relative to the sum of the bins' shares."""


class StageSlice(Strict):
    """A stage with its mixture spelt out. Fields as in `recipe.schema.Stage`."""

    length: int
    tokens: int
    batch: Batch
    learning_rate: LearningRate
    rope_theta: float
    masking_rate: float
    components: list[Component]


class PhaseSlice(Strict):
    """What decides the result of a phase, besides the checkpoint it begins with and the shards it reads."""

    run: str
    phase: str
    ordinal: int
    """0-based position in the run's lineage. The data's order and the masks depend on (seed, ordinal, stage), not on
    names, so that two runs that differ in one setting see the same rows."""
    seed: int
    model: ModelShape
    tokenizer: str
    optimizer: Optimizer
    stages: Annotated[list[StageSlice], Field(min_length=1)]


class EvaluationSlice(Strict):
    """What decides the measurements on a finished run, besides its checkpoint and the held-out shards."""

    run: str
    seed: int
    model: ModelShape
    tokenizer: str
    lengths: list[int]
    rows: int
    masking_rate: float
    rope_theta: float
    """RoPE theta of the global layers in the last stage; the local layers' is in `model`."""
    languages: dict[str, list[str]]
    """Language -> sources of all mixtures in the run's lineage, sorted."""
    sources: dict[str, str]
    """The same turned round: source -> language."""
    prompts: dict[str, str]
    components: list[Component]
    """Components of the first stage, for the unigram baseline."""
    lineage: list[tuple[str, str]]
    """(run that owns the phase, phase), from the first phase on."""


Slice = TypeVar("Slice", SourceSlice, TokenizerSlice, PhaseSlice, EvaluationSlice)


def source_slice(recipe: Recipe, name: str) -> SourceSlice:
    """Return the slice of source `name`; raises `KeyError` if the recipe has none of this name."""
    documents = {field: getattr(recipe.sources[name], field) for field in Documents.model_fields}
    return SourceSlice(name=name, seed=recipe.seed, **documents)


def tokenizer_slice(recipe: Recipe, name: str) -> TokenizerSlice:
    """Return the slice of tokenizer `name`; raises `KeyError` if the recipe has none of this name."""
    tokenizer = recipe.tokenizers[name]
    factors = recipe.mixtures[tokenizer.mixture].factors
    return TokenizerSlice(
        name=name,
        seed=recipe.seed,
        vocabulary=tokenizer.vocabulary,
        multiple=tokenizer.multiple,
        sample_bytes=tokenizer.sample_bytes,
        factors=factors,
        languages={source: recipe.sources[source].language for source in factors},
    )


def phase_slice(recipe: Recipe, run: str, phase: str) -> PhaseSlice:
    """Return the slice of a phase in the lineage of `run`; it names the run that owns the phase.

    Raises:
        KeyError: if the recipe has no such run, or the phase is not in its lineage.
    """
    way = lineage(recipe, run)
    phases = [name for _, name in way]
    if phase not in phases:
        raise KeyError(f"{run} has no phase {phase}")
    ordinal = phases.index(phase)
    shape, tokenizer = _model(recipe, run)
    return PhaseSlice(
        run=way[ordinal][0],
        phase=phase,
        ordinal=ordinal,
        seed=recipe.seed,
        model=shape,
        tokenizer=tokenizer,
        optimizer=recipe.optimizer,
        stages=[_stage_slice(recipe, stage) for stage in recipe.phases[phase].stages],
    )


def evaluation_slice(recipe: Recipe, run: str) -> EvaluationSlice:
    """Return the slice of the evaluation of `run`; raises `KeyError` if the recipe has none of this name."""
    way = lineage(recipe, run)
    stages = [stage for _, phase in way for stage in recipe.phases[phase].stages]
    names = sorted({source for stage in stages for source in recipe.mixtures[stage.mixture].factors})
    sources = {name: recipe.sources[name].language for name in names}
    shape, tokenizer = _model(recipe, run)
    return EvaluationSlice(
        run=run,
        seed=recipe.seed,
        model=shape,
        tokenizer=tokenizer,
        lengths=recipe.evaluation.lengths,
        rows=recipe.evaluation.rows,
        masking_rate=recipe.evaluation.masking_rate,
        rope_theta=stages[-1].rope_theta,
        languages={
            language: [name for name in names if sources[name] == language] for language in set(sources.values())
        },
        sources=sources,
        prompts=recipe.evaluation.prompts,
        components=_stage_slice(recipe, stages[0]).components,
        lineage=way,
    )


def _model(recipe: Recipe, run: str) -> tuple[ModelShape, str]:
    """Return the shape and the tokenizer of a run, which its first ancestor names."""
    name = recipe.runs[ancestry(recipe, run)[0]].model
    assert name is not None, "recipe.checks lets no recipe pass whose first ancestor has no model"
    model = recipe.models[name]
    return ModelShape(**model.model_dump(exclude={"tokenizer"})), model.tokenizer


def _stage_slice(recipe: Recipe, stage: Stage) -> StageSlice:
    fields = dict(stage)
    mixture = recipe.mixtures[fields.pop("mixture")]
    return StageSlice(components=_components(recipe, mixture, stage.length), **fields)


def _components(recipe: Recipe, mixture: Mixture, length: int) -> list[Component]:
    """Return one component per source, or per source and word bin, sources sorted by name."""
    bins: list[tuple[int | None, WordBin | None]] = [(None, None)]
    if mixture.word_bins:
        bins = list(enumerate(mixture.word_bins))
    return [
        Component(
            source=source,
            language=recipe.sources[source].language,
            rowset=rowset(length, word_bin),
            factor=factor,
            bin=index,
            bin_share=word_bin.share if word_bin else None,
        )
        for source, factor in sorted(mixture.factors.items())
        for index, word_bin in bins
    ]


def rowset(length: int, word_bin: WordBin | None = None) -> str:
    """Return the directory name of rows of `length` tokens: `1024`, `2218-words-1000-10000`, `2218-words-16000-`."""
    if word_bin is None:
        return str(length)
    upper = "" if word_bin.max_words is None else str(word_bin.max_words)
    return f"{length}-words-{word_bin.min_words}-{upper}"


def parse_rowset(name: str) -> tuple[int, int, int | None]:
    """Return (length in tokens, fewest words, words that are too many or none) of a name made by `rowset`.

    Raises:
        ValueError: if the name is of another form.
    """
    found = ROWSET.fullmatch(name)
    if found is None:
        raise ValueError(f"{name!r} is not a row set; they look like 1024 or 1024-words-1000-10000")
    return int(found["length"]), int(found["min"] or 0), int(found["max"]) if found["max"] else None


def to_json(content: Strict) -> str:
    """Return a slice as one line of JSON: equal slices give equal text, whatever order the recipe is written in."""
    fields = content.model_dump(mode="json", by_alias=True)
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n"


def read_slice(path: Path, kind: type[Slice]) -> Slice:
    """Read a slice of the given kind. Raises `UserError` naming the file if it is absent or not such a slice."""
    try:
        return kind.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise UserError(
            f"{path} does not exist; Snakemake writes it from the recipe, and so does python -m recipe.slices."
        ) from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise UserError(
            f"{path} is not a {kind.__name__} ({key or 'file'}: {first['msg']}); delete it and run again to remake it."
        ) from None


def main() -> None:
    """Write one slice of a recipe."""
    parser = argparse.ArgumentParser(
        prog="python -m recipe.slices",
        description="Write what a recipe says of one source, tokenizer, phase or evaluation: a stage's --slice.",
    )
    parser.add_argument("--recipe", type=Path, required=True, help="YAML file of the recipe")
    parser.add_argument("--output", type=Path, required=True, help="JSON file to write")
    wanted = parser.add_mutually_exclusive_group(required=True)
    wanted.add_argument("--source", help="name of a source")
    wanted.add_argument("--tokenizer", help="name of a tokenizer")
    wanted.add_argument("--phase", nargs=2, metavar=("RUN", "PHASE"), help="names of a run and of one of its phases")
    wanted.add_argument("--evaluation", metavar="RUN", help="name of a run")
    options = parser.parse_args()
    recipe = read_recipe(options.recipe)
    try:
        if options.source:
            content: Strict = source_slice(recipe, options.source)
        elif options.tokenizer:
            content = tokenizer_slice(recipe, options.tokenizer)
        elif options.phase:
            content = phase_slice(recipe, *options.phase)
        else:
            content = evaluation_slice(recipe, options.evaluation)
    except KeyError as error:
        raise UserError(f"{options.recipe}: there is no {error.args[0]} to make a slice of; mend the name.") from None
    with atomic_file(options.output, "w") as stream:
        stream.write(to_json(content))
    print(f"{options.output}: {type(content).__name__}")


if __name__ == "__main__":
    run_command(main)
