"""What becomes of what a phase has trained already, if its job runs: the trainer's rules, told before it applies them.

The trainer continues from the newest checkpoint, its own or any run's, whose history is a beginning of what the recipe
asks for, and sets aside what leads elsewhere (`model/history`). Whether that checkpoint is whole it finds out then.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.errors import UserError
from common.files import read_json
from common.finished import FINISHED
from common.quantities import amount, duration
from corpus.rows.listing import read_list
from model.history.candidates import Match, candidates, matches
from model.history.plan import plan_of
from model.history.position import Position
from model.history.store import load_state, pointed_directory
from recipe.schedule import phase_slots
from recipe.slices.files import read_slice
from recipe.slices.types import PhaseSlice
from slurm.records.checkpoints import Saved
from slurm.records.progress import read_pace
from workflow.cli.explain.differences import differences
from workflow.cli.explain.dry_run import Job
from workflow.cli.explain.reasons import few

STARTS = "results/starts/"


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
    folder, name = folder_of(job), "{run}/{phase}".format_map(job.wildcards)
    content = read_slice(mirror / "results/recipe/phase/{run}.{phase}.json".format_map(job.wildcards), PhaseSlice)
    total = phase_slots(content)
    begun = (file for file in job.input if file.endswith("/checkpoint.json") or file.startswith(STARTS))
    decisive = {str(folder / "rows.json"), *begun}
    if not decisive & {*remade, *other}:
        with suppress(UserError):  # rows or tokenizer are not there yet
            return _by_history(name, job, content, saved, directory)
    if saved is None:
        return Fate(name, [f"{amount(total)} slots to train, from the first step"], 0, 0, anew=True, begun=False)
    trained = _trained(directory / folder, saved)
    if decisive & set(other):
        sentences = [f"trained anew: {_again(directory / folder, total)}", f"{trained} go to {folder}/superseded"]
        return Fate(name, sentences, saved.phase_slots, 0, anew=True)
    sentence = f"{trained} are kept as far as what is made again before it comes out as it was"
    return Fate(name, [sentence], 0, saved.phase_slots, anew=False)


def _by_history(name: str, job: Job, content: PhaseSlice, saved: Saved | None, directory: Path) -> Fate:
    """Return what becomes of a phase whose inputs are all there: it goes on where any history agrees with its plan.

    Raises:
        UserError: an input is absent or damaged.
    """
    folder, total = folder_of(job), phase_slots(content)
    best = _newest_match(job, content, directory)
    reached = best.point.phase_slots if best else 0
    lost = max(0, saved.phase_slots - reached) if saved else 0
    sentences = []
    if saved and lost and (places := list(differences(saved.slice, json.loads(content.model_dump_json())))):
        sentences = [f"its checkpoint is of another slice of the recipe: {few(places)}"]
    if best is None and saved is None:
        sentences.append(f"{amount(total)} slots to train, from the first step")
    elif best is None:
        sentences.append(f"trained anew: {_again(directory / folder, total)}")
    else:
        whose = best.candidate.directory.relative_to(directory)
        where = "" if whose.is_relative_to(folder / "checkpoints") else f" of {whose.parent.parent}"
        if reached == total:
            sentences.append(
                f"its {amount(total)} slots{where} are kept: only checkpoint.json is written. To train it anew, delete "
                f"{FINISHED} and checkpoints in {folder}"
            )
        else:
            sentences.append(
                f"goes on from step {best.point.step}{where}: {amount(reached)} of {amount(total)} slots are trained"
            )
    if saved and lost:
        what = f"{amount(lost)} slots after it" if best else _trained(directory / folder, saved)
        sentences.append(f"{what} go to {folder}/superseded")
    finished_before = (directory / folder / "checkpoint.json").exists()
    anew = reached < total and (best is None or finished_before)
    return Fate(name, sentences, lost, 0, anew=anew, begun=bool(best or saved))


def _newest_match(job: Job, content: PhaseSlice, directory: Path) -> Match | None:
    folder = directory / folder_of(job)
    tokenizer = next(file for file in job.input if file.startswith("results/tokenizers/"))
    pointers = [file for file in job.input if file.endswith("/checkpoint.json")]
    before = Position.read(load_state(pointed_directory(directory / pointers[0]))["position"]) if pointers else None
    started = next((read_json(directory / file)["digest"] for file in job.input if file.startswith(STARTS)), None)
    plan = plan_of(content, read_list(folder / "rows.json"), read_json(directory / tokenizer), before, started)
    found = matches(plan, candidates(folder, directory / "results/runs"))
    return found[-1] if found else None


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
