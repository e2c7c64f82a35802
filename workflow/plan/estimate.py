"""How much a phase computes, how long that takes and what it writes: from the recipe and a device's speed alone."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from common.errors import UserError
from common.quantities import duration

# Steps are counted with the trainer's own formula (it needs no torch): a copy of it would drift away.
from recipe.schedule import batch_sizes
from recipe.slices.types import StageSlice

ASSUMED_UTILISATION = 0.20
"""Share of a device's bf16 peak that training is assumed to reach where nothing is measured: ModernBERT-large was
published at 17 to 23 % on LUMI's GCDs (arXiv 2511.09213), ModernBERT-base at 25 % on H100 (arXiv 2412.13663)."""
START_UP_MINUTES = 10.0
"""Of each job's walltime: the container starts, shards are verified, the checkpoint is read."""
SAVE_MINUTES = 5.0
"""Of each job's walltime: kept free at its end for finishing a step and the checkpoint."""
BYTES_PER_PARAMETER = 12
"""Of a checkpoint: float32 weight and two moments."""


@dataclass(frozen=True)
class Work:
    """What a stage of training is for a given number of ranks."""

    steps: int
    slots: int
    """Trained on: rows x length."""
    slots_of_a_rank: int
    """Those that the busiest rank computes; the others wait for it at the end of each step."""


def stage_work(stage: StageSlice, ranks: int) -> Work:
    """Return the steps and slots of a stage; rows of a batch are dealt to `ranks` one by one."""
    batches = list(batch_sizes(stage))
    return Work(
        steps=sum(count for _, count in batches),
        slots=sum(rows * count for rows, count in batches) * stage.length,
        slots_of_a_rank=sum(ceil(rows / ranks) * count for rows, count in batches) * stage.length,
    )


def jobs_needed(training_hours: float, walltime_minutes: float) -> int:
    """Return how many jobs of a walltime it takes; each loses `START_UP_MINUTES` and `SAVE_MINUTES` of it.

    Raises:
        UserError: if nothing is left of the walltime.
    """
    usable = walltime_minutes - START_UP_MINUTES - SAVE_MINUTES
    if usable <= 0:
        raise UserError(
            f"a runtime of {duration(60 * walltime_minutes)} leaves no time to train: about {START_UP_MINUTES:g} "
            f"minutes go to the start and {SAVE_MINUTES:g} to the last checkpoint; set a longer runtime in the profile."
        )
    return max(1, ceil(training_hours * 60 / usable))


def saves(training_hours: float, checkpoint_seconds: float, stages: int, jobs: int) -> int:
    """Return how many checkpoints a phase writes: at intervals, after each stage, at the end of jobs but the last."""
    return int(training_hours * 3600 / checkpoint_seconds) + stages + jobs - 1
