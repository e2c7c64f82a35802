"""Why a job would run: Snakemake's reasons for people, with what has changed in a slice."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from workflow.cli.explain.differences import differences
from workflow.cli.explain.dry_run import Job, inputs_before

_SLICES = "results/recipe/"
_NAMED = 3
"""Files or places named in a sentence; the others are counted."""


def few(names: Sequence[str]) -> str:
    """Return names as a list in a sentence, the first few of many."""
    shown = ", ".join(names[:_NAMED])
    return f"{shown} and {len(names) - _NAMED} more" if len(names) > _NAMED else shown


def reasons(
    job: Job,
    directory: Path,
    mirror: Path,
    of_checkpoint: Any = None,
    others: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> list[str]:
    """Return why a job would run, a sentence each.

    That its inputs are made again is told only where there is no other reason: it follows from the jobs before.

    Args:
        job: of a dry run in `mirror`.
        directory: Snakemake's, with the slices as they are.
        mirror: where the slices are those of the recipe as it is now.
        of_checkpoint: the slice that the job's phase was trained by, if it is known; Snakemake may have read a newer
            recipe since.
        others: manifest of a source -> how its raw files differ from those that were sampled.
    """
    told = []
    if missing := job.files("Missing output files"):
        told.append(f"{few(missing)} {'are' if len(missing) > 1 else 'is'} not there")
    if other := [change for file in job.output for change in others.get(file, [])]:
        told.append(f"{few(other)}: where you want that, delete {few(job.output)}; else nothing goes on")
    elif "Forced execution" in job.reason:  # nobody forces anything else but `rerun-incomplete` of the profile
        told.append(f"{few(job.output)} may be half written: the job that made it did not end")
    updated = job.files("Updated input files")
    for file in updated:
        if file.startswith(_SLICES):
            told.append(_changed_slice(of_checkpoint or _slice(directory / file), _slice(mirror / file)))
    if newer := [file for file in updated if not file.startswith(_SLICES)]:
        told.append(f"{few(newer)} {'have' if len(newer) > 1 else 'has'} changed since")
    if "Set of input files has changed" in job.reason:
        told.append(_changed_set(job, mirror))
    if params := re.search(r"Params have changed.*?before: (.*?) now: (.*?)(?:; Software environment.*)?$", job.reason):
        told.append(f"its parameters have changed: {params[1].strip()} -> {params[2].strip()}")
    if not told and (remade := job.files("Input files updated by another job")):
        told.append(f"{few(remade)} {'are' if len(remade) > 1 else 'is'} made again")
    return told or [job.reason]


def _slice(path: Path) -> Any:
    return json.loads(path.read_bytes()) if path.is_file() else None


def _changed_slice(old: Any, new: Any) -> str:
    places = list(differences(old, new))
    if old is None or not places:
        return "its slice of the recipe has changed since it was made"
    return f"its slice of the recipe differs: {few(places)}"


def _changed_set(job: Job, mirror: Path) -> str:
    now, before = set(job.input), {file for output in job.output for file in inputs_before(output, mirror) or job.input}
    added, gone = sorted(now - before), sorted(before - now)
    parts = [*([f"now also {few(added)}"] if added else []), *([f"no longer {few(gone)}"] if gone else [])]
    return f"the set of its inputs has changed: {', '.join(parts)}" if parts else "the set of its inputs has changed"
