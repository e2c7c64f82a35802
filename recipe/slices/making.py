"""From a recipe to its slices: what it says of one source, tokenizer, phase or evaluation, and no more."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable

from recipe.branches import branched_from, final_slots, stages_of
from recipe.cleaning_defaults import settled
from recipe.schema import Documents, Mixture, Model, ModelShape, Recipe, Stage, WordBin, ancestry, lineage
from recipe.slices.files import to_json
from recipe.slices.rowsets import rowset
from recipe.slices.types import (
    AdoptedTokenizerSlice,
    AverageSlice,
    ComparisonSlice,
    Component,
    ContaminationSlice,
    DuplicatesSlice,
    EuroEvalSlice,
    EvaluationSlice,
    FertilitySlice,
    FingerprintSlice,
    KeepingSlice,
    PhaseSlice,
    QuestionsSlice,
    RetrievalSlice,
    RetrievalTaskSlice,
    RowsSlice,
    SampleSlice,
    SourceSlice,
    StageSlice,
    StartSlice,
    StatisticsSlice,
    TokenizerSlice,
    UnderstandingSlice,
    ValidationSlice,
)


def source_slice(recipe: Recipe, name: str) -> SourceSlice:
    """Return the slice of source `name`; raises `KeyError` if the recipe has none of this name."""
    documents = {field: getattr(recipe.sources[name], field) for field in Documents.model_fields}
    documents["cleaning"] = settled(documents["cleaning"], documents["language"])
    largest = max(source.held_out for source in recipe.sources.values())
    return SourceSlice(name=name, seed=recipe.seed, held_out_anywhere=largest, **documents)


def compared_sources(recipe: Recipe, sources: Collection[str]) -> list[str]:
    """Return sources in the order in which their copies are kept: those preferred, then as the recipe has them."""
    ordered = dict.fromkeys([*recipe.duplicates.prefer, *recipe.sources])
    return [name for name in ordered if name in sources]


def contamination_slice(recipe: Recipe, sources: Collection[str]) -> ContaminationSlice:
    """Return the slice of what no source may train on, of the sources that a recipe reads."""
    asked = recipe.contamination
    holding = sorted(name for name in sources if recipe.sources[name].held_out)
    return ContaminationSlice(sources=holding, words=asked.words, sets=asked.sets)


def fingerprint_slice(recipe: Recipe, name: str) -> FingerprintSlice:
    """Return the slice of what is compared of source `name`; raises `KeyError` if the recipe has none of this name."""
    asked, near = recipe.sources[name].duplicates, recipe.duplicates.near
    return FingerprintSlice(
        exact=asked.exact,
        near=asked.near,
        lines=asked.max_line_documents is not None,
        words=near.words,
        bands=near.bands,
        hashes=near.hashes,
    )


def duplicates_slice(recipe: Recipe, sources: Collection[str]) -> DuplicatesSlice:
    """Return the slice of what is given up for others, of the sources that a recipe reads."""
    order = compared_sources(recipe, sources)
    return DuplicatesSlice(
        order=order,
        sources={name: recipe.sources[name].duplicates for name in order},
        keep=recipe.duplicates.near.keep,
        remove=recipe.contamination.remove,
        max_share=recipe.contamination.max_share,
    )


def tokenizer_slice(recipe: Recipe, name: str) -> TokenizerSlice:
    """Return the slice of tokenizer `name`; raises `KeyError` if the recipe trains none of this name."""
    tokenizer = recipe.tokenizers[name]
    if tokenizer.mixture is None or tokenizer.sample_bytes is None:
        raise KeyError(f"training of tokenizer {name}")
    factors = recipe.mixtures[tokenizer.mixture].factors
    return TokenizerSlice(
        name=name,
        seed=recipe.seed,
        vocabulary=tokenizer.vocabulary,
        multiple=tokenizer.multiple,
        objective=tokenizer.objective,
        sample_bytes=tokenizer.sample_bytes,
        word_bytes=tokenizer.word_bytes,
        factors=factors,
        languages={source: recipe.sources[source].language for source in factors},
    )


def adopted_tokenizer_slice(recipe: Recipe, name: str) -> AdoptedTokenizerSlice:
    """Return the slice of tokenizer `name`; raises `KeyError` if the recipe takes none of this name from elsewhere."""
    tokenizer = recipe.tokenizers[name]
    if tokenizer.from_directory is None:
        raise KeyError(f"directory of tokenizer {name}")
    return AdoptedTokenizerSlice(
        name=name,
        directory=tokenizer.from_directory,
        vocabulary=tokenizer.vocabulary,
        multiple=tokenizer.multiple,
    )


def sample_slice(tokenizer: TokenizerSlice) -> SampleSlice:
    """Return the sample that a tokenizer is trained on; tokenizers of other sizes may have the same."""
    return SampleSlice(**{field: getattr(tokenizer, field) for field in SampleSlice.model_fields})


def sample_name(tokenizer: TokenizerSlice) -> str:
    """Return the name of that sample, the same for equal ones: 16 hexadecimal digits of a hash of what it says."""
    return hashlib.sha256(to_json(sample_slice(tokenizer)).encode()).hexdigest()[:16]


def phase_slice(recipe: Recipe, run: str, phase: str) -> PhaseSlice:
    """Return the slice of a phase in the lineage of `run`; it names the run that owns the phase.

    Raises:
        KeyError: if the recipe has no such run, or the phase is not in its lineage.
    """
    way = lineage(recipe, run)
    phases = [name for _, name in way]
    if phase not in phases:
        raise KeyError(f"{run} has no phase {phase}")
    shape, tokenizer = _model(recipe, run)
    root = recipe.runs[ancestry(recipe, run)[0]]
    return PhaseSlice(
        run=way[phases.index(phase)][0],
        phase=phase,
        seed=recipe.seed if root.seed is None else root.seed,
        model=shape,
        tokenizer=tokenizer,
        optimizer=root.optimizer or recipe.optimizer,
        stages=[_stage_slice(recipe, stage) for stage in stages_of(recipe, way[phases.index(phase)][0], phase)],
    )


def model_name(recipe: Recipe, run: str) -> str:
    """Return the model of a run, which its first ancestor names."""
    name = recipe.runs[ancestry(recipe, run)[0]].model
    assert name is not None, "recipe.checks lets no recipe pass whose first ancestor has no model"
    return name


def start_slice(recipe: Recipe, name: str) -> StartSlice:
    """Return the slice of the weights that model `name` begins with; raises `KeyError` if those are random."""
    model = recipe.models[name]
    if model.start is None:
        raise KeyError(f"start of model {name}")
    return StartSlice(model=name, shape=_shape(model), **dict(model.start))


def evaluation_slice(recipe: Recipe, run: str) -> EvaluationSlice:
    """Return the slice of the evaluation of `run`; raises `KeyError` if the recipe has none of this name."""
    way = lineage(recipe, run)
    stages = [stage for owner, phase in way for stage in stages_of(recipe, owner, phase)]
    names = _sources(recipe, stages)
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
        context_documents=recipe.evaluation.context_documents,
        pseudo_perplexity_tokens=recipe.evaluation.pseudo_perplexity_tokens,
        rope_theta=stages[-1].rope_theta,
        languages={
            language: [name for name in names if sources[name] == language] for language in set(sources.values())
        },
        sources=sources,
        prompts=recipe.evaluation.prompts,
        components=_stage_slice(recipe, stages[0]).components,
        lineage=way,
    )


def average_slice(recipe: Recipe, run: str) -> AverageSlice | None:
    """Return the slice of the checkpoints that the model of a run is the mean of, or None if it is the last alone."""
    if (asked := recipe.runs[run].average) is None:
        return None
    slots = final_slots(recipe, run)
    assert slots is not None, "recipe.checks lets no recipe pass in which the way of a run is broken"
    return AverageSlice(at_tokens=[slots - number * asked.every_tokens for number in range(asked.checkpoints)][::-1])


def keeping_slice(recipe: Recipe, owner: str, phase: str) -> KeepingSlice:
    """Return which checkpoints of a phase are kept: at a distance, where other runs branch off, and to be averaged."""
    points = {
        run.after.tokens
        for name, run in recipe.runs.items()
        if run.after and run.after.tokens and branched_from(recipe, name, run.after.phase) == (owner, phase)
    }
    for run in recipe.runs:
        if (average := average_slice(recipe, run)) and lineage(recipe, run)[-1] == (owner, phase):
            points |= set(average.at_tokens[:-1])
    return KeepingSlice(every_tokens=recipe.checkpoints.keep_every_tokens, at_tokens=sorted(points))


def validation_slice(recipe: Recipe, evaluation: EvaluationSlice) -> ValidationSlice:
    """Return the slice of what is measured while a run trains, by the slice of its evaluation."""
    if (asked := recipe.evaluation.validation) is None:
        return ValidationSlice()
    return ValidationSlice(
        every_tokens=asked.every_tokens,
        rows=asked.rows,
        length=min(evaluation.lengths),
        seed=evaluation.seed,
        masking_rate=evaluation.masking_rate,
        languages=evaluation.languages,
    )


def statistics_slice(recipe: Recipe, sources: Collection[str], shards: Iterable[tuple[str, str]]) -> StatisticsSlice:
    """Return the slice of what is told of the text, given the sources that are read, and (tokenizer, source) of ids."""
    tokenizers: dict[str, list[str]] = {name: [] for name in sorted(sources)}
    for tokenizer, source in sorted(shards):
        tokenizers[source].append(tokenizer)
    return StatisticsSlice(
        sources=tokenizers,
        runs={run: lineage(recipe, run) for run in recipe.runs},
        words=recipe.contamination.words,
        remove=recipe.contamination.remove,
        sets=sorted(recipe.contamination.sets),
        max_epochs=recipe.warnings.max_epochs,
    )


def fertility_slice(recipe: Recipe) -> FertilitySlice:
    """Return the slice of what tokenizers are compared on."""
    phases = {phase for run in recipe.runs for _, phase in lineage(recipe, run)}
    names = _sources(recipe, [stage for phase in phases for stage in recipe.phases[phase].stages])
    return FertilitySlice(seed=recipe.seed, sources={name: recipe.sources[name].language for name in names})


def retrieval_slice(recipe: Recipe) -> RetrievalSlice:
    """Return the slice of how encoders learn to retrieve."""
    fields = {name: value for name, value in recipe.evaluation.retrieval if name in RetrievalSlice.model_fields}
    return RetrievalSlice(seed=recipe.seed, **fields)


def retrieval_task_slice(recipe: Recipe, name: str) -> RetrievalTaskSlice:
    """Return the slice of a retrieval task; raises `KeyError` if the recipe has none of this name."""
    return RetrievalTaskSlice(name=name, seed=recipe.seed, **dict(recipe.evaluation.retrieval.tasks[name]))


def understanding_slice(recipe: Recipe, name: str) -> UnderstandingSlice:
    """Return the slice of a task of understanding; raises `KeyError` if the recipe has none of this name."""
    asked = recipe.evaluation.understanding
    common = {field: value for field, value in asked if field in UnderstandingSlice.model_fields}
    own = {field: value for field, value in asked.tasks[name] if value is not None and field != "made"}
    return UnderstandingSlice(**common | own | {"name": name, "seed": recipe.seed})


def questions_slice(recipe: Recipe, name: str) -> QuestionsSlice | None:
    """Return the slice of the questions that are made for a task, or None if none are."""
    task = recipe.evaluation.understanding.tasks[name]
    edges = task.given or [task.length or recipe.evaluation.understanding.length]
    return QuestionsSlice(seed=recipe.seed, edges=edges, **task.made.model_dump()) if task.made else None


def euroeval_slice(recipe: Recipe, name: str) -> EuroEvalSlice:
    """Return the slice of a data set that EuroEval measures; raises `KeyError` if the recipe has none of this name."""
    asked = recipe.evaluation.euroeval
    if name not in asked.datasets and name not in asked.local:
        raise KeyError(f"data set {name}")
    return EuroEvalSlice(name=name, seed=recipe.seed, iterations=asked.iterations, local=asked.local.get(name))


def comparison_slice(recipe: Recipe) -> ComparisonSlice:
    """Return the slice of the comparison of all runs; the first one is the reference if the recipe names none."""
    asked = recipe.evaluation
    retrieval, understanding, euroeval = asked.retrieval, asked.understanding, asked.euroeval
    return ComparisonSlice(
        seed=recipe.seed,
        reference=recipe.comparison.reference or next(iter(recipe.runs)),
        runs={name: run.seed_of or name for name, run in recipe.runs.items()},
        retrieval={task: retrieval.runs or list(recipe.runs) for task in retrieval.tasks},
        understanding={task: understanding.runs or list(recipe.runs) for task in understanding.tasks},
        euroeval={name: euroeval.runs or list(recipe.runs) for name in (*euroeval.datasets, *euroeval.local)},
    )


def train_rows_slice(phase: PhaseSlice) -> RowsSlice:
    """Return the slice of the rows that a phase trains on."""
    rowsets: dict[str, set[str]] = {}
    for part in (part for stage in phase.stages for part in stage.components):
        rowsets.setdefault(part.source, set()).add(part.rowset)
    return RowsSlice(
        tokenizer=phase.tokenizer,
        split="train",
        rowsets={source: sorted(names) for source, names in sorted(rowsets.items())},
    )


def held_out_rows_slice(evaluation: EvaluationSlice, split: str = "validation") -> RowsSlice:
    """Return the slice of the rows that a run is measured on, of the validation or the test split."""
    names = [rowset(length) for length in evaluation.lengths]
    return RowsSlice(tokenizer=evaluation.tokenizer, split=split, rowsets=dict.fromkeys(evaluation.sources, names))


def _sources(recipe: Recipe, stages: list[Stage]) -> list[str]:
    """Return the sources of all mixtures that stages read, sorted."""
    return sorted({source for stage in stages for source in recipe.mixtures[stage.mixture].factors})


def _model(recipe: Recipe, run: str) -> tuple[ModelShape, str]:
    """Return the shape and the tokenizer of a run, which its first ancestor names."""
    model = recipe.models[model_name(recipe, run)]
    return _shape(model), model.tokenizer


def _shape(model: Model) -> ModelShape:
    return ModelShape(**{field: getattr(model, field) for field in ModelShape.model_fields})


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
            language_share=mixture.language_shares.get(recipe.sources[source].language),
        )
        for source, factor in sorted(mixture.factors.items())
        for index, word_bin in bins
    ]
