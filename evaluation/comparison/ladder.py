"""Loss of a large run foretold from smaller ones, and how far off that is: held-out loss as a function of compute.

With three runs and more the curve is a + b C^-c, a, b >= 0 (Kaplan et al. 2020, arXiv 2001.08361, with an irreducible
loss as in Hoffmann et al. 2022, arXiv 2203.15556); with two a line in log C, which has no floor. For a given c the best
a and b follow by least squares, so that only c is searched for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

EXPONENTS = (0.005, 2.0)
"""Between which c is looked for; near the lower end the curve is a line in log C."""
GRID = 64
ROUNDS = 4
"""The grid of c is laid anew around its best point so often: to a relative 1e-6 or so."""


@dataclass(frozen=True)
class Curves:
    """Fitted curves, one for each sample of losses."""

    form: str
    """`power` for a + b (C / unit)^-c, `line` for a + b log(C / unit)."""
    unit: float
    a: Floats
    b: Floats
    c: Floats

    def at(self, compute: float) -> Floats:
        """Return float64[samples], the loss at so much compute."""
        if self.form == "line":
            return np.asarray(self.a + self.b * np.log(compute / self.unit))
        return np.asarray(self.a + self.b * (compute / self.unit) ** -self.c)


def fit(compute: Floats, losses: Floats) -> Curves:
    """Fit a curve to each sample of losses.

    Args:
        compute: float64[k], k >= 2, all different.
        losses: float64[samples, k].
    """
    unit = float(np.exp(np.log(compute).mean()))
    if len(compute) == 2:
        x = np.log(compute / unit)
        slope = (losses[:, 1] - losses[:, 0]) / (x[1] - x[0])
        return Curves("line", unit, losses.mean(axis=1), slope, np.zeros(len(losses)))
    low, high = (np.full(len(losses), np.log(end)) for end in EXPONENTS)
    for _ in range(ROUNDS):
        steps = np.linspace(0, 1, GRID)
        exponents = np.exp(low[:, None] + (high - low)[:, None] * steps)
        best = _errors(compute / unit, losses, exponents).argmin(axis=1)
        width = (high - low) / (GRID - 1)
        middle = low + width * best
        low, high = (
            np.clip(middle - width, *np.log(EXPONENTS)),
            np.clip(middle + width, *np.log(EXPONENTS)),
        )
    c = np.exp(middle)
    a, b = _coefficients(compute / unit, losses, c[:, None])
    return Curves("power", unit, a[:, 0], b[:, 0], c)


def _coefficients(compute: Floats, losses: Floats, exponents: Floats) -> tuple[Floats, Floats]:
    """Return a and b, float64[samples, g], of least squares with neither negative, for float64[samples, g] of c."""
    x = compute ** -exponents[..., None]
    y = losses[:, None, :]
    centred = x - x.mean(axis=-1, keepdims=True)
    b = (centred * y).sum(axis=-1) / (centred**2).sum(axis=-1)
    a = y.mean(axis=-1) - b * x.mean(axis=-1)
    # With two unknowns the best point on the border is that of one of them alone; losses are positive.
    through_zero = (x * y).sum(axis=-1) / (x**2).sum(axis=-1)
    a, b = np.where(a < 0, 0.0, a), np.where(a < 0, through_zero, b)
    flat = b < 0
    return np.where(flat, y.mean(axis=-1), a), np.where(flat, 0.0, b)


def _errors(compute: Floats, losses: Floats, exponents: Floats) -> Floats:
    """Return float64[samples, g], the squared error of the best curve for each c."""
    a, b = _coefficients(compute, losses, exponents)
    x = compute ** -exponents[..., None]
    errors: Floats = ((a[..., None] + b[..., None] * x - losses[:, None, :]) ** 2).sum(axis=-1)
    return errors
