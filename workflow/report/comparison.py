"""Which run is best, by how much and how sure that is: the report's first section, from results/comparison.json."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from common.errors import UserError
from common.files import read_json

KEYS = {
    "reference",
    "confidence",
    "runs",
    "incomparable",
    "losses",
    "bits_per_byte",
    "tasks",
    "quality",
    "seed_spread",
    "ladders",
    "ladders_in_bits",
}
SIGNS = {"better": "✓", "worse": "✗", "unclear": "?"}
CLASSES = {"better": "yes", "worse": "no", "unclear": "quiet"}
Line = Mapping[str, Any]


def read_comparison(results: Path, runs: Sequence[str]) -> dict[str, Any] | None:
    """Return the comparison of those runs, or None if none has been made; `UserError` if it lacks something.

    They are in the order of `runs`, and so are their colours.
    """
    path = results / "comparison.json"
    if not path.is_file():
        return None
    content = read_json(path)
    if not isinstance(content, dict) or KEYS - content.keys():
        raise UserError(f"{path} is no comparison of runs; delete it and run Snakemake again.")
    order = {run: place for place, run in enumerate(runs)}
    places = {name: min(order.get(seed, len(order)) for seed in own["seeds"]) for name, own in content["runs"].items()}
    shown = sorted((name for name in places if places[name] < len(order)), key=lambda name: places[name])
    if quality := content["quality"]:
        own = {name: quality["losses"][name] for name in shown if name in quality["losses"]}
        quality = (
            quality | {"losses": own, "front": [name for name in quality["front"] if name in own]} if own else None
        )
    return content | {
        "runs": {name: content["runs"][name] for name in shown},
        **{key: [one for one in content[key] if one["run"] in shown] for key in ("losses", "bits_per_byte", "tasks")},
        "incomparable": {name: why for name, why in content["incomparable"].items() if name in order},
        **{
            key: [one for one in content[key] if {rung["run"] for rung in one["runs"]} <= set(shown)]
            for key in ("ladders", "ladders_in_bits")
        },
        "quality": quality,
    }


def told(found: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return what the section shows: sentences of the answer, tables of differences, compute, and the ladder."""
    if found is None:
        return None
    names = [name for name in found["runs"] if name != found["reference"]]
    compared = [name for name in names if any(line["run"] == name for line in found["losses"])]
    of_bytes = [name for name in names if any(line["run"] == name for line in found["bits_per_byte"])]
    lengths = sorted({line["length"] for line in found["losses"]}, reverse=True)
    return {
        "reference": found["reference"],
        "confidence": found["confidence"],
        "answer": [*_best(found), *_in_bits(found), *_on_tasks(found), *_about_seeds(found)],
        "incomparable": list(dict.fromkeys(found["incomparable"].values())),
        "compared": compared,
        "lengths": [(length, _by_language(found["losses"], length, compared)) for length in lengths],
        "of_bytes": of_bytes,
        "bits": _by_language(found["bits_per_byte"], None, of_bytes),
        "tasks": _by_task(found["tasks"], names),
        "measured": [name for name in names if any(line["run"] == name for line in found["tasks"])],
        "compute": _by_compute(found),
        "quality": found["quality"],
        "ladders": found["ladders"],
        "ladders_in_bits": found["ladders_in_bits"],
        "signs": SIGNS,
        "classes": CLASSES,
    }


def half(line: Line) -> float:
    """Return half the width of an interval, what stands after ±."""
    low, high = line["interval"]
    return float(high - low) / 2


def signed(value: float, digits: int) -> str:
    """Return a difference with its sign, a real minus."""
    return f"{value:+.{digits}f}".replace("-", "−")


def _with_interval(line: Line, digits: int = 4) -> str:
    return f"{abs(line['difference']):.{digits}f} ± {half(line):.{digits}f}"


def _best(found: Mapping[str, Any]) -> list[str]:
    """Return which run has the lowest held-out loss and how that is beside the reference."""
    quality, reference = found["quality"], found["reference"]
    if quality is None:
        return ["No held-out losses can be compared."]
    losses = {name: own["loss"] for name, own in quality["losses"].items()}
    languages, share = len(quality["languages"]), f"{found['confidence']:.0%}".replace("%", " %")
    over = f"the mean over {languages} languages" if languages > 1 else quality["languages"][0]
    where = f"nats per masked token, {over} at {quality['length']:,} tokens on {quality['rows']:,} held-out rows"
    best = min(losses, key=lambda name: losses[name])
    if len(losses) == 1:
        alone = f"No other run has losses that compare with {best}'s. " if len(found["runs"]) > 1 else ""
        return [f"{alone}The held-out loss of {best} is {losses[best]:.4f} {where}."]
    beside = {
        line["run"]: line
        for line in found["losses"]
        if line["language"] is None and line["length"] == quality["length"]
    }
    named = best if best != reference else min(beside, key=lambda name: losses[name])
    line = beside[named]
    low, high = (signed(end, 4) for end in line["interval"])
    said = f"{signed(line['difference'], 4)} ± {half(line):.4f} ({share} interval {low} to {high})"
    lowest = f"has the lowest held-out loss: {losses[best]:.4f} {where}."
    if best == reference:
        doubt = (
            "That these two models differ on such text is sure" if line["verdict"] == "worse" else "That may be chance"
        )
        return [f"{best}, the reference, {lowest} The next is {named}, with a difference of {said}. {doubt}."]
    sure = {
        "better": "That these two models differ on such text is sure.",
        "unclear": "The interval holds zero: that may be chance.",
        "worse": "On the rows that only these two share it is above.",
    }[line["verdict"]]
    return [f"{best} {lowest} Beside {reference} that is a difference of {said}. {sure}"]


