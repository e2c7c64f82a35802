"""What `alasin run -n` tells: each job that would run, why, and what becomes of what its phase has trained already."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from common.errors import UserError
from common.tables import aligned
from slurm.records.checkpoints import read_newest
from workflow.cli.explain.dry_run import Job
from workflow.cli.explain.reasons import few
from workflow.cli.explain.training import Fate, costs, fate, folder_of
from workflow.cli.terminal.telling import steps

_OF_FILES = ("Missing output files", "Updated input files", "Input files updated by another job")
"""Reasons of Snakemake's that name files, of which there may be hundreds."""


def shortened(reason: str) -> str:
    """Return Snakemake's sentences with the first few of the files that they name."""
    return "; ".join(map(_few_files, re.split(r"; (?=[A-Z])", reason)))


def _few_files(sentence: str) -> str:
    because, colon, files = sentence.partition(": ")
    return f"{because}: {few(files.split(', '))}" if colon and because in _OF_FILES else sentence


@dataclass
class DryRun:
    """The jobs of a dry run in the present directory, one by one, causes before what follows from them."""

    _fates: list[Fate] = field(default_factory=list)
    _remade: set[str] = field(default_factory=set)
    _other: set[str] = field(default_factory=set)
    """Those files among them that surely come out otherwise."""

    def job(self, job: Job) -> str:
        """Return what is told of the next job."""
        lines = [job.rule_msg, shortened(job.reason)]
        if job.rule_name == "train":
            with suppress(UserError, OSError):  # a slice that cannot be read; without it the job is told all the same
                lines += self._training(job)
        self._remade.update(job.output)
        return "\n    ".join(lines)

    def _training(self, job: Job) -> list[str]:
        told = fate(job, read_newest(folder_of(job)), Path(), Path(), self._remade, self._other)
        self._fates.append(told)
        if told.anew:
            self._other.update(job.output)
        return told.sentences

    def end(self, planned: Mapping[str, int]) -> str:
        """Return the last lines: how many jobs of each rule, and what they would cost of what is trained.

        Args:
            planned: rule -> its jobs; `total` -> all of them.
        """
        table = "\n".join(aligned([[rule, str(count)] for rule, count in planned.items()], left=1))
        done = f"{steps(planned['total'])} would be done, and nothing was."
        return "\n".join([f"\n{table}\n", done, *(f"{cost}." for cost in costs(self._fates))])
