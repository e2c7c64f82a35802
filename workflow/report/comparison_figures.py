"""Figures that lay all runs over one another: how they learnt, and what they reach for what was computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

from workflow.report.figures import TEXT, line_style, mark_logarithmic, over_slots, panel, point_style
from workflow.report.metrics import Columns
from workflow.report.results import PhaseResult
from workflow.report.smoothing import by_slots

STRETCHES = 80
"""A curve is the means over so many stretches of equally many slots, of the longest run; alike for all runs."""
BEGINNING = 0.05
"""Share of the slots of the shortest run, from the beginning, that the loss axis need not hold."""
ROOM = 3.0
"""Times that the axis of compute goes beyond the least and the most: so there are always two ticks."""
ASIDE = 0.03
"""Share of that axis by which points of equal compute are drawn apart."""
TICKS = 6
"""On an axis of compute, at most."""
SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")

Lineages = Mapping[str, Sequence[PhaseResult]]


def overlaid(found: Mapping[str, Any] | None, lineages: Lineages) -> dict[str, Any]:
    """Draw all that lays runs over one another; without a comparison, each run is drawn by itself.

    Runs of a comparison that are not shown here, by their lineages, are left out.
    """
    seeds = {name: own["seeds"] for name, own in found["runs"].items()} if found else {run: [run] for run in lineages}
    shown = {name: [run for run in runs if run in lineages] for name, runs in seeds.items()}
    groups = {name: shown[name] for name in seeds if shown[name]}
    return {
        "names": list(groups),
        "learning": learning_curves(groups, lineages),
        "validation": validation_curves(groups, lineages),
        "quality": quality_by_compute(found) if found and found["quality"] and len(found["runs"]) > 1 else "",
        "differences": differences(found) if found else "",
        "compared": list(found["runs"]) if found else [],
    }


def learning_curves(groups: Mapping[str, Sequence[str]], lineages: Lineages) -> str:
    """Draw the training loss of all runs over slots, seeds of one run alike, equally many slots a point for all."""
    curves = {
        run: tuple(np.concatenate([phase.metrics[column] for phase in lineages[run]]) for column in ("slots", "loss"))
        for runs in groups.values()
        for run in runs
    }
    width = max(slots[-1] for slots, _ in curves.values()) / STRETCHES
    means = {run: by_slots(slots, loss, width) for run, (slots, loss) in curves.items()}
    return _overlaid("Training loss of all runs over slots", groups, means, "training loss, nats per masked token")


def validation_curves(groups: Mapping[str, Sequence[str]], lineages: Lineages) -> str:
    """Draw the held-out loss on the way of all runs that were validated; empty if none was."""
    means = {}
    for run in (run for runs in groups.values() for run in runs):
        measured = [one for phase in lineages[run] for one in phase.metrics.validations]
        if measured:
            means[run] = np.array([one.slots for one in measured]), np.array([one.loss for one in measured])
    if not means:
        return ""
    return _overlaid(
        "Held-out loss of all runs while they were trained, over slots",
        groups,
        means,
        "held-out loss, nats per masked token",
    )


def _overlaid(
    description: str, groups: Mapping[str, Sequence[str]], means: Mapping[str, tuple[Columns, Columns]], label: str
) -> str:
    with panel(description, 3.0) as (axes, done):
        for number, runs in enumerate(groups.values()):
            for run in (run for run in runs if run in means):
                few = {"marker": "o", "markersize": 3} if len(means[run][0]) < 20 else {}
                axes.plot(*means[run], **line_style(number), **few, linewidth=1.3 if len(runs) == 1 else 0.8)
        axes.set_ylim(*_limits(list(means.values())))
        over_slots(axes, label)
    return done[0]


def _limits(curves: Sequence[tuple[Columns, Columns]]) -> tuple[float, float]:
    """Return limits of the loss that hold the curves but for their beginnings, which would flatten all the rest."""
    begin = BEGINNING * min(slots[-1] for slots, _ in curves)
    values = np.concatenate([loss[slots >= begin] for slots, loss in curves])
    room = 0.06 * (values.max() - values.min()) or 0.5
    return float(values.min() - room), float(values.max() + room)


def differences(found: Mapping[str, Any]) -> str:
    """Draw how each run's held-out loss differs from the reference's at the longest length, with its interval.

    A line for the mean over languages and one for each language; empty if nothing was compared.
    """
    longest = max((line["length"] for line in found["losses"]), default=0)
    lines = [line for line in found["losses"] if line["length"] == longest]
    if not lines:
        return ""
    order = list(found["runs"])
    compared = [run for run in order if any(line["run"] == run for line in lines)]
    languages = [*sorted({line["language"] for line in lines if line["language"]}, reverse=True), None]
    apart = min(0.22, 0.8 / len(compared))
    height = 0.75 + 0.16 * len(languages) * max(2, len(compared))
    with panel(f"Differences in held-out loss to {found['reference']}, with their intervals", height) as (axes, done):
        axes.axvline(0, color=TEXT, linewidth=0.9)
        for line in lines:
            style = point_style(order.index(line["run"]))
            aside = (len(compared) - 1) / 2 - compared.index(line["run"])
            place = languages.index(line["language"]) + apart * aside
            axes.plot(line["interval"], (place, place), color=style["color"], linewidth=1.2)
            axes.plot(line["difference"], place, markersize=4.5, **style)
        axes.set_yticks(range(len(languages)), [language or "mean" for language in languages])
        axes.set_ylim(-0.6, len(languages) - 0.4)
        axes.tick_params(length=0)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.xaxis.set_major_formatter(
            FuncFormatter(lambda value, _: f"{value:+g}".replace("-", "−") if value else "0")
        )
        axes.set_xlabel(f"loss less that of {found['reference']}, nats per masked token")
    return done[0]


def quality_by_compute(found: Mapping[str, Any]) -> str:
    """Draw the held-out loss of each run over what its training computed, with its interval, and the front."""
    quality, runs = found["quality"], found["runs"]
    points = {name: (runs[name]["flops"], own) for name, own in quality["losses"].items()}
    with panel("Held-out loss over training compute, on a logarithmic axis", 3.0) as (axes, done):
        front = [(points[name][0], points[name][1]["loss"]) for name in quality["front"]]
        if front:
            axes.step(*zip(*front, strict=True), where="post", color=TEXT, linewidth=0.8, alpha=0.6)
        for ladder in found["ladders"]:
            if (ladder["length"], ladder["languages"]) == (quality["length"], quality["languages"]):
                axes.plot(*_drawn(ladder), color=TEXT, linewidth=0.9, linestyle=(0, (1, 2)))
        compute = [flops for flops, _ in points.values()]
        for (name, (_, own)), place in zip(points.items(), side_by_side(compute), strict=True):
            style = point_style(list(runs).index(name))
            axes.plot((place, place), own["interval"], color=style["color"], linewidth=1.2)
            axes.plot(place, own["loss"], markersize=6, **style)
        axes.set_xscale("log")
        axes.set_xlim(limits := (min(compute) / ROOM, ROOM * max(compute)))
        axes.xaxis.set_major_locator(FixedLocator(log_ticks(*limits)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: scientific(value)))
        axes.set_xlabel("training compute, operations (log)")
        axes.set_ylabel("held-out loss, nats per masked token")
        axes.tick_params(length=0)
        mark_logarithmic(axes.xaxis)
    return done[0]


def log_ticks(low: float, high: float) -> list[float]:
    """Return round numbers from low to high for a logarithmic axis, at most `TICKS`: 1, 2 and 5, else powers of ten."""
    powers = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    ticks = [factor * 10.0**power for power in powers for factor in (1, 2, 5)]
    inside = [tick for tick in ticks if low <= tick <= high]
    if len(inside) <= TICKS:
        return inside
    tens = [10.0**power for power in powers if low <= 10.0**power <= high]
    return tens[:: -(-len(tens) // TICKS)]


def _drawn(ladder: Mapping[str, Any]) -> tuple[Columns, Columns]:
    """Return points of the curve through a ladder's runs, by its form as docs/formats.md says it."""
    own, runs = ladder["curve"], ladder["runs"]
    compute = np.geomspace(runs[0]["flops"], runs[-1]["flops"], 40)
    scaled = compute / own["unit"]
    return compute, own["a"] + own["b"] * (np.log(scaled) if own["form"] == "line" else scaled ** -own["c"])


def side_by_side(compute: Sequence[float]) -> list[float]:
    """Return where points are drawn on a logarithmic axis: those of equal compute beside one another, not over it."""
    apart = ASIDE * np.log(ROOM**2 * max(compute) / min(compute))
    rounded = [f"{value:.2e}" for value in compute]
    places = [rounded[:number].count(rounded[number]) for number in range(len(rounded))]
    return [
        float(value * np.exp(apart * (place - (rounded.count(own) - 1) / 2)))
        for value, place, own in zip(compute, places, rounded, strict=True)
    ]


def scientific(value: float) -> str:
    """Return a large number as 2×10¹⁵, 10¹⁵ without its factor."""
    factor, exponent = f"{value:.1e}".split("e+")
    factor = factor.removesuffix(".0")
    power = f"10{str(int(exponent)).translate(SUPERSCRIPTS)}"
    return power if factor == "1" else f"{factor}×{power}"
