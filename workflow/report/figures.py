"""Figures of the report as inline SVG: small panels that a browser lays out in as many columns as fit.

Text stays text in the page's own fonts and colours: matplotlib draws with stand-in colours, which are then replaced by
CSS variables of the report's template, so that one figure serves light, dark and print. Legends are the template's:
nothing in a panel can overlap one. Colours are Okabe and Ito's (2008), told apart in all common forms of colour vision.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from html import escape
from io import StringIO
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from common.quantities import amount
from workflow.report.results import HeldOut, PhaseResult
from workflow.report.smoothing import by_slots

PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
DASHES: tuple[Any, ...] = ("solid", (0, (4, 1.5)), (0, (1, 1.2)))
"""Line styles for what the palette alone cannot tell apart."""
TEXT, GRID, BAND = "#010101", "#020202", "#030303"
CSS = {TEXT: "currentColor", GRID: "var(--grid)", BAND: "var(--band)"}
CSS |= {colour: f"var(--c{number})" for number, colour in enumerate(PALETTE)}
MARKERS = (("o", "●"), ("s", "■"), ("D", "◆"), ("^", "▲"), ("v", "▼"), ("<", "◀"), (">", "▶"), ("*", "★"))
"""As matplotlib and as a legend has them; with six colours, 24 things can be told apart."""
SPREAD = 4
"""Times as fine as a loss is the faint curve behind it."""
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "alasin",
    "font.size": 9.5,
    "axes.labelsize": 9.5,
    "axes.labelcolor": TEXT,
    "axes.edgecolor": GRID,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "text.color": TEXT,
    "xtick.color": GRID,
    "ytick.color": GRID,
    "xtick.labelcolor": TEXT,
    "ytick.labelcolor": TEXT,
    "lines.linewidth": 1.5,
}


def line_style(number: int) -> dict[str, Any]:
    """Return matplotlib's colour and line style of the `number`-th thing; so many can be told apart: 18."""
    return {"color": PALETTE[number % len(PALETTE)], "linestyle": DASHES[number // len(PALETTE) % len(DASHES)]}


def point_style(number: int) -> dict[str, Any]:
    """Return matplotlib's colour and marker of the `number`-th thing."""
    return {"color": PALETTE[number % len(PALETTE)], "marker": MARKERS[number % len(MARKERS)][0]}


def loss_curve(phases: Sequence[PhaseResult], limits: tuple[float, float], width: float) -> str:
    """Draw the training loss along a run's lineage, its phases as numbered bands, and validation as dots.

    Args:
        phases: the lineage.
        limits: of the loss axis, shared by the panels of all runs.
        width: slots that a point is the mean over, in every phase.
    """
    with panel("Training loss in nats per masked token over slots", 2.7) as (axes, done):
        _bands(axes, phases)
        for phase in phases:
            slots, loss = phase.metrics["slots"], phase.metrics["loss"]
            axes.plot(*by_slots(slots, loss, width / SPREAD), color=PALETTE[0], linewidth=0.7, alpha=0.35)
            axes.plot(*by_slots(slots, loss, width), color=PALETTE[0])
            measured = phase.metrics.validations
            axes.plot(
                [one.slots for one in measured], [one.loss for one in measured], "o", markersize=4, color=PALETTE[1]
            )
        axes.set_ylim(*limits)
        over_slots(axes, "loss, nats per masked token")
    return done[0]


def language_curves(
    phases: Sequence[PhaseResult], order: Sequence[str], limits: tuple[float, float], width: float
) -> str:
    """Draw the training loss of every frequent language along a run's lineage; `order` gives each its colour."""
    with panel("Training loss of each language over slots", 2.7) as (axes, done):
        _bands(axes, phases)
        for phase in phases:
            for language, loss in phase.metrics.frequent().items():
                axes.plot(*by_slots(phase.metrics["slots"], loss, width), **line_style(order.index(language)))
        axes.set_ylim(*limits)
        over_slots(axes, "loss, nats per masked token")
    return done[0]


def column_curves(
    phases: Sequence[PhaseResult], runs: Sequence[str], column: str, label: str, log: bool, width: float
) -> str:
    """Draw a number over slots, each phase once, in the colour of the run that owns it.

    Args:
        phases: each phase once.
        runs: their place gives a run's colour.
        column: of the metrics.
        label: what it is, with its unit.
        log: whether its axis is logarithmic, which its label then says.
        width: slots that a point is the mean over.
    """
    with panel(f"{label} over slots", 2.1) as (axes, done):
        for phase in phases:
            curve = by_slots(phase.metrics["slots"], phase.metrics[column], width)
            axes.plot(*curve, **line_style(runs.index(phase.run)))
        over_slots(axes, f"{label} (log)" if log else label)
        if log:
            axes.set_yscale("log")
            mark_logarithmic(axes.yaxis)
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=6))
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        else:
            axes.set_ylim(bottom=0)
    return done[0]


