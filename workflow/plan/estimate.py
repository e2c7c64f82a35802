"""How much a phase computes, how long that takes and what it writes: from the recipe and a device's speed alone."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from common.errors import UserError
from common.quantities import duration

# Steps are counted with the trainer's own formula (it needs no torch): a copy of it would drift away.
from recipe.schedule import batch_sizes
from recipe.schema import ModelShape
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


def parameters(shape: ModelShape, padded_vocabulary: int) -> int:
    """Return the parameters of an encoder with its head, tied embeddings counted once (`model/modernbert.py`)."""
    hidden = shape.hidden
    layer = 4 * hidden**2 + 3 * hidden * shape.intermediate + 2 * hidden
    embeddings = padded_vocabulary * hidden + hidden
    head = hidden**2 + hidden + padded_vocabulary
    # Layer 0 has no norm before attention, but there is one after the last layer.
    return embeddings + shape.layers * layer + head


def training_flops(shape: ModelShape, padded_vocabulary: int, length: int, masking_rate: float) -> float:
    """Return the floating-point operations of one token, forward and backward.

    Matrix products alone, two operations for each multiplication and addition, and the backward pass twice the forward
    one (Kaplan et al. 2020, arXiv 2001.08361, section 2.1):

        layer:  2 (4 H^2 + 3 H I) + 4 H K       projections and gated MLP; scores and their sums over K keys
        head:   2 (H^2 + H V) x masking rate    masked positions only

    K is `length` in a global layer, else at most the window's keys: half of it to either side, and the token itself.
    Documents are taken to be as long as the row; where they are shorter, global layers do less.
    """
    hidden = shape.hidden
    global_layers = ceil(shape.layers / shape.global_every)
    window = min(length, 2 * (shape.local_attention // 2) + 1)
    keys = global_layers * length + (shape.layers - global_layers) * window
    layers = shape.layers * 2 * (4 * hidden**2 + 3 * hidden * shape.intermediate) + 4 * hidden * keys
    head = 2 * (hidden**2 + hidden * padded_vocabulary) * masking_rate
    return 3.0 * (layers + head)


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
