"""Every figure of the report that is drawn a run or a phase at a time: axes and stretches of one kind alike for all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from workflow.report import figures
from workflow.report.results import HeldOut, PhaseResult
from workflow.report.smoothing import by_slots, limits

POINTS = 100
"""Stretches of equally many slots in the longest lineage; a curve has a point for each."""
OF_LANGUAGES = 40
"""The same for losses of single languages, which are noisier."""
COLUMNS = {
    "learning_rate": ("learning rate", False),
    "batch_tokens": ("batch, tokens", False),
    "gradient_norm": ("gradient norm", True),
    "tokens_per_second": ("tokens per second", False),
    "data_wait_seconds": ("wait for data, seconds", False),
}
"""Column of the metrics -> what its axis says, and whether that is logarithmic."""


def drawn(
    lineages: Mapping[str, Sequence[PhaseResult]],
    phases: Sequence[PhaseResult],
    held_out: Mapping[str, Sequence[HeldOut]],
    languages: Sequence[str],
    runs: Sequence[str],
) -> dict[str, Any]:
    """Draw every figure.

    Args:
        lineages: run -> its phases.
        phases: each phase once.
        held_out: run -> its losses.
        languages: in the order of their colours.
        runs: in the order in which they are shown, and of their colours.
    """
    longest = max(phase.slots for phase in phases)
    width, wider = longest / POINTS, longest / OF_LANGUAGES
    losses = limits(
        [
            *(by_slots(phase.metrics["slots"], phase.metrics["loss"], width)[1] for phase in phases),
            np.array([one.loss for phase in phases for one in phase.metrics.validations]),
        ]
    )
    of_languages = limits(
        by_slots(phase.metrics["slots"], loss, wider)[1]
        for phase in phases
        for loss in phase.metrics.frequent().values()
    )
    measured = limits(np.array([*row.interval, row.unigram_loss]) for rows in held_out.values() for row in rows)
    owners = [run for run in runs if any(phase.run == run for phase in phases)]
    return {
        "owners": owners,
        "loss": {run: figures.loss_curve(lineages[run], losses, width) for run in runs},
        "language": {run: figures.language_curves(lineages[run], languages, of_languages, wider) for run in runs},
        "held_out": {run: figures.held_out_dots(rows, measured) for run, rows in held_out.items() if rows},
        "columns": {
            name: figures.column_curves(phases, owners, name, label, log, width)
            for name, (label, log) in COLUMNS.items()
        },
    }
