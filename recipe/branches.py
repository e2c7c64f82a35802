"""Runs that branch off in the middle of a phase: the stages up to there, whose phase it is, and where a run ends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from recipe.schedule import stage_rows
from recipe.schema import Recipe, Stage, lineage


def stages_of(recipe: Recipe, owner: str, phase: str) -> list[Stage]:
    """Return the stages of a phase in the way of the run that owns it: all, or those up to where that run branches off.

    Raises:
        KeyError: if the recipe has no such run or phase.
    """
    stages = recipe.phases[phase].stages
    after = recipe.runs[owner].after
    if after is None or after.tokens is None or after.phase != phase:
        return list(stages)
    return list(_cut(stages, after.tokens))


def _cut(stages: Sequence[Stage], tokens: int) -> Iterator[Stage]:
    for stage in stages:
        slots = stage_rows(stage) * stage.length
        if slots >= tokens:
            yield stage.model_copy(update={"until": tokens})
            return
        yield stage
        tokens -= slots


def branched_from(recipe: Recipe, owner: str, phase: str) -> tuple[str, str] | None:
    """Return the (run, phase) that a phase of `owner` is a beginning of, where the run branches off in the middle."""
    run = recipe.runs[owner]
    if run.after is None or run.after.tokens is None or run.after.phase != phase or run.from_run is None:
        return None
    return next(step for step in lineage(recipe, run.from_run) if step[1] == phase)


def final_length(recipe: Recipe, run: str) -> int | None:
    """Return the row length of a run's last stage, or none where its way is broken."""
    stages = _final_stages(recipe, run)
    return stages[-1].length if stages else None


def final_slots(recipe: Recipe, run: str) -> int | None:
    """Return the slots of a run's last phase, or none where its way is broken."""
    stages = _final_stages(recipe, run)
    return sum(stage_rows(stage) * stage.length for stage in stages) if stages else None


def _final_stages(recipe: Recipe, run: str) -> list[Stage]:
    try:
        way = lineage(recipe, run)
        return stages_of(recipe, *way[-1]) if way else []
    except (KeyError, ValueError):
        return []