def _in_bits(found: Mapping[str, Any]) -> list[str]:
    """Return which run of another tokenizer is best, in bits per byte."""
    lines = [line for line in found["bits_per_byte"] if line["language"] is None]
    if not lines:
        return []
    best = min(lines, key=lambda line: line["difference"])
    low, high = (signed(end, 4) for end in best["interval"])
    doubt = "That may be chance" if best["verdict"] == "unclear" else f"That is surely {best['verdict']}"
    return [
        f"Of runs with another tokenizer, {best['run']} has the fewest bits per byte: {best['loss']:.4f}, beside "
        f"{found['reference']} a difference of {signed(best['difference'], 4)} ± {half(best):.4f} "
        f"({found['confidence']:.0%} interval {low} to {high}). {doubt}.".replace("%", " %")
    ]


def _on_tasks(found: Mapping[str, Any]) -> list[str]:
    """Return on which tasks runs are surely better or worse than the reference."""
    lines, reference = [line for line in found["tasks"] if "verdict" in line], found["reference"]
    if not lines:
        return ["No task was measured for the reference and another run."] if len(found["runs"]) > 1 else []
    parts = []
    for verdict in ("better", "worse"):
        sure = [f"{line['run']} in {line['task']} by {_with_interval(line)}" for line in lines if _is(line, verdict)]
        if sure:
            parts.append(f"surely {verdict} than {reference} {'are' if len(sure) > 1 else 'is'} {_listed(sure)}")
    if not parts:
        count = len({line["task"] for line in lines})
        tasks = f"any of {count} tasks" if count > 1 else lines[0]["task"]
        return [f"No run is surely better or worse than {reference} on {tasks}."]
    return [f"On tasks, {'; '.join(parts)}."]


def _is(line: Line, verdict: str) -> bool:
    return bool(line["verdict"] == verdict)


def _about_seeds(found: Mapping[str, Any]) -> list[str]:
    """Return what the intervals do not say, in plain words."""
    if len(found["runs"]) < 2:
        return []
    spread, several = found["seed_spread"], [name for name, own in found["runs"].items() if len(own["seeds"]) > 1]
    if spread is None:
        return [
            "Every run was trained with one seed. So the intervals are over rows, queries and examples only: another "
            "seed may move a loss by more than such a difference, sure or not, and nobody has measured by how much. A "
            "difference of 0.001 means nothing here."
        ]
    deviation, largest = spread["standard_deviation"], spread["largest_range"]
    alone = [name for name in found["runs"] if name not in several]
    words = [
        f"Seeds of one run lie apart by a standard deviation of {deviation:.4f} in loss, at most {largest:.4f} "
        f"({_listed(several)}); the intervals of these are over seeds too."
    ]
    if alone:
        words.append(
            f"{_listed(alone)} {'have' if len(alone) > 1 else 'has'} one seed: between two such runs a difference "
            f"below {2 * 2**0.5 * deviation:.4f} may be the seed alone, whatever the interval."
        )
    return words


def _listed(names: Sequence[str]) -> str:
    """Return names as a sentence lists them, the many cut short."""
    most = 6
    shown = [*names[:most], f"{len(names) - most} more"] if len(names) > most else list(names)
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def _by_language(losses: Iterable[Line], length: int | None, compared: Sequence[str]) -> list[dict[str, Any]]:
    """Return a row for the mean over languages and one for each, with a cell for each run or None."""
    found = {(line["language"], line["run"]): line for line in losses if line["length"] == length}
    languages = [None, *sorted({language for language, _ in found if language})]
    rows = []
    for language in languages:
        cells = [found.get((language, run)) for run in compared]
        first = next((cell for cell in cells if cell), None)
        rows.append({"language": language, "reference_loss": first and first["reference_loss"], "cells": cells})
    return rows


def _by_task(tasks: Sequence[Line], names: Sequence[str]) -> list[dict[str, Any]]:
    """Return a row for each task with a cell for each run that any task was measured on."""
    measured = [name for name in names if any(line["run"] == name for line in tasks)]
    found = {(line["kind"], line["task"], line["run"]): line for line in tasks}
    rows = []
    for kind, task in dict.fromkeys((line["kind"], line["task"]) for line in tasks):
        cells = [found.get((kind, task, run)) for run in measured]
        first = next((cell for cell in cells if cell and "verdict" in cell), None)
        rows.append({"kind": kind, "task": task, "first": first, "cells": cells})
    return rows


def _by_compute(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a row for each run, the least compute first: what it took, its loss, and whether it is on the front."""
    quality = found["quality"] or {"losses": {}, "front": []}
    rows = [
        {"run": name, **own, "quality": quality["losses"].get(name), "front": name in quality["front"]}
        for name, own in found["runs"].items()
    ]
    return sorted(rows, key=lambda row: (row["flops"], row["run"]))
