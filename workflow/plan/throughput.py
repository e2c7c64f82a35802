"""How fast a device trains a model: as given, as measured in earlier steps, or as assumed from its peak.

Speeds are kept as floating-point operations a second that training reaches on one device, so that what was measured at
one row length says something about another. Slots are the busiest rank's: what a rank waits while others compute is no
slowness of the device.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, log
from pathlib import Path
from statistics import median
from typing import Literal

from common.errors import UserError
from recipe.needs import all_phases
from recipe.schema import Recipe, ancestry, lineage
from slurm.cluster.description import Node
from slurm.records.checkpoints import read_newest
from slurm.records.job import read_job
from slurm.records.progress import read_steps
from workflow.plan.estimate import ASSUMED_UTILISATION


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


class Speeds:
    """How fast a device is with the models of a recipe."""

    def __init__(self, recipe: Recipe, given: dict[str, float], runs: Path, cluster: str, node: Node | None) -> None:
        """Keep what is given, by run or model, and what `cluster` trained of the recipe's phases below `runs`.

        `node` is what phases will run on; None if it is not described.
        """
        self._recipe, self._given, self._node = recipe, given, node
        self._measured: dict[str, list[Measured]] = {}
        for run, phase in all_phases(recipe):
            if measured := measure(runs / run / phase, cluster):
                self._measured.setdefault(self._model(run), []).append(measured)

    def speed(self, run: str, length: int, flops: Callable[[int], float]) -> Speed | None:
        """Return the speed of a device at a row length; None if nothing tells it.

        `flops` gives the operations of one token at a row length. What is given counts at the length that the run
        begins with.
        """
        model = self._model(run)
        name = run if run in self._given else model
        if name in self._given:
            _, first = lineage(self._recipe, run)[0]
            begins = self._recipe.phases[first].stages[0].length
            return Speed(self._given[name] * flops(begins), "given", f"{name}: {self._given[name]:,.0f} at {begins}")
        if measured := nearest(self._measured.get(model, []), length):
            return Speed(measured.slots_per_second * flops(measured.length), "measured", measured.source)
        if self._node is None or not self._node.device_tflops:
            return None
        source = f"{ASSUMED_UTILISATION * 100:.0f} % of its peak of {self._node.device_tflops:g} TFLOP/s"
        return Speed(self._node.device_tflops * 1e12 * ASSUMED_UTILISATION, "assumed", source)

    def _model(self, run: str) -> str:
        return self._recipe.runs[ancestry(self._recipe, run)[0]].model or ""


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
    ranks = saved.ranks
    steps = read_steps(
        folder,
        lambda row: (row["length"], ceil(row["batch_rows"] / ranks) * row["length"] / row["step_seconds"]),
    )
    speeds = [speed for length, speed in steps if length == steps[-1][0]]
    if not speeds:
        return None
    return Measured(steps[-1][0], median(speeds), f"{len(speeds)} steps in {folder / 'metrics.jsonl'}")


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
