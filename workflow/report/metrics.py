"""The metrics of a phase, as its trainer wrote them, a line a step."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from common.errors import UserError

Columns = NDArray[np.float64]

COLUMNS = (
    "step",
    "slots",
    "batch_tokens",
    "learning_rate",
    "gradient_norm",
    "tokens_per_second",
    "step_seconds",
    "data_wait_seconds",
    "memory_bytes",
    "loss",
)
ENDS = 0.05
"""Share of a phase's steps that its first and its last loss are means of."""
FREQUENT = 0.5
"""Share of the steps that must hold a language for its loss to be a curve."""


@dataclass(frozen=True)
class Validated:
    """A measurement on held-out rows on the way."""

    slots: float
    """Of the lineage, when it was made."""
    loss: float
    """Nats per masked token; so is `language_loss`."""
    language_loss: Mapping[str, float]
    seconds: float


@dataclass(frozen=True)
class Metrics:
    """metrics.jsonl by columns, one entry a step."""

    columns: dict[str, Columns]
    """Name of `COLUMNS` -> float64[steps]; NaN where a step that was skipped had no finite number."""
    language_loss: dict[str, Columns]
    """Language -> float64[steps], nats per masked token; NaN where a batch held none of it."""
    validations: list[Validated]
    """In the order of the steps."""

    def __getitem__(self, name: str) -> Columns:
        """Return a column of `COLUMNS`."""
        return self.columns[name]

    def ends(self) -> tuple[float, float]:
        """Return the mean loss of the first and of the last `ENDS` of the steps, nats per masked token."""
        loss = self["loss"]
        steps = max(1, round(ENDS * len(loss)))
        return float(np.nanmean(loss[:steps])), float(np.nanmean(loss[-steps:]))

    def frequent(self) -> dict[str, Columns]:
        """Return the losses of the languages that at least `FREQUENT` of the steps hold; the others are mere noise."""
        return {name: loss for name, loss in self.language_loss.items() if np.isnan(loss).mean() <= 1 - FREQUENT}

    def seconds(self) -> float:
        """Return how long the steps took together, waiting for data included."""
        return float(self["step_seconds"].sum())

    def median(self, name: str) -> float:
        """Return the median of a column over the steps."""
        return float(np.median(self[name]))

    def wait_share(self) -> float:
        """Return the share of that time in which training waited for data."""
        return float(self["data_wait_seconds"].sum()) / self.seconds()


def read_metrics(path: Path) -> Metrics:
    """Read the metrics of a phase. Raises `UserError` naming the file, and the line that is no step."""
    columns: dict[str, list[float]] = {name: [] for name in COLUMNS}
    languages: list[Mapping[str, float]] = []
    validations: list[Validated] = []
    try:
        with open(path, encoding="utf-8") as stream:
            for line in stream:
                row = json.loads(line)
                for name, column in columns.items():
                    column.append(np.nan if row[name] is None else float(row[name]))
                languages.append(row["language_loss"])
                if measured := row.get("validation"):
                    values = {name: measured[name] for name in ("loss", "language_loss", "seconds")}
                    validations.append(Validated(slots=float(row["slots"]), **values))
    except FileNotFoundError:
        raise UserError(f"{path} does not exist; the phase has not been trained here.") from None
    except (ValueError, KeyError, TypeError) as error:
        number = len(languages) + 1
        raise UserError(f"{path} line {number} is not a step of training ({error}); train the phase again.") from None
    if not languages:
        raise UserError(f"{path} holds no step; delete its directory and train the phase again.")
    names = sorted({name for row in languages for name in row})
    return Metrics(
        {name: np.array(column) for name, column in columns.items()},
        {name: np.array([row.get(name, np.nan) for row in languages], dtype=np.float64) for name in names},
        validations,
    )
