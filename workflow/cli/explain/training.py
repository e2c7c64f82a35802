"""What becomes of what a phase has trained already, if its job runs: the trainer's rules, told before it applies them.

The trainer continues from the newest checkpoint if that is of the same slice, the same rows and the same checkpoint
to begin with, and sets everything aside otherwise (`model/training/trainer.py`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.finished import FINISHED
from common.quantities import amount, duration
from recipe.schedule import phase_slots
from recipe.slices.files import read_slice
from recipe.slices.types import PhaseSlice
from slurm.records.checkpoints import Saved
from slurm.records.progress import read_pace
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
    """Slots of packed rows that are trained and would be set aside."""
    at_stake: int
    """Those that would be if what is made again before it comes out otherwise than it was."""
    anew: bool
    """Whether it surely ends in another checkpoint than it has."""
    begun: bool = True
    """Whether anything of it is trained."""


def folder_of(job: Job) -> Path:
    """Return the folder of the phase that a job of rule `train` trains, from Snakemake's working directory."""
    return Path("results", "runs", job.wildcards["run"], job.wildcards["phase"])


def fate(
    job: Job, saved: Saved | None, directory: Path, mirror: Path, remade: Iterable[str], other: Iterable[str]
) -> Fate:
    """Return what becomes of a phase if `job`, its training, runs.

    Args:
        job: of rule `train`.
        saved: the phase's newest checkpoint, if it has one.
        directory: Snakemake's, with what was trained.
        mirror: where the slices are those of the recipe as it is now.
        remade: files that jobs before it make again, and that may come out as they were.
        other: those among them that surely come out otherwise.
    """
    folder, name = directory / folder_of(job), "{run}/{phase}".format_map(job.wildcards)
    slice_file = "results/recipe/phase/{run}.{phase}.json".format_map(job.wildcards)
    content = read_slice(mirror / slice_file, PhaseSlice)
    total = phase_slots(content)
    if saved is None:
        return Fate(name, [f"{amount(total)} slots to train, from the first step"], 0, 0, anew=True, begun=False)
    decisive = {file for file in job.input if file.endswith(("/rows.json", "/checkpoint.json"))}
    places = list(differences(saved.slice, json.loads(content.model_dump_json())))
    updated = set(job.files("Updated input files"))
    trained = _trained(folder, saved)
    if places or decisive & {*other, *updated}:
        known = not places or slice_file in updated
        sentences = [] if known else [f"its checkpoint is of another slice of the recipe: {few(places)}"]
        sentences += [f"trained anew: {_again(folder, total)}", f"{trained} go to {folder_of(job)}/superseded"]
        return Fate(name, sentences, saved.phase_slots, 0, anew=True)
    if decisive & set(remade):
        sentence = f"{trained} are kept only if what is made again before it comes out as it was"
        return Fate(name, [sentence], 0, saved.phase_slots, anew=False)
    if saved.phase_slots < total:
        sentence = f"goes on from step {saved.step}: {amount(saved.phase_slots)} of {amount(total)} slots are trained"
    else:
        sentence = (
            f"{trained} are kept: only checkpoint.json is written again. To train it anew, delete {FINISHED} and "
        )
        sentence += f"checkpoints in {folder_of(job)}"
    return Fate(name, [sentence], 0, 0, anew=False)


def costs(fates: Iterable[Fate]) -> list[str]:
    """Return what all phases together lose, or may lose, a clause for each; none if nothing is at stake."""
    told, fates = [], list(fates)
    for lost, what in (("lost", "would be set aside"), ("at_stake", "are at stake")):
        if slots := {fate.phase: getattr(fate, lost) for fate in fates if getattr(fate, lost)}:
            told.append(f"{amount(sum(slots.values()))} trained slots {what} ({few(list(slots))})")
    return told


def _again(folder: Path, total: int) -> str:
    """Return how much training that is, and how long it takes if the phase has ever shown its speed."""
    pace = read_pace(folder)
    time = f", about {duration(total / pace.slots_per_second)} at the speed it had" if pace else ""
    return f"{amount(total)} slots{time}"


def _trained(folder: Path, saved: Saved) -> str:
    """Return what the newest checkpoint stands for: `602 steps (1M slots)`; steps only where the log has the first."""
    slots = f"{amount(saved.phase_slots)} slots"
    first = _first_step(folder)
    return slots if first is None else f"{saved.step - first + 1} steps ({slots})"


def _first_step(folder: Path) -> int | None:
    with suppress(OSError, ValueError, KeyError, TypeError), open(folder / "metrics.jsonl", "rb") as stream:
        row: Any = json.loads(stream.readline())
        return int(row["step"])
    return None
