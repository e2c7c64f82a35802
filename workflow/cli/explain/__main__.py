"""`alasin explain`: why a file would be made again, by which jobs, and what of training that would set aside."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from common.quantities import amount
from recipe.reading import read_recipe
from slurm.records.progress import read_saved
from workflow.cli.explain.differences import differences
from workflow.cli.explain.dry_run import Job, planned
from workflow.cli.explain.mirror import mirrored
from workflow.cli.run import snakemake_arguments

_SLICES = "results/recipe/"


def main() -> None:
    """Explain one file."""
    parser = argparse.ArgumentParser(
        prog="alasin explain",
        description="Tell why Snakemake would make a file again: each job on the way, its reason, and what was trained "
        "that would be set aside. Writes nothing.",
    )
    parser.add_argument("file", metavar="FILE", help="such as results/models/first/config.json, or all")
    parser.add_argument("--configfile", type=Path, required=True, metavar="RECIPE", help="the recipe")
    parser.add_argument("--directory", type=Path, default=Path(), help="where snakemake runs (default: here)")
    parser.add_argument("--profile", default="local", help="as of alasin run (default: local)")
    options = parser.parse_args()
    recipe = read_recipe(options.configfile)
    arguments = snakemake_arguments([str(options.configfile), "--profile", options.profile])
    directory: Path = options.directory
    target = _inside(options.file, directory)
    patterns = [pattern for source in recipe.sources.values() for pattern in source.files]
    with mirrored(directory, patterns) as mirror:
        jobs = planned(target, arguments, mirror)
        print(explanation(target, jobs, directory, mirror))


def _inside(file: str, directory: Path) -> str:
    """Return a file's path from the directory that Snakemake works in, if it was given from here."""
    path, base = Path(os.path.normpath(Path.cwd() / file)), Path(os.path.normpath(Path.cwd() / directory))
    return str(path.relative_to(base)) if path.is_relative_to(base) else file


def explanation(target: str, jobs: list[Job], directory: Path, mirror: Path) -> str:
    """Return, for people, what the jobs do and why; `mirror` holds the slices of the recipe as it is now."""
    jobs = [job for job in jobs if job.output]
    if not jobs:
        return f"{target}: nothing to be done."
    makers = {file: job for job in jobs for file in job.output}
    lines = [f"{target} would be made by {len(jobs)} job{'s' if len(jobs) > 1 else ''}:"]
    for job in jobs:
        lines.append(f"  {job.rule_msg}")
        lines += [f"      {sentence}" for sentence in _reasons(job, makers, directory, mirror)]
        if job.rule_name == "train":
            lines += [f"      {sentence}" for sentence in _costs(job, directory, mirror)]
    return "\n".join(lines)


def _reasons(job: Job, makers: dict[str, Job], directory: Path, mirror: Path) -> list[str]:
    told = [f"{file} is not there" for file in job.files("Missing output files")]
    for file in job.files("Updated input files"):
        if file.startswith(_SLICES):
            told.append(f"its slice of the recipe differs in {_changes(directory / file, mirror / file)}")
        else:
            told.append(f"{file} has changed")
    told += [f"{file} is made again" for file in job.files("Input files updated by another job")]
    return told or [job.reason]


def _changes(old: Path, new: Path) -> str:
    if not old.is_file():
        return "all: it is new"
    return ", ".join(differences(json.loads(old.read_text()), json.loads(new.read_text())))


def _costs(job: Job, directory: Path, mirror: Path) -> list[str]:
    folder = Path("results/runs", job.wildcards["run"], job.wildcards["phase"])
    saved = read_saved(directory / folder)
    if saved is None:
        return []
    name = f"{_SLICES}phase/{job.wildcards['run']}.{job.wildcards['phase']}.json"
    trained = f"step {saved.step}, {amount(saved.phase_tokens)} tokens"
    if saved.slice == json.loads((mirror / name).read_text()):
        return [f"its newest checkpoint is of the same slice: {trained}"]
    return [f"what was trained, up to {trained}, is set aside in {folder}/superseded"]