def held_out_dots(rows: Sequence[HeldOut], limits: tuple[float, float]) -> str:
    """Draw held-out losses with their standard errors, one line a language, lengths as colours, baselines as ticks."""
    languages = sorted({row.language for row in rows}, reverse=True)
    lengths = sorted({row.length for row in rows})
    with panel("Held-out loss by language and length beside the unigram baseline", 0.75 + 0.36 * len(languages)) as (
        axes,
        done,
    ):
        for row in rows:
            number = lengths.index(row.length)
            place = languages.index(row.language) + 0.22 * ((len(lengths) - 1) / 2 - number)
            style = point_style(number)
            colour = style["color"]
            axes.plot(row.interval, (place, place), color=colour, linewidth=1.2)
            axes.plot(row.loss, place, markersize=4.5, **style)
            axes.plot(row.unigram_loss, place, "|", markersize=9, markeredgewidth=1.8, color=colour)
        axes.set_yticks(range(len(languages)), languages)
        axes.set_ylim(-0.6, len(languages) - 0.4)
        axes.set_xlim(*limits)
        axes.tick_params(length=0)
        axes.set_xlabel("loss, nats per masked token")
    return done[0]


@contextmanager
def panel(description: str, height: float) -> Iterator[tuple[Any, list[str]]]:
    """Give axes to draw on and a list that holds the finished SVG afterwards; `height` in inches, 4.4 wide."""
    done: list[str] = []
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.4, height), layout="constrained")
        yield figure.subplots(), done
        stream = StringIO()
        figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    done.append(_inline(stream.getvalue(), description))


def over_slots(axes: Any, label: str) -> None:
    """Let slots trained on be the horizontal axis, from 0, and name the vertical one."""
    axes.set_xlabel("slots trained on")
    axes.set_ylabel(label)
    axes.set_xlim(left=0)
    axes.margins(x=0.01)
    axes.tick_params(length=0)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda slots, _: amount(slots)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: amount(value) if value >= 1000 else f"{value:g}"))


def mark_logarithmic(axis: Any) -> None:
    """Give a logarithmic axis a small tick at each multiple of a power of ten, so that it is seen to be one."""
    axis.set_minor_locator(LogLocator(subs=range(2, 10), numticks=100))
    axis.set_minor_formatter(NullFormatter())
    axis.set_tick_params(which="minor", length=3, width=0.6, color=TEXT)


def _bands(axes: Any, phases: Sequence[PhaseResult]) -> None:
    """Shade every second phase and number all of them, above the axes."""
    begin = 0
    for number, phase in enumerate(phases, 1):
        if number % 2 == 0:
            axes.axvspan(begin, phase.slots, color=BAND, linewidth=0, zorder=0)
        middle = (begin + phase.slots) / 2
        axes.annotate(str(number), (middle, 1.0), (0, 2), xycoords=("data", "axes fraction"),
                      textcoords="offset points", ha="center", va="bottom", fontsize=8.5)  # fmt: skip
        begin = phase.slots


def _inline(svg: str, description: str) -> str:
    """Turn matplotlib's SVG file into an element of a page: as wide as its place, in the page's fonts and colours.

    Ids stay where something refers to them; those are hashes of what they name, so that equal ones are equal things.
    """
    found = re.search(r'<svg [^>]*viewBox="([^"]*)"[^>]*>', svg)
    assert found is not None, "matplotlib gives every figure a view box"
    body = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", svg[found.end() :], flags=re.DOTALL)
    body = re.sub(r' id="[A-Za-z][\w.]*_\d+"', "", body)
    body = re.sub(r"font: ([\d.]+px)[^;]*;", r"font-size: \1;", body)
    body = re.sub(r" font-family: [^;]*;", "", body)
    body = re.sub("|".join(CSS), lambda colour: CSS[colour[0]], body)
    return f'<svg role="img" aria-label="{escape(description)}" viewBox="{found[1]}">{body}'


def swatches(names: Sequence[str]) -> list[Mapping[str, str]]:
    """Return each name with the CSS of its colour and its line, for a legend of `line_style`s."""
    lines = ("solid", "dashed", "dotted")
    return [
        {"name": name, "colour": f"var(--c{i % len(PALETTE)})", "line": lines[i // len(PALETTE) % len(lines)]}
        for i, name in enumerate(names)
    ]


def signs(names: Sequence[str]) -> list[Mapping[str, str]]:
    """Return each name with its sign and the CSS of its colour, for a legend of `point_style`s."""
    return [
        {"name": name, "colour": f"var(--c{number % len(PALETTE)})", "sign": MARKERS[number % len(MARKERS)][1]}
        for number, name in enumerate(names)
    ]
