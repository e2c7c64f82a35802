"""The ladder: runs that differ in size or length of training alone, the largest foretold from the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.paired import Estimate, estimate, over_seeds
from evaluation.comparison.ladder import Curves, fit
from evaluation.comparison.losses import Group, field

Floats = NDArray[np.float64]


def ladders(groups: Mapping[str, Group], seed: int) -> list[dict[str, Any]]:
    """Return what each ladder of comparable groups tells; at least two different amounts of compute make one."""
    ways: dict[str, dict[str, Group]] = {}
    for name, group in groups.items():
        ways.setdefault(group[0].way, {})[name] = group
    return [told for own in ways.values() if (told := _ladder(own, seed))]


def _ladder(groups: Mapping[str, Group], seed: int) -> dict[str, Any] | None:
    if len({group[0].flops for group in groups.values()}) < 2 or not (measured := field(groups, seed)):
        return None
    losses = {name: over_seeds(own, seed + place) for place, (name, own) in enumerate(measured.means.items())}
    # Of runs of equal compute, such as a sweep of learning rates, the best stands for what so much compute is worth.
    best: dict[float, str] = {}
    for name in sorted(losses, key=lambda name: (losses[name][0], name)):
        best.setdefault(groups[name][0].flops, name)
    steps = [best[flops] for flops in sorted(best)]
    compute = np.array([groups[name][0].flops for name in steps])
    curves = fit(compute, np.array([[losses[name][0] for name in steps]]))
    rungs = [
        {
            "run": name,
            "flops": groups[name][0].flops,
            "parameters": groups[name][0].parameters,
            "loss": round(losses[name][0], 6),
        }
        for name in steps
    ]
    told = {"runs": rungs, "length": measured.length, "languages": measured.languages, "rows": measured.rows}
    return told | {"curve": _curve(curves), "check": _check(steps, compute, losses)}


def _check(steps: list[str], compute: Floats, losses: Mapping[str, tuple[float, Floats]]) -> dict[str, Any] | None:
    """Return what the smaller ones foretell of the largest, and how far off that is; None if there is but one."""
    *smaller, largest = steps
    if len(smaller) < 2:
        return None
    as_they_are = np.array([[losses[name][0] for name in smaller]])
    drawn = np.stack([losses[name][1] for name in smaller], axis=1)
    curves = fit(compute[:-1], as_they_are)
    value = float(curves.at(compute[-1])[0])
    samples = fit(compute[:-1], drawn).at(compute[-1])
    trained, own = losses[largest]
    foretold, off = estimate(value, samples), estimate(trained - value, own - samples)
    return {
        "run": largest,
        "from": smaller,
        "curve": _curve(curves),
        "foretold": _told(foretold),
        "trained": round(trained, 6),
        "off": _told(off),
    }


def _told(found: Estimate) -> dict[str, Any]:
    return {"value": round(found.value, 6), "interval": [round(found.low, 6), round(found.high, 6)]}


def _curve(curves: Curves) -> dict[str, Any]:
    numbers = {name: round(float(getattr(curves, name)[0]), 6) for name in ("a", "b", "c")}
    return {"form": curves.form, "unit": curves.unit} | numbers
