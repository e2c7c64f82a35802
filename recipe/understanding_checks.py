"""Rules of what a recipe says of classification, tagging and questions; see `recipe.checks` for what a rule is."""

from __future__ import annotations

from collections.abc import Iterator

from recipe.branches import final_length
from recipe.schema import Recipe
from recipe.understanding import COLUMNS, TREEBANK, UnderstandingTask

SHORTEST = 16
"""Tokens: a question and a context need some of them."""


def understanding_problems(recipe: Recipe) -> Iterator[tuple[str, str]]:
    """Yield every breach of a rule as (key path, sentence)."""
    asked, key = recipe.evaluation.understanding, "evaluation.understanding"
    if len(set(asked.learning_rates)) < len(asked.learning_rates):
        yield f"{key}.learning_rates", "names a rate twice; give each once."
    for name, task in asked.tasks.items():
        yield from _task(f"{key}.tasks.{name}", task)
        yield from _examples(f"{key}.tasks.{name}", task)
        if task.made and not any(_examples(key, task)):
            yield from _made(f"{key}.tasks.{name}", task, task.made.source, recipe)
    named = [run for run in asked.runs or recipe.runs if run in recipe.runs]
    longest = min((length for run in named if (length := final_length(recipe, run)) is not None), default=None)
    lengths = {f"{key}.tasks.{name}.length": task.length for name, task in asked.tasks.items() if task.length}
    if len(lengths) < len(asked.tasks):
        lengths[f"{key}.length"] = asked.length
    for place, length in lengths.items():
        if longest is not None and length > longest:
            yield place, f"{length} tokens are more than a run is trained for; give at most {longest}."
        elif length < SHORTEST:
            yield place, f"{length} tokens are too few for a task; give at least {SHORTEST}."


def _examples(key: str, task: UnderstandingTask) -> Iterator[tuple[str, str]]:
    for field in ("train", "test"):
        if not task.made and not getattr(task, field):
            yield f"{key}.{field}", "is missing."
    for field in ("hub", "train", "dev", "test", "columns"):
        if task.made and getattr(task, field):
            yield f"{key}.{field}", "has no effect on questions that are made from a source; leave it or `made` out."


def _made(key: str, task: UnderstandingTask, name: str, recipe: Recipe) -> Iterator[tuple[str, str]]:
    if task.kind != "qa":
        yield f"{key}.kind", f"only questions are made from a source; let it be qa, not {task.kind}."
    if (source := recipe.sources.get(name)) is None:
        yield f"{key}.made.source", f"the recipe has no source {name}; there are: {', '.join(sorted(recipe.sources))}."
    elif not source.held_out:
        yield f"{key}.made.source", f"{name} holds nothing out that could be measured; give it `held_out`."
    elif source.language != task.language:
        yield f"{key}.language", f"is {task.language}, but the source {name} is {source.language}."


def _task(key: str, task: UnderstandingTask) -> Iterator[tuple[str, str]]:
    if task.subset and not task.hub:
        yield f"{key}.subset", "only data sets of the hub have subsets; leave it out."
    if task.columns and len(task.columns) != (number := len(COLUMNS[task.kind])):
        yield f"{key}.columns", f"names {len(task.columns)} fields, but {task.kind} has {number}; name them all."
    if task.given != sorted(set(task.given)):
        yield f"{key}.given", "must rise from number to number."
    if task.given and task.kind == "tagging":
        yield f"{key}.given", "words that are cut off have no answer to be right; leave it out of a task of tagging."
    if task.given and task.kind == "pairs":
        yield f"{key}.given", "the first tokens of which of two texts is not told; leave it out of a task of pairs."
    if task.given and task.given[0] < SHORTEST:
        yield f"{key}.given", f"{task.given[0]} tokens are too few for a task; give at least {SHORTEST}."
    for field in ("train", "dev", "test"):
        path = getattr(task, field)
        if not task.hub and path.lower().endswith(TREEBANK) and task.kind != "tagging":
            yield f"{key}.{field}", f"{path} is a treebank, which only tagging reads; give JSON Lines or Parquet."
