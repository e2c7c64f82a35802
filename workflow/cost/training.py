"""What the phases of a recipe took: the time for which their jobs were held, and the part of it that was training.

Beside it stands what their own first steps foretold: the median of their speed, in floating-point operations a second
of the busiest rank, over the whole phase, by the formulas of `workflow.plan`. A plan that is made then says the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from math import ceil
from pathlib import Path
from statistics import median
from typing import Any

from common.errors import UserError
from model.cost import padded_vocabulary, training_flops
from recipe.needs import trained_phases
from recipe.schema import Recipe
from recipe.slices.making import phase_slice
from recipe.slices.types import PhaseSlice
from slurm.records.history import Run, read_history
from slurm.records.job import Job, read_job
from workflow.plan.estimate import stage_work

FIRST_STEPS = 100
"""From whose speed the rest is foretold."""
WARMING_UP = 5
"""Of them, that are passed over: kernels are compiled and files are read for the first time."""


@dataclass(frozen=True)
class Took:
    """What a phase took up to now. None is what is not known."""

    run: str
    phase: str
    steps: int
    all_steps: int
    """Of the phase as the recipe has it."""
    job: Job | None
    """The last one that was submitted."""
    jobs: list[Run]
    """Every run of each of its jobs that has ended."""
    training_hours: float
    """Of the steps, checkpoints and validation among them."""
    foretold_hours: float | None
    """The same of all steps of the phase, by the speed of its first ones."""

    @property
    def held_hours(self) -> float:
        """For which jobs were held: what is billed."""
        return sum(job.ended - job.started for job in self.jobs) / 3600


def phases_took(recipe: Recipe, runs: Path) -> list[Took]:
    """Return what the phases of a recipe took that have begun, each once, in the order of the recipe.

    Args:
        recipe: whose phases to look for.
        runs: the directory `results/runs`.

    Raises:
        UserError: the records of a phase's jobs are damaged.
    """
    found = []
    for run, phase in trained_phases(recipe):
        folder = runs / run / phase
        if (folder / "metrics.jsonl").is_file():
            tokenizer = recipe.tokenizers[(content := phase_slice(recipe, run, phase)).tokenizer]
            found.append(_took(folder, content, padded_vocabulary(tokenizer)))
    return found


def _took(folder: Path, content: PhaseSlice, vocabulary: int) -> Took:
    job = _job(folder)
    ranks = job.processes if job else None
    seconds, steps = 0.0, 0
    speeds: list[float] = []
    for row in _rows(folder / "metrics.jsonl"):
        with suppress(KeyError, TypeError, ZeroDivisionError, IndexError):
            seconds += row["step_seconds"]
            steps += 1
            if steps <= FIRST_STEPS and ranks:
                slots = ceil(row["batch_rows"] / ranks) * row["length"]
                masking_rate = content.stages[row["stage"]].masking_rate
                flops = training_flops(content.model, vocabulary, row["length"], masking_rate)
                speeds.append(slots * flops / row["step_seconds"])
    foretold = None
    if ranks and len(speeds) > WARMING_UP:
        operations = sum(
            stage_work(stage, ranks).slots_of_a_rank
            * training_flops(content.model, vocabulary, stage.length, stage.masking_rate)
            for stage in content.stages
        )
        foretold = operations / median(islice(speeds, WARMING_UP, None)) / 3600
    all_steps = sum(stage_work(stage, 1).steps for stage in content.stages)
    return Took(content.run, content.phase, steps, all_steps, job, read_history(folder), seconds / 3600, foretold)


def _job(folder: Path) -> Job | None:
    """Return the record of a phase's last job, or None where there is none that can be read."""
    try:
        return read_job(folder)
    except UserError:
        return None


def _rows(path: Path) -> Iterator[Mapping[str, Any]]:
    """Yield the lines of metrics; those that were cut off are passed over."""
    with open(path, "rb") as stream:
        for line in stream:
            with suppress(ValueError):
                row = json.loads(line)
                if isinstance(row, dict):
                    yield row
