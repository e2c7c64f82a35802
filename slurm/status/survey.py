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
from slurm.queue.jobs import Seen, queued
from slurm.status.phases import PhaseFiles, PhaseStatus, judge, read_phase

Phase = tuple[str, str]
"""(run that owns the phase, name of the phase)."""


def read_phases(results: Path, runs: Sequence[str]) -> list[PhaseFiles]:
    """Read the files of every phase of `runs`, or of all if there are none, by run and in order.

    Phases that have a job but are in no recipe any more are among them, unless they are done. Raises `UserError` if
    there is no such run, or a slice of the recipe cannot be read.
    """
    slices = sorted((results / "recipe" / "evaluation").glob("*.json"))
    lineages: dict[str, list[Phase]] = {path.stem: read_slice(path, EvaluationSlice).lineage for path in slices}
    before = {way[place]: way[place - 1] for way in lineages.values() for place in range(1, len(way))}
    known = {phase for way in lineages.values() for phase in way}
    for folder in sorted(path.parent for path in results.glob("runs/*/*/job.json")):
        run, name = folder.parent.name, folder.name
        if (run, name) not in known and not (folder / "checkpoint.json").exists():
            lineages.setdefault(run, []).append((run, name))
    if unknown := [run for run in runs if run not in lineages]:
        there = ", ".join(sorted(lineages)) or "none yet"
        raise UserError(f"there is no run {unknown[0]!r} in {results}; the runs there are: {there}.")
    places = {phase: place for way in lineages.values() for place, phase in enumerate(way)}
    chosen = {phase for run in runs or lineages for phase in lineages[run]}
    phases = []
    for run, name in sorted(chosen, key=lambda phase: (phase[0], places[phase])):
        path = results / "recipe" / "phase" / f"{run}.{name}.json"
        content = read_slice(path, PhaseSlice) if (run, name) in known else None
        first = before.get((run, name))
        waits_for = (
            "/".join(first) if first and not results.joinpath("runs", *first, "checkpoint.json").exists() else None
        )
        phases.append(read_phase(results, run, name, content, waits_for))
    return phases


def look(results: Path, runs: Sequence[str]) -> tuple[list[PhaseStatus], str]:
    """Return where the phases stand now, and a sentence about Slurm if it could not be asked.

    Raises `UserError` as `read_phases` does.
    """
    phases = read_phases(results, runs)
    jobs = [job for phase in phases if (job := phase.slurm_job)]
    slurm, problem = _ask(jobs) if jobs else ({}, "")
    return [judge(phase, slurm, time.time()) for phase in phases], problem


def _ask(jobs: Sequence[str]) -> tuple[dict[str, Seen] | None, str]:
    """Return what Slurm says of these jobs, or None and, in sentences, why there is no answer."""
    try:
        return queued(jobs), ""
    except AbsentError as error:
        problem = f"Slurm was not asked: {error}"
    except (AwayError, SlurmError) as error:
        problem = f"Slurm did not answer: {str(error).splitlines()[-1].rstrip('.')}."
    return None, f"{problem} What follows is from the files alone."
