"""What becomes of what a phase has trained already, if its job runs: the trainer's rules, told before it applies them.

The trainer continues from the newest checkpoint if that is of the same slice, the same shards and the same checkpoint
to begin with, and sets everything aside otherwise (`model/training/trainer.py`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.quantities import amount, duration
from recipe.schedule import stage_rows
from recipe.slices import PhaseSlice, read_slice
from slurm.records.progress import Saved, read_pace, read_saved
from workflow.cli.explain.differences import differences
from workflow.cli.explain.dry_run import Job
from workflow.cli.explain.reasons import few


@dataclass(frozen=True)
class Fate:
    """What becomes of a phase."""

    phase: str
    """run/phase"""
    sentences: list[str]
    lost: int
    """Tokens (slots of packed rows) that are trained and would be set aside."""
    anew: bool
    """Whether it surely ends in another checkpoint than it has."""


def fate(job: Job, directory: Path, mirror: Path, remade: Iterable[str], other: Iterable[str]) -> Fate:
    """Return what becomes of a phase if `job`, its training, runs.

    Args:
        job: of rule `train`.
        directory: Snakemake's, with what was trained.
        mirror: where the slices are those of the recipe as it is now.
        remade: files that jobs before it make again, and that may come out as they were.
        other: those among them that surely come out otherwise.
    """
    run, phase = job.wildcards["run"], job.wildcards["phase"]
    folder = Path("results", "runs", run, phase)
    content = read_slice(mirror / "results" / "recipe" / "phase" / f"{run}.{phase}.json", PhaseSlice)
    total = sum(stage_rows(stage) * stage.length for stage in content.stages)
    saved = read_saved(directory / folder)
    if saved is None:
        return Fate(f"{run}/{phase}", [f"{amount(total)} tokens to train, from the first step"], 0, True)
    decisive = {file for file in job.input if file.startswith("results/shards/") or file.endswith("/checkpoint.json")}
    places = list(differences(saved.slice, json.loads(content.model_dump_json())))
    changed = sorted(decisive & {*other, *job.files("Updated input files")})
    uncertain = sorted(decisive & set(remade))
    if places or changed:
        why = f"its checkpoint is of another recipe ({few(places)})" if places else f"it follows {few(changed)}"
        again = _again(directory / folder, total)
        sentences = [f"trained anew, for {why}: {again}", f"{_trained(directory / folder, saved)} go to {folder}/superseded"]
        return Fate(f"{run}/{phase}", sentences, saved.phase_tokens, True)
    kept = _trained(directory / folder, saved)
    if uncertain:
        sentence = f"{kept} are kept only if {few(uncertain)} come out as before"
    elif saved.phase_tokens < total:
        sentence = f"goes on from step {saved.step}: {amount(saved.phase_tokens)} of {amount(total)} tokens are trained"
    else:
        sentence = f"{kept} are kept: it is trained, only checkpoint.json is written again"
    return Fate(f"{run}/{phase}", [sentence], 0, False)


def _again(folder: Path, total: int) -> str:
    """Return how much training that is, and how long it takes if the phase has ever shown its speed."""
    pace = read_pace(folder)
    time = f", about {duration(total / pace.slots_per_second)} at the speed it had" if pace else ""
    return f"{amount(total)} tokens{time}"


def _trained(folder: Path, saved: Saved) -> str:
    """Return what the newest checkpoint stands for: `602 steps (1M tokens)`; steps only where the log has the first."""
    tokens = f"{amount(saved.phase_tokens)} tokens"
    first = _first_step(folder)
    return tokens if first is None else f"{saved.step - first + 1} steps ({tokens})"


def _first_step(folder: Path) -> int | None:
    with suppress(OSError, ValueError, KeyError, TypeError), open(folder / "metrics.jsonl", "rb") as stream:
        row: Any = json.loads(stream.readline())
        return int(row["step"])
    return None
