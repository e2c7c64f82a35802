"""How fast a device trains a model: as given, as measured in earlier steps, or as assumed from its peak.

Speeds are kept as floating-point operations a second that training reaches on one device, so that what was measured at
one row length says something about another. Tokens are slots, and the busiest rank's: what a rank waits while others
compute is no slowness of the device.
"""

from __future__ import annotations

import json
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from math import ceil, log
from pathlib import Path
from statistics import median
from typing import Literal, NamedTuple

from corpus.files import UserError, read_json

_STEPS = 200
"""Steps before the newest checkpoint whose median is taken."""
_LINES = 20_000
"""Lines read from the end of metrics.jsonl; more steps than this after the newest checkpoint, and it is too old."""


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
    tokens_per_second: float
    """Slots a second on the busiest rank."""
    source: str


def measure(folder: Path, cluster: str) -> Measured | None:
    """Return the speed of the steps before a phase's newest checkpoint; None if it has none, or another cluster ran it.

    The number of ranks is that of the checkpoint; the metrics do not tell it.
    """
    states = sorted(folder.glob("checkpoints/step-*/state.json"))
    if not states:
        return None
    # A plan is made without what cannot be read: whoever continues the phase will be told.
    with suppress(UserError, KeyError, TypeError):
        state = read_json(states[-1])
        newest, ranks = int(state["position"]["step"]), int(state["world_size"])
        if read_json(folder / "job.json")["cluster"] != cluster:
            return None
        steps = [step for step in _last_steps(folder / "metrics.jsonl", ranks) if step.number <= newest][-_STEPS:]
        speeds = [step.tokens_per_second for step in steps if step.length == steps[-1].length]
        if speeds:
            source = f"{len(speeds)} steps in {folder / 'metrics.jsonl'}"
            return Measured(steps[-1].length, median(speeds), source)
    return None


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
    number: int
    length: int
    tokens_per_second: float


def _last_steps(path: Path, ranks: int) -> list[_Step]:
    """Return the last steps in a metrics.jsonl; a line cut off by a kill, or one that is no step, is left out."""
    if not path.exists():
        return []
    with open(path, encoding="utf-8", errors="replace") as stream:
        lines = deque(stream, maxlen=_LINES)
    steps = []
    for line in lines:
        with suppress(ValueError, KeyError, TypeError, ZeroDivisionError):
            row = json.loads(line)
            slots = ceil(row["batch_rows"] / ranks) * row["length"]
            steps.append(_Step(row["step"], row["length"], slots / row["step_seconds"]))
    return steps
