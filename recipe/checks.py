"""Rules of a recipe that span several of its parts: names that must exist, batches that must hold a row, and so on.

Each rule yields (key path as a user writes it, one sentence that says what is wrong and what to do). All rules are
tried, so that a person sees every mistake at once; a rule that needs the way of a run through its phases is tried only
where that way is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from itertools import pairwise
from math import ceil

from recipe.branches import final_length, final_slots, stages_of
from recipe.cleaning_checks import cleaning_problems
from recipe.duplicates_checks import duplicates_problems
from recipe.euroeval_checks import euroeval_problems
from recipe.evaluation import RetrievalTask, file_name
from recipe.mixture_checks import mixture_problems
from recipe.schedule import rows_before, stage_rows, step_count
from recipe.schema import Recipe, Stage, Tokenizer, ancestry, lineage
from recipe.starts import circle, tiling_problem
from recipe.understanding_checks import understanding_problems

Problem = tuple[str, str]
VALIDATION_SHARE = 0.01
"""Of the training's time, at most."""


def problems(recipe: Recipe) -> list[Problem]:
    """Return every breach of a rule as (key path, sentence), in the order of the recipe's keys."""
    return [
        *cleaning_problems(recipe.sources),
        *duplicates_problems(recipe),
        *_tokenizers(recipe),
        *_models(recipe),
        *_starts(recipe),
        *_mixtures(recipe),
        *_phases(recipe),
        *_runs(recipe),
        *_optimizers(recipe),
        *_evaluation(recipe),
        *_compared(recipe),
        *_retrieval(recipe),
        *_understood(recipe),
        *understanding_problems(recipe),
        *euroeval_problems(recipe),
    ]


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean x?` for the nearest known name, else `; there are: a, b, c.`"""
    known = sorted(known)
    close = get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]}?" if close else f"; there are: {', '.join(known)}."


def _absent(key: str, kind: str, name: str, known: Iterable[str]) -> Iterator[Problem]:
    known = list(known)
    if name not in known:
        yield key, f"the recipe has no {kind} {name}{suggestion(name, known)}"


def _tokenizers(recipe: Recipe) -> Iterator[Problem]:
    for name, tokenizer in recipe.tokenizers.items():
        key = f"tokenizers.{name}.mixture"
        yield from _trained_or_adopted(f"tokenizers.{name}", tokenizer)
        if tokenizer.mixture is None:
            continue
        yield from _absent(key, "mixture", tokenizer.mixture, recipe.mixtures)
        mixture = recipe.mixtures.get(tokenizer.mixture)
        if mixture is not None and mixture.word_bins:
            yield key, f"{tokenizer.mixture} has word_bins, which a tokenizer's sample ignores; name a mixture without."


def _trained_or_adopted(key: str, tokenizer: Tokenizer) -> Iterator[Problem]:
    for field in ("sample_bytes", "mixture", "word_bytes", "objective"):
        given = getattr(tokenizer, field)
        if tokenizer.from_directory is None and given is None:
            yield f"{key}.{field}", "is missing."
        # A recipe that was written out again gives every key.
        if tokenizer.from_directory is not None and given != Tokenizer.model_fields[field].default:
            yield f"{key}.{field}", "has no effect on a tokenizer that is taken from a directory; leave it out."


def _models(recipe: Recipe) -> Iterator[Problem]:
    for name, model in recipe.models.items():
        key = f"models.{name}"
        yield from _absent(f"{key}.tokenizer", "tokenizer", model.tokenizer, recipe.tokenizers)
        if model.hidden % model.heads:
            yield f"{key}.heads", f"{model.hidden} hidden dimensions do not divide into {model.heads} heads."
        elif model.hidden // model.heads % 2:
            yield (
                f"{key}.heads",
                f"a head has {model.hidden // model.heads} dimensions, but RoPE turns them in pairs; make it even.",
            )
        if model.local_attention % 2:
            yield (
                f"{key}.local_attention",
                f"{model.local_attention} is odd, but half of it goes to either side; make it even.",
            )


def _starts(recipe: Recipe) -> Iterator[Problem]:
    for name, model in recipe.models.items():
        key, start = f"models.{name}.start", model.start
        if start is None:
            continue
        if (start.directory is None) == (start.run is None):
            yield key, "give either the directory of a model that is there or a run of this recipe."
        elif start.run is not None:
            yield from _absent(f"{key}.run", "run", start.run, recipe.runs)
            yield from _start_run(recipe, name, start.run)


def _start_run(recipe: Recipe, name: str, run: str) -> Iterator[Problem]:
    """Check a model that begins with what a run ends with; a run whose way is broken is told elsewhere."""
    key = f"models.{name}.start.run"
    try:
        chain = circle(recipe, name)
        source = recipe.models[recipe.runs[ancestry(recipe, run)[0]].model or ""]
    except (KeyError, ValueError):
        return
    if chain:
        yield key, f"the models begin with each other's end in a circle: {' -> '.join(chain)}."
    elif problem := tiling_problem(source, recipe.models[name]):
        yield key, f"the model of {run} {problem}."


def _mixtures(recipe: Recipe) -> Iterator[Problem]:
    for name, mixture in recipe.mixtures.items():
        for source in mixture.factors:
            yield from _absent(f"mixtures.{name}.factors.{source}", "source", source, recipe.sources)
        yield from mixture_problems(f"mixtures.{name}", mixture, recipe)


def _phases(recipe: Recipe) -> Iterator[Problem]:
    for name, phase in recipe.phases.items():
        for index, stage in enumerate(phase.stages):
            key = f"phases.{name}.stages[{index}]"
            yield from _absent(f"{key}.mixture", "mixture", stage.mixture, recipe.mixtures)
            batch = list(_batch(f"{key}.batch", stage))
            yield from batch
            yield from _learning_rate(f"{key}.learning_rate", stage)
            yield from _skip_rows(f"{key}.skip_rows", stage)
            if stage.until is not None and stage.until > stage.tokens:
                yield f"{key}.until", f"{stage.until} is after the stage's {stage.tokens} tokens."
            if not batch:
                yield from _steps(f"{key}.learning_rate", stage)


def _batch(key: str, stage: Stage) -> Iterator[Problem]:
    batch, row = stage.batch, stage.length
    if batch.tokens < row:
        yield f"{key}.tokens", f"{batch.tokens} tokens hold no row of {row} tokens; give at least {row}."
    if batch.tokens > stage.tokens:
        yield f"{key}.tokens", f"one batch of {batch.tokens} tokens is more than the stage's {stage.tokens}."
    if batch.start_tokens is None:
        if batch.warmup_steps:
            yield f"{key}.start_tokens", "is missing; a batch with warmup_steps needs a size to start from."
        return
    if not batch.warmup_steps:
        yield f"{key}.start_tokens", "has no effect without warmup_steps; give both or neither."
    if batch.start_tokens < row:
        yield f"{key}.start_tokens", f"{batch.start_tokens} tokens hold no row of {row} tokens; give at least {row}."
    if batch.start_tokens > batch.tokens:
        yield f"{key}.start_tokens", f"{batch.start_tokens} tokens are more than the full batch of {batch.tokens}."
    # The sum of the growing batches before they are cut to whole rows.
    slots = (batch.warmup_steps * (batch.start_tokens + batch.tokens) - batch.tokens + batch.start_tokens) // 2
    if batch.warmup_steps and slots > stage.tokens:
        yield (
            f"{key}.warmup_steps",
            f"{batch.warmup_steps} steps are some {slots} tokens, more than the stage's {stage.tokens}.",
        )


def _skip_rows(key: str, stage: Stage) -> Iterator[Problem]:
    for first, last in stage.skip_rows:
        if last < first:
            yield key, f"[{first}, {last}] ends before it begins; give the first row, then the last."
    for (_, last), (first, _) in pairwise(stage.skip_rows):
        if first <= last:
            yield key, f"a range that begins at row {first} follows one that ends at {last}; put them in order, apart."


def _learning_rate(key: str, stage: Stage) -> Iterator[Problem]:
    rate = stage.learning_rate
    if rate.shape == "constant" and rate.final:
        yield f"{key}.final", "has no effect on a constant rate; remove it or set shape to 1-sqrt."
    elif rate.final > rate.peak:
        yield f"{key}.final", f"{rate.final:g} is above the peak of {rate.peak:g}, but 1-sqrt only falls."
    for slots, peak in rate.changes.items():
        if rate.shape != "constant" and rate.final > peak:
            yield f"{key}.changes.{slots}", f"{peak:g} is below final, {rate.final:g}, but 1-sqrt only falls."
    for before, slots in pairwise(rate.changes):
        if slots < before:
            yield f"{key}.changes.{slots}", f"comes after {before}; list changes in the order of training."


def _steps(key: str, stage: Stage) -> Iterator[Problem]:
    """Hold the rate to the stage's steps; they can be counted only where its batch is sound."""
    rate, count = stage.learning_rate, step_count(stage)
    if rate.warmup_steps > count:
        yield f"{key}.warmup_steps", f"{rate.warmup_steps} steps are more than the stage's {count}."
    last = rows_before(stage, count - 1) * stage.length
    for slots in rate.changes:
        if slots > last:
            yield f"{key}.changes.{slots}", f"has no effect, the last step of the stage begins at {last} slots."


def _runs(recipe: Recipe) -> Iterator[Problem]:
    cycles: set[frozenset[str]] = set()
    for name, run in recipe.runs.items():
        key = f"runs.{name}"
        if run.model is not None and run.from_run is not None:
            yield f"{key}.model", f"the run has the model of {run.from_run}, which it continues; remove model or from."
        elif run.model is not None:
            yield from _absent(f"{key}.model", "model", run.model, recipe.models)
        elif run.from_run is None:
            yield key, "needs a model to begin with, or from, a run to continue."
        if run.from_run is not None:
            yield from _absent(f"{key}.from", "run", run.from_run, recipe.runs)
        elif run.after is not None:
            yield f"{key}.after", "has no effect without from, the run to continue."
        for index, phase in enumerate(run.phases):
            yield from _absent(f"{key}.phases[{index}]", "phase", phase, recipe.phases)
        yield from _way(recipe, name, cycles)


def _optimizers(recipe: Recipe) -> Iterator[Problem]:
    given = {f"runs.{name}.optimizer": run.optimizer for name, run in recipe.runs.items() if run.optimizer}
    for key, optimizer in {**given, "optimizer": recipe.optimizer}.items():
        set_here = optimizer.model_dump(exclude_defaults=True) if optimizer.name != "muon" else {}
        for unused in [name for name in ("momentum", "rest_rate_factor") if name in set_here]:
            yield f"{key}.{unused}", f"{optimizer.name} has none; remove it."
    for name, run in recipe.runs.items():
        if run.optimizer and run.from_run is not None:
            told = f"the run goes on with the moments of {run.from_run}, so with its optimizer; remove optimizer."
            yield f"runs.{name}.optimizer", told
        if run.seed is not None and run.from_run is not None:
            yield f"runs.{name}.seed", f"the run goes on with the weights and rows of {run.from_run}; remove seed."
        if run.average and (total := final_slots(recipe, name)) is not None:
            asked = (run.average.checkpoints - 1) * run.average.every_tokens
            if asked >= total:
                told = f"{asked} slots before its end are not in the run's last phase, which has {total}; give fewer."
                yield f"runs.{name}.average", told
            elif run.average.every_tokens < (batch := stages_of(recipe, *lineage(recipe, name)[-1])[-1].batch.tokens):
                yield f"runs.{name}.average.every_tokens", f"a batch has {batch} slots already; give at least as many."
        if run.seed_of is not None:
            yield from _absent(f"runs.{name}.seed_of", "run", run.seed_of, recipe.runs)


def _way(recipe: Recipe, name: str, cycles: set[frozenset[str]]) -> Iterator[Problem]:
    """Check the phases of a run in their order; a cycle is told once, at the first run that reaches it."""
    run = recipe.runs[name]
    try:
        before = lineage(recipe, run.from_run) if run.from_run is not None else []
        ancestry(recipe, name)
    except KeyError:
        return  # told where the name is absent
    except ValueError as error:
        if "->" in str(error) and (members := frozenset(str(error).split(" -> "))) not in cycles:
            cycles.add(members)
            yield f"runs.{name}.from", f"the runs continue each other in a circle: {error}."
        return  # else a branch after an absent phase, told at that run
    phases = [phase for _, phase in before]
    if run.after is not None and run.from_run is not None:
        if run.after.phase not in phases:
            known = ", ".join(phases) or "none"
            yield f"runs.{name}.after", f"{run.from_run} has no phase {run.after.phase}; its phases are: {known}."
            return
        yield from _point(recipe, name, before)
        phases = phases[: phases.index(run.after.phase) + 1]
    for index, phase in enumerate(run.phases):
        if phase in phases:
            yield (
                f"runs.{name}.phases[{index}]",
                f"{phase} comes twice in the run's way ({', '.join([*phases, phase])}); give the second its own name.",
            )
        phases.append(phase)
    if not phases:
        yield f"runs.{name}.phases", "the run trains nothing; name at least one phase."


def _evaluation(recipe: Recipe) -> Iterator[Problem]:
    spoken = {source.language for source in recipe.sources.values()}
    for language, prompt in recipe.evaluation.prompts.items():
        key = f"evaluation.prompts.{language}"
        if language not in spoken:
            yield key, f"no source is in {language}{suggestion(language, spoken)}"
        if (count := prompt.count("[MASK]")) != 1:
            yield key, f"has {count} times [MASK]; put it once, in place of the word to be filled in."
    for name in sorted(set(recipe.evaluation.models) & set(recipe.runs)):
        yield f"evaluation.models.{name}", "is the name of a run too; give the other encoder another one."
    yield from _validation(recipe, len(spoken))
    for index, run in enumerate(recipe.evaluation.test):
        yield from _absent(f"evaluation.test[{index}]", "run", run, recipe.runs)
    final = {run: length for run in recipe.runs if (length := final_length(recipe, run)) is not None}
    asked = {"lengths": recipe.evaluation.lengths, "speed_lengths": recipe.evaluation.speed_lengths}
    for key, index, length in ((key, *one) for key, lengths in asked.items() for one in enumerate(lengths)):
        short = [run for run in final if final[run] < length]
        if short:
            yield (
                f"evaluation.{key}[{index}]",
                f"{length} tokens are more than {short[0]} is trained for at its end ({final[short[0]]}); "
                f"give at most {min(final.values())}.",
            )


def _validation(recipe: Recipe, languages: int) -> Iterator[Problem]:
    """Hold validation to a share of the training's time; a forward pass takes a third of a step's."""
    if (asked := recipe.evaluation.validation) is None:
        return
    tokens = asked.rows * languages * min(recipe.evaluation.lengths)
    if tokens > 3 * VALIDATION_SHARE * asked.every_tokens:
        yield (
            "evaluation.validation.every_tokens",
            f"{asked.rows} rows in each of {languages} languages would take about "
            f"{tokens / asked.every_tokens / 3:.1%} of the training's time; for at most {VALIDATION_SHARE:.0%} give at "
            f"least {ceil(tokens / 3 / VALIDATION_SHARE)}, or fewer rows.",
        )


def _compared(recipe: Recipe) -> Iterator[Problem]:
    others = recipe.evaluation.tokenizers
    for index, name in enumerate(others):
        if file_name(name) in map(file_name, others[:index]):
            yield f"evaluation.tokenizers[{index}]", f"{name} is there before; name each once."
    if (reference := recipe.comparison.reference) is not None:
        yield from _absent("comparison.reference", "run", reference, recipe.runs)


def _retrieval(recipe: Recipe) -> Iterator[Problem]:
    retrieval, key = recipe.evaluation.retrieval, "evaluation.retrieval"
    for index, run in enumerate(retrieval.runs):
        yield from _absent(f"{key}.runs[{index}]", "run", run, recipe.runs)
    for name, task in retrieval.tasks.items():
        yield from _task(f"{key}.tasks.{name}", task)
    for index, pairs in enumerate(retrieval.train):
        if bool(pairs.file) == bool(pairs.hub):
            yield f"{key}.train[{index}]", "give either a file or the name of a data set on the hub."
        if pairs.subset and not pairs.hub:
            yield f"{key}.train[{index}].subset", "only data sets of the hub have subsets; leave it out."
    named = [run for run in retrieval.runs or recipe.runs if run in recipe.runs]
    final = [length for run in named if (length := final_length(recipe, run)) is not None]
    read = {"dev": retrieval.dev.length, **{f"tasks.{name}": task.length for name, task in retrieval.tasks.items()}}
    for place, length in read.items():
        if final and length is not None and length > min(final):
            yield (
                f"{key}.{place}.length",
                f"{length} tokens are more than a run is trained for; give at most {min(final)}.",
            )
    if retrieval.tasks:
        yield from _task(f"{key}.dev", retrieval.dev)
        for field, wanted in (("train", "files of pairs"), ("learning_rates", "rates to try")):
            if not getattr(retrieval, field):
                yield f"{key}.{field}", f"is empty, but tasks are to be measured; give {wanted}."
    if len(set(retrieval.learning_rates)) < len(retrieval.learning_rates):
        yield f"{key}.learning_rates", "names a rate twice; give each once."


def _understood(recipe: Recipe) -> Iterator[Problem]:
    for part in ("understanding", "euroeval"):
        for index, run in enumerate(getattr(recipe.evaluation, part).runs):
            yield from _absent(f"evaluation.{part}.runs[{index}]", "run", run, recipe.runs)


def _point(recipe: Recipe, name: str, before: list[tuple[str, str]]) -> Iterator[Problem]:
    """Check that a run branches off within the phase that it names."""
    after = recipe.runs[name].after
    if after is None or after.tokens is None:
        return
    owner, phase = next(step for step in before if step[1] == after.phase)
    try:
        slots = sum(stage_rows(stage) * stage.length for stage in stages_of(recipe, owner, phase))
    except KeyError:
        return  # told where the phase is absent
    if after.tokens >= slots:
        yield f"runs.{name}.after.tokens", f"{after.tokens} is not before the end of {phase}, after {slots} slots."


def _task(key: str, task: RetrievalTask) -> Iterator[Problem]:
    if bool(task.folder) == bool(task.mteb):
        yield key, "give either the folder of local files or the name of a task of mteb."
    if task.subset and not task.mteb:
        yield f"{key}.subset", "only tasks of mteb have subsets; leave it out."
