"""The ladder: runs that differ in size or length of training alone, the largest foretold from the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.intervals import RESAMPLES
from common.paired import Estimate, estimate, over_seeds
from evaluation.comparison.bits import mean_bits
from evaluation.comparison.ladder import Curves, fit
from evaluation.comparison.losses import Group, field

Floats = NDArray[np.float64]
Losses = tuple[float, Floats]
"""A loss, and float64[RESAMPLES] of what it may be."""


def ladders(groups: Mapping[str, Group], seed: int) -> list[dict[str, Any]]:
    """Return what each ladder of comparable groups tells; at least two different amounts of compute make one."""
    ways: dict[str, dict[str, Group]] = {}
    for name, group in groups.items():
        ways.setdefault(group[0].way, {})[name] = group
    return [told for own in ways.values() if (told := _ladder(own, seed))]


def ladders_in_bits(groups: Mapping[str, Group], seed: int) -> list[dict[str, Any]]:
    """Return the ladders of runs with different tokenizers, one for each tokenizer, all in bits per byte.

    So they can be laid beside each other, as losses of tokens cannot. They are over the languages that all runs have
    bits per byte of; errors are taken as those of independent samples. Empty where all have one tokenizer.
    """
    if len({group[0].tokenizer for group in groups.values()}) < 2:
        return []
    languages = sorted(set.intersection(*(set(run.bits) for group in groups.values() for run in group)))
    if not languages:
        return []
    ways: dict[tuple[str, str], dict[str, Losses]] = {}
    for place, (name, group) in enumerate(groups.items()):
        value, error = mean_bits(group, languages)
        samples = np.random.default_rng([seed, place]).normal(value, error, RESAMPLES)
        ways.setdefault((group[0].tokenizer, group[0].way), {})[name] = (value, samples)
    return [
        {**climbed, "tokenizer": tokenizer, "languages": languages}
        for (tokenizer, _), own in ways.items()
        if (climbed := _climb({name: groups[name] for name in own}, own))
    ]


def _ladder(groups: Mapping[str, Group], seed: int) -> dict[str, Any] | None:
    if not (measured := field(groups, seed)):
        return None
    losses = {name: over_seeds(own, seed + place) for place, (name, own) in enumerate(measured.means.items())}
    if not (climbed := _climb(groups, losses)):
        return None
    return {**climbed, "length": measured.length, "languages": measured.languages, "rows": measured.rows}


def _climb(groups: Mapping[str, Group], losses: Mapping[str, Losses]) -> dict[str, Any] | None:
    """Return rungs, curve and check of a ladder; None where all its runs took the same compute."""
    # Of runs of equal compute, such as a sweep of learning rates, the best stands for what so much compute is worth.
    best: dict[float, str] = {}
    for name in sorted(losses, key=lambda name: (losses[name][0], name)):
        best.setdefault(groups[name][0].flops, name)
    if len(best) < 2:
        return None
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
    return {"runs": rungs, "curve": _curve(curves), "check": _check(steps, compute, losses)}


def _check(steps: list[str], compute: Floats, losses: Mapping[str, Losses]) -> dict[str, Any] | None:
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
