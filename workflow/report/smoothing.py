"""Curves as means over stretches of equally many slots: a step of small batches weighs no more than one of large."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from workflow.report.metrics import Columns


def by_slots(slots: Columns, values: Columns, width: float) -> tuple[Columns, Columns]:
    """Return the means of slots and of values over equal stretches of about `width` slots; a whole number of them fits.

    A stretch without a step has no point, and NaN in the values does not count.

    Args:
        slots: float64[steps], trained on after each step, rising.
        values: float64[steps].
        width: slots of a stretch, of one phase as of the next.
    """
    if not len(slots):
        return slots, values
    begin = slots[0] - (slots[1] - slots[0] if len(slots) > 1 else width)
    stretches = max(1, round((slots[-1] - begin) / width))
    known = ~np.isnan(values)
    places = np.ceil((slots[known] - begin) * (stretches / (slots[-1] - begin)) - 1e-9)
    _, number = np.unique(places, return_inverse=True)
    counts = np.bincount(number)
    return np.bincount(number, slots[known]) / counts, np.bincount(number, values[known]) / counts


def limits(curves: Iterable[Columns]) -> tuple[float, float]:
    """Return limits of an axis that hold all these values, with some room; (0, 1) and room if there is none."""
    values = np.concatenate([[], *curves])
    low, high = (values.min(), values.max()) if len(values) else (0.0, 1.0)
    room = 0.06 * (high - low) or 0.5
    return float(low - room), float(high + room)
