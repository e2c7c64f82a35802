"""Means of checkpoints that were not kept: told before any job, and not when a model is made of them."""

from __future__ import annotations

import json
from pathlib import Path

from common.errors import UserError
from model.history.averaged import kept_at, not_kept
from model.history.store import complete_checkpoints, load_state
from recipe.schema import Recipe, lineage
from recipe.slices.making import average_slice, phase_slice


def lost(recipe: Recipe, results: Path) -> list[str]:
    """Return a sentence for each run whose `average` is of checkpoints that training has passed and not kept.

    Args:
        recipe: a checked one, whose slices are below `results`.
        results: the directory `results`.
    """
    return [f"runs.{run}.average: {told}" for run in recipe.runs if (told := _lost(recipe, run, results))]


def _lost(recipe: Recipe, run: str, results: Path) -> str:
    if not (asked := average_slice(recipe, run)):
        return ""
    owner, phase = lineage(recipe, run)[-1]
    folder = results / "runs" / owner / phase
    directories = complete_checkpoints(folder / "checkpoints")
    if not directories or _is_made(results, run, folder):
        return ""
    try:
        state = load_state(directories[-1])
        if state["slice"] != json.loads(phase_slice(recipe, owner, phase).model_dump_json()):
            return ""  # the phase goes on, or elsewhere, and training says what becomes of it
        passed = [tokens for tokens in asked.at_tokens if tokens <= state["position"]["phase_slots"]]
        missing = [at for at, one in zip(passed, kept_at(directories, passed), strict=True) if one is None]
    except (UserError, OSError, KeyError):
        return ""  # a checkpoint that cannot be read is told by what reads it
    return not_kept(folder, missing) if missing else ""


def _is_made(results: Path, run: str, folder: Path) -> bool:
    """Tell whether the model is there, newer than what it is made from."""
    model = results / "models" / run / "config.json"
    made_from = [results / "recipe" / "average" / f"{run}.json", folder / "checkpoint.json"]
    return model.is_file() and all(
        path.is_file() and path.stat().st_mtime <= model.stat().st_mtime for path in made_from
    )
