"""The explanation as a person reads it: how much would be done, then each job, causes before what follows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from slurm.records.checkpoints import read_newest
from workflow.cli.explain.dry_run import Job
from workflow.cli.explain.reasons import reasons
from workflow.cli.explain.training import Fate, costs, fate, folder_of

_ALIKE = 3
"""So many jobs of one rule for the same kind of reason are told one by one; of more, the first stands for
all. A phase that is trained in part or whole is always told."""


@dataclass
class _Told:
    """A job with what is said of it."""

    job: Job
    sentences: list[str] = field(default_factory=list)
    fate: Fate | None = None


def explanation(
    target: str, jobs: list[Job], directory: Path, mirror: Path, others: Mapping[str, Sequence[str]]
) -> str:
    """Return why `target` would be made and what that costs.

    Args:
        target: relative to Snakemake's working directory.
        jobs: of a dry run in `mirror`, causes first.
        directory: Snakemake's working directory.
        mirror: a mirror of it, with the slices of the recipe as it is now.
        others: manifest of a source -> how its raw files differ from those that were sampled.
    """
    if not jobs:
        return f"{target}: nothing to be done."
    told = list(_tell(jobs, directory, mirror, others))
    return "\n".join([_headline(target, told, directory), *_lines(told)])


def _tell(jobs: list[Job], directory: Path, mirror: Path, others: Mapping[str, Sequence[str]]) -> Iterator[_Told]:
    remade: set[str] = set()
    other: set[str] = set()
    for job in jobs:
        saved = read_newest(directory / folder_of(job)) if job.rule_name == "train" else None
        told = _Told(job, reasons(job, directory, mirror, saved and saved.slice, others))
        if job.rule_name == "train":
            told.fate = fate(job, saved, directory, mirror, remade, other)
            told.sentences += told.fate.sentences
            if told.fate.anew:
                other.update(job.output)
        remade.update(job.output)
        yield told


def _headline(target: str, told: list[_Told], directory: Path) -> str:
    again = " again" if (directory / target).exists() else ""
    line = f"{target} would be made{again} by {len(told)} job{'s' if len(told) > 1 else ''}"
    return "; ".join([line, *costs(entry.fate for entry in told if entry.fate)]) + ":"


def _lines(told: list[_Told]) -> Iterator[str]:
    alike: dict[tuple[str, ...], list[_Told]] = {}
    for entry in told:
        own = entry.fate.phase if entry.fate and entry.fate.begun else ""
        alike.setdefault((entry.job.rule_name, *entry.job.kinds, own), []).append(entry)
    for entries in alike.values():
        shown = entries if len(entries) <= _ALIKE else entries[:1]
        for entry in shown:
            yield f"  {entry.job.rule_msg}"
            yield from (f"      {sentence}" for sentence in entry.sentences)
        if len(shown) < len(entries):
            yield f"      and {len(entries) - 1} more like it"
