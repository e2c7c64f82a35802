"""How fast a device trains a model: as given, as measured in earlier steps, or as assumed from its peak.

Speeds are kept as floating-point operations a second that training reaches on one device, so that what was measured at
one row length says something about another. Slots are the busiest rank's: what a rank waits while others compute is no
slowness of the device.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from math import ceil, log
from pathlib import Path
from statistics import median
from typing import Literal, NamedTuple

from common.errors import UserError
from slurm.records.checkpoints import read_newest
from slurm.records.job import read_job
from slurm.records.progress import last_metrics


@dataclass(frozen=True)
class Speed:
    """What training reaches on one device, and how that is known."""

    flops: float
    """Floating-point operations a second."""
    how: Literal["given", "measured", "assumed"]
    source: str
    """Where the number comes from, for people."""


@dataclass(frozen=True)
class Measured:
    """Steps of one phase at one row length."""

    length: int
    slots_per_second: float
    """On the busiest rank."""
    source: str


def measure(folder: Path, cluster: str) -> Measured | None:
    """Return the speed of a phase's last steps; None if there are none, or another cluster made them.

    The metrics do not tell the number of ranks. The last job and the newest checkpoint do, and must agree: a job that
    is wider than the one before may still be waiting.
    """
    try:
        job, saved = read_job(folder), read_newest(folder)
    except UserError:  # a plan is made without it: whoever continues the phase will be told
        return None
    if job is None or saved is None or (job.cluster, job.processes) != (cluster, saved.ranks):
        return None
    steps = _steps(folder, saved.ranks)
    speeds = [step.slots_per_second for step in steps if step.length == steps[-1].length]
    if not speeds:
        return None
    return Measured(steps[-1].length, median(speeds), f"{len(speeds)} steps in {folder / 'metrics.jsonl'}")


def nearest(measured: list[Measured], length: int) -> Measured | None:
    """Return what was measured at the row length nearest to `length`, the first of several; None if there is none."""
    return min(measured, key=lambda one: abs(log(one.length / length)), default=None)


def parse_given(texts: list[str], names: set[str]) -> dict[str, float]:
    """Read `NAME=TOKENS` from the command line.

    Raises:
        UserError: if one has another form or names nothing in `names`.
    """
    given = {}
    for text in texts:
        name, _, number = text.partition("=")
        if name not in names:
            raise UserError(
                f"--tokens-per-second {text}: the recipe has no run or model {name!r}; "
                f"it has {', '.join(sorted(names))}."
            )
        try:
            given[name] = float(number.replace("_", ""))
        except ValueError:
            given[name] = 0.0
        if not 0 < given[name] < float("inf"):
            raise UserError(f"--tokens-per-second {text}: give tokens a second on one device, as in {name}=14000.")
    return given


class _Step(NamedTuple):
    length: int
    slots_per_second: float


def _steps(folder: Path, ranks: int) -> list[_Step]:
    """Return a phase's last steps, oldest first; lines that are no steps are passed over."""
    steps = []
    for row in last_metrics(folder):
        with suppress(KeyError, TypeError, ZeroDivisionError):
            slots = ceil(row["batch_rows"] / ranks) * row["length"]
            steps.append(_Step(row["length"], slots / row["step_seconds"]))
    return steps
