"""Which steps are skipped: those whose loss or gradient norm is not finite, or far above those before it.

The rule is that of OLMo-core's SkipStepOptimizer (https://github.com/allenai/OLMo-core, optim/skip_step_optimizer.py).
Losses and gradient norms of the last 128 steps have a window each. Once a window is half full, a value is out of line
if it lies more than 6 standard deviations above the window's mean; below it nothing is. A value that is out of line
enters the window all the same, so that a loss that stays higher is accepted in the end; one that is not finite never
enters. The windows begin anew where what is trained changes, for losses jump there.

What is judged are sums over all ranks, so that all ranks judge alike, and windows are kept in checkpoints, so that a
training that was interrupted judges like one that was not.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from model.history.position import Position
from model.history.store import complete_checkpoints, step_of

WINDOW = 128
"""Steps that are looked back on."""
DEVIATIONS = 6.0
"""Standard deviations above the mean of the window that are still in line."""
MOST_SKIPPED = 8
"""Steps of the last `WINDOW` that may be skipped. Single rows that break the loss come in a few steps of thousands;
where one step in sixteen breaks, training diverges or its data is broken, and the rest would be trained in vain. Where
every step breaks, this is nine steps."""


class Guard:
    """Judges each step once, in order."""

    def __init__(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned, or begin with nothing."""
        self._trained: dict[str, Any] = dict(state.get("trained", {}))
        self._windows = {name: list(state.get(name, [])) for name in ("losses", "norms")}
        self._skipped: list[int] = list(state.get("skipped", []))
        self.count: int = state.get("count", 0)
        """Steps that were skipped, over the whole lineage."""

    def state(self) -> dict[str, Any]:
        """Return all that later judgements depend on, as JSON."""
        windows = {name: list(values) for name, values in self._windows.items()}
        return {"trained": self._trained, **windows, "skipped": list(self._skipped), "count": self.count}

    def enter(self, trained: Mapping[str, Any]) -> None:
        """Begin a stage; the windows go on if it trains the same as the one before.

        Args:
            trained: what decides how high losses are, as JSON.
        """
        if self._trained != trained:
            self._trained = dict(trained)
            self._windows = {name: [] for name in self._windows}

    def judge(self, step: int, loss: float, norm: float) -> str | None:
        """Return why a step is skipped, None if it is in line.

        Args:
            step: its number, one after the last that was judged.
            loss: nats per masked token of the whole batch.
            norm: of the whole gradient, before clipping.
        """
        values = {"losses": ("loss", loss), "norms": ("gradient's norm", norm)}
        reasons = [reason for name, (what, value) in values.items() if (reason := self._problem(name, what, value))]
        self._skipped = [earlier for earlier in self._skipped if earlier > step - WINDOW]
        if not reasons:
            return None
        self._skipped.append(step)
        self.count += 1
        return " and ".join(reasons)

    def _problem(self, name: str, what: str, value: float) -> str | None:
        if not math.isfinite(value):
            return f"the {what} ({value}) is not a finite number"
        before = self._windows[name]
        self._windows[name] = [*before, value][-WINDOW:]
        if len(before) < WINDOW // 2:
            return None
        mean, deviation = float(np.mean(before)), float(np.std(before, ddof=1))
        if value - mean <= DEVIATIONS * deviation:
            return None
        return (
            f"the {what} ({value:.4g}) is more than {DEVIATIONS:g} standard deviations ({deviation:.3g}) above "
            f"{mean:.4g}, the mean of the last {len(before)} steps"
        )

    @property
    def recent(self) -> list[int]:
        """Those of the last `WINDOW` steps that were skipped, by number."""
        return list(self._skipped)

    @property
    def too_many(self) -> bool:
        """Whether so many steps are skipped that training is in vain."""
        return len(self._skipped) > MOST_SKIPPED


def skipped_sentence(position: Position, rows: tuple[int, int], reason: str, phase: str) -> str:
    """Return what is said of a step that was skipped.

    Args:
        position: after the step.
        rows: its first and its last global row.
        reason: why it was skipped.
        phase: as RUN/PHASE.
    """
    stream = position.data.stream
    return (
        f"step {position.step} is skipped, weights and moments stay as they are: {reason}. Its global rows are "
        f"{rows[0]} to {rows[1]} of stream {stream}; `alasin inspect {phase} {rows[0]} --stream {stream}` shows the "
        "documents in one."
    )


def in_vain(guard: Guard, step: int, folder: Path) -> str:
    """Return what is said where too many steps were skipped, up to `step`; `folder` is the phase's."""
    whole = complete_checkpoints(folder / "checkpoints")
    before = [one for one in whole if step_of(one) < guard.recent[0]]
    where = "Train anew, as there is no checkpoint,"
    if before:
        where = f"Go on from {before[-1]}, the newest checkpoint from before the first of them,"
    elif whole:
        where = f"Go on from {whole[-1]}, the newest checkpoint, in whose weights no skipped step has left anything,"
    return (
        f"{len(guard.recent)} of the last {WINDOW} steps were skipped, the last at step {step}, and at most "
        f"{MOST_SKIPPED} may be: their losses or gradients are not finite, or far above those before. {where} with a "
        "lower rate (learning_rate.changes of the stage) or without the rows at fault (skip_rows), which metrics.jsonl "
        "tells of each step that was skipped."
    )
