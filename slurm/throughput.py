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
from typing import Any, Literal

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
    if not states or not (folder / "job.json").exists() or read_json(folder / "job.json").get("cluster") != cluster:
        return None
    state = read_json(states[-1])
    lines = [line for line in _last_lines(folder / "metrics.jsonl") if line["step"] <= state["position"]["step"]]
    lines = [line for line in lines[-_STEPS:] if line["length"] == lines[-1]["length"]]
    if not lines:
        return None
    speeds = [ceil(line["batch_rows"] / state["world_size"]) * line["length"] / line["step_seconds"] for line in lines]
    return Measured(lines[-1]["length"], median(speeds), f"{len(speeds)} steps in {folder / 'metrics.jsonl'}")


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


def _last_lines(path: Path) -> list[dict[str, Any]]:
    """Return the last objects of a JSON Lines file; a line cut off by a kill, or an unreadable one, is left out."""
    if not path.exists():
        return []
    with open(path, encoding="utf-8", errors="replace") as stream:
        texts = deque(stream, maxlen=_LINES)
    lines = []
    for text in texts:
        with suppress(json.JSONDecodeError):
            lines.append(json.loads(text))
    return lines
