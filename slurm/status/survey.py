"""Where every phase of every run stands: `python -m slurm.status`.

It reads the files below `results/` and asks Slurm one question. It writes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from common.errors import UserError
from recipe.slices.files import read_slice
from recipe.slices.types import EvaluationSlice, PhaseSlice
from slurm.queue.commands import AbsentError, AwayError, SlurmError
from slurm.queue.jobs import queued
from slurm.queue.states import Queued
from slurm.status.phases import PhaseFiles, PhaseStatus, judge, read_files

Phase = tuple[str, str]
"""(run that owns the phase, name of the phase)."""


def read_lineages(results: Path) -> dict[str, list[Phase]]:
    """Return run -> its phases in order, those it shares with other runs among them; empty if no recipe was read."""
    paths = sorted((results / "recipe" / "evaluation").glob("*.json"))
    return {path.stem: read_slice(path, EvaluationSlice).lineage for path in paths}


def leftovers(results: Path, known: set[Phase]) -> list[Phase]:
    """Return phases that have a job but are in no recipe any more, unless they are done."""
    folders = sorted(path.parent for path in results.glob("runs/*/*/job.json"))
    phases = [(folder.parent.name, folder.name) for folder in folders if not (folder / "checkpoint.json").exists()]
    return [phase for phase in phases if phase not in known]


def read_phases(results: Path, runs: Sequence[str]) -> list[PhaseFiles]:
    """Read the files of every phase of `runs`, or of all if there are none, by run and in order.

    Raises `UserError` if there is no such run, or a slice of the recipe cannot be read.
    """
    lineages = read_lineages(results)
    others = leftovers(results, {phase for way in lineages.values() for phase in way})
    for phase in others:
        lineages.setdefault(phase[0], []).append(phase)
    if unknown := [run for run in runs if run not in lineages]:
        known = ", ".join(sorted(lineages)) or "none yet"
        raise UserError(f"there is no run {unknown[0]!r} in {results}; the runs there are: {known}.")
    before = {way[place]: way[place - 1] for way in lineages.values() for place in range(1, len(way))}
    places = {phase: place for way in lineages.values() for place, phase in enumerate(way)}
    chosen = {phase for run in runs or lineages for phase in lineages[run]}
    return [
        _read_phase(results, phase, None if phase in others else before.get(phase), phase not in others)
        for phase in sorted(chosen, key=lambda phase: (phase[0], places[phase]))
    ]


def _read_phase(results: Path, phase: Phase, previous: Phase | None, in_recipe: bool) -> PhaseFiles:
    path = results / "recipe" / "phase" / f"{'.'.join(phase)}.json"
    content = read_slice(path, PhaseSlice) if in_recipe else None
    waits = previous is not None and not results.joinpath("runs", *previous, "checkpoint.json").exists()
    waits_for = "/".join(previous) if previous and waits else None
    return read_files(*phase, results.joinpath("runs", *phase), content, waits_for)


def look(results: Path, runs: Sequence[str]) -> tuple[list[PhaseStatus], str]:
    """Return where the phases stand now, and a sentence about Slurm if it could not be asked.

    Raises `UserError` as `read_phases` does.
    """
    phases = read_phases(results, runs)
    jobs = [job for phase in phases if (job := phase.slurm_job)]
    slurm, problem = _ask(jobs) if jobs else ({}, "")
    return [judge(phase, slurm, time.time()) for phase in phases], problem


def _ask(jobs: Sequence[str]) -> tuple[dict[str, Queued] | None, str]:
    """Return what Slurm says of these jobs, or None and, in sentences, why there is no answer."""
    try:
        return queued(jobs), ""
    except AbsentError as error:
        problem = f"Slurm was not asked: {error.why}."
    except (AwayError, SlurmError) as error:
        problem = f"Slurm did not answer: {str(error).splitlines()[-1].rstrip('.')}."
    return None, f"{problem} What follows is from the files alone."
