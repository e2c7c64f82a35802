"""The report's figures as files of their own, for papers, slides and Snakemake's `--report`: light, legends inside."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from common.files import atomic_file
from workflow.report.figures import PALETTE, signs, swatches

COLOURS = {"currentColor": "#1d2126", "var(--grid)": "#d9dcdf", "var(--band)": "#eef0f1"}
COLOURS |= {f"var(--c{number})": colour for number, colour in enumerate(PALETTE)}
DASHES = {"solid": "none", "dashed": "6 2.5", "dotted": "1.6 2"}
LINE, SIZE, WIDE = 15.0, 9.5, 6.0
"""Height of a line of the legend, size of its letters and an upper bound of their width, in points."""
Entry = Mapping[str, str]


def write_pictures(folder: Path, context: Mapping[str, Any]) -> list[str]:
    """Write every figure of a report's context as `folder`/NAME.svg; others that lie there go. Return names."""
    found = pictures(context)
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob("*.svg"):
        path.unlink()
    for name, svg in found.items():
        with atomic_file(folder / f"{name}.svg", "w") as stream:
            stream.write(svg)
    return list(found)


def pictures(context: Mapping[str, Any]) -> dict[str, str]:
    """Return name -> SVG file of every figure that there is: of all runs together, then run by run."""
    overlaid, panels = context["overlaid"], context["panels"]
    lines = swatches(overlaid["names"])
    found: dict[str, tuple[str, Sequence[Entry]]] = {
        "differences": (overlaid["differences"], signs(overlaid["compared"])),
        "training-loss": (overlaid["learning"], lines),
        "held-out-loss": (overlaid["validation"], lines),
        "loss-over-compute": (overlaid["quality"], signs(overlaid["compared"])),
    }
    for run, svg in panels["loss"].items():
        found[f"{run}.training-loss"] = (svg, ())
        found[f"{run}.languages"] = (panels["language"][run], swatches(context["languages"]))
    for run, svg in panels["held_out"].items():
        lengths = sorted({row.length for row in context["held_out"][run]})
        found[f"{run}.held-out-loss"] = (svg, signs([f"{length:,} tokens" for length in lengths]))
    owners = swatches(panels["owners"])
    found |= {name.replace("_", "-"): (svg, owners) for name, svg in panels["columns"].items()}
    return {name: standalone(svg, legend) for name, (svg, legend) in found.items() if svg}


def standalone(svg: str, legend: Sequence[Entry]) -> str:
    """Return an SVG file of an element of the page: colours spelt out, on white, with a legend above."""
    head = re.match(r'<svg ([^>]*) viewBox="0 0 ([\d.]+) ([\d.]+)">', svg)
    assert head is not None, "figures begin so"
    width, height = float(head[2]), float(head[3])
    shapes, lines = _legend(legend, width)
    top = LINE * lines
    body = svg[head.end() : -len("</svg>")] if svg.endswith("</svg>") else svg[head.end() :].rpartition("</svg>")[0]
    whole = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" {head[1]} '
        f'viewBox="0 {-top:g} {width:g} {height + top:g}" width="{2 * width:g}" font-family="sans-serif">'
        f'<rect y="{-top:g}" width="100%" height="100%" fill="#ffffff"/>{shapes}{body}</svg>\n'
    )
    for name, colour in COLOURS.items():
        whole = whole.replace(name, colour)
    return whole


def _legend(entries: Sequence[Entry], width: float) -> tuple[str, int]:
    """Return the shapes of a legend above y = 0, and how many lines it takes."""
    rows: list[list[tuple[float, Entry]]] = [[]] if entries else []
    right = 0.0
    for entry in entries:
        needs = 30 + WIDE * len(entry["name"])
        if rows[-1] and right + needs > width:
            rows.append([])
            right = 0.0
        rows[-1].append((right, entry))
        right += needs
    parts = []
    for number, row in enumerate(rows):
        y = -LINE * (len(rows) - number) + 10
        for x, entry in row:
            if "sign" in entry:
                parts.append(f'<text x="{x + 6:g}" y="{y:g}" font-size="{SIZE}" fill="{entry["colour"]}">')
                parts.append(f"{entry['sign']}</text>")
            else:
                parts.append(f'<path d="M{x + 1:g} {y - 3:g}h16" stroke="{entry["colour"]}" stroke-width="2" ')
                parts.append(f'stroke-dasharray="{DASHES[entry["line"]]}"/>')
            parts.append(f'<text x="{x + 20:g}" y="{y:g}" font-size="{SIZE}" fill="currentColor">')
            parts.append(f"{escape(entry['name'])}</text>")
    return "".join(parts), len(rows)
