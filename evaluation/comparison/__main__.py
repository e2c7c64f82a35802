"""Stage: how runs differ from a reference run, how sure that is, and what was computed for it. It reads JSONs only.

Results of runs -> losses of the same held-out rows, scores of the same queries and examples -> differences with paired
bootstrap intervals; quality against compute, and the runs that no other beats in both; the ladder from small to large.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from common.errors import run_command
from common.files import write_json
from common.intervals import CONFIDENCE
from evaluation.comparison.bits import bit_differences
from evaluation.comparison.compute import pareto_front
from evaluation.comparison.extrapolation import ladders, ladders_in_bits
from evaluation.comparison.losses import Field, Group, differences, field, incomparable, quality, spread
from evaluation.comparison.reading import read_run
from evaluation.comparison.tasks import task_differences
from recipe.slices.files import read_slice
from recipe.slices.types import ComparisonSlice

COMMAND = "python -m evaluation.comparison"
FORMAT = 1


def compare(content: ComparisonSlice, results: Path) -> dict[str, Any]:
    """Return what results/comparison.json holds. Raises `UserError` naming a file that is absent or lacks something."""
    runs = {name: read_run(results, name) for name in content.runs}
    groups: dict[str, Group] = {}
    for name, group in content.runs.items():
        groups[group] = [*groups.get(group, []), runs[name]]
    reference = content.runs[content.reference]
    reasons = {name: incomparable(run, runs[content.reference]) for name, run in runs.items()}
    every = {name: [run for run in group if reasons[run.name] is None] for name, group in groups.items()}
    alike: dict[str, Group] = {name: group for name, group in every.items() if group}
    seed = content.seed
    losses = [
        line
        for name, group in alike.items()
        if name != reference
        for line in differences(name, group, alike[reference], seed)
    ]
    of_reference = [run for run in groups[reference] if run.tokenizer == runs[content.reference].tokenizer]
    bits = [
        line
        for name, group in groups.items()
        if all(run.tokenizer != runs[content.reference].tokenizer for run in group)
        for line in bit_differences(name, group, of_reference)
    ]
    tasks = [
        line
        for kind, asked in content.tasks().items()
        for task, measured in asked.items()
        for line in task_differences(kind, task, _grouped(content, measured), reference, results, seed)
    ]
    whole = field(alike, seed) if alike else None
    return {
        "format": FORMAT,
        "reference": reference,
        "confidence": CONFIDENCE,
        "seed": seed,
        "runs": {name: _facts(group) for name, group in groups.items()},
        "incomparable": {name: reason for name, reason in reasons.items() if reason},
        "losses": losses,
        "bits_per_byte": bits,
        "tasks": tasks,
        "quality": _quality(alike, whole, seed) if whole else None,
        "seed_spread": spread(alike, whole) if whole else None,
        "ladders": ladders(alike, seed),
        "ladders_in_bits": ladders_in_bits(groups, seed),
    }


def _grouped(content: ComparisonSlice, measured: list[str]) -> dict[str, list[str]]:
    """Return name of a group -> its runs among those that are measured."""
    found: dict[str, list[str]] = {}
    for name in measured:
        found.setdefault(content.runs[name], []).append(name)
    return found


def _facts(group: Group) -> dict[str, Any]:
    """Return what a group's runs are and took; compute and time of one run, as the mean over seeds."""
    count = len(group)
    return {
        "seeds": [run.name for run in group],
        "parameters": group[0].parameters,
        "slots": group[0].slots,
        "flops": sum(run.flops for run in group) / count,
        "process_hours": sum(run.process_hours for run in group) / count,
    }


def _quality(groups: dict[str, Group], measured: Field, seed: int) -> dict[str, Any]:
    """Return the loss of each group on what all have in common, and which of them are on the front of compute."""
    losses = quality(measured, seed)
    flops = {name: _facts(groups[name])["flops"] for name in losses}
    return {
        "length": measured.length,
        "languages": measured.languages,
        "rows": measured.rows,
        "losses": {
            name: {"loss": round(own.value, 6), "interval": [round(own.low, 6), round(own.high, 6)]}
            for name, own in losses.items()
        },
        "front": pareto_front({name: (flops[name], own.value) for name, own in losses.items()}),
    }


def main() -> None:
    """Run the stage from the command line."""
    parser = argparse.ArgumentParser(prog=COMMAND, description="Compare runs with a reference run, on the same text.")
    parser.add_argument("--slice", type=Path, required=True, help="JSON slice of the comparison, from the recipe")
    parser.add_argument("--results", type=Path, default=Path("results"), help="directory of results (default: results)")
    parser.add_argument("--output", type=Path, required=True, help="comparison.json to write")
    arguments = parser.parse_args()
    content = read_slice(arguments.slice, ComparisonSlice)
    found = compare(content, arguments.results)
    write_json(arguments.output, found)
    for sentence in found["incomparable"].values():
        print(f"warning: {sentence}", flush=True)
    for line in found["losses"]:
        if line["language"] is None:
            print(
                f"{line['run']} at {line['length']:,} tokens: loss {line['loss']:.4f}, {line['difference']:+.4f} "
                f"({line['interval'][0]:+.4f} to {line['interval'][1]:+.4f}) beside {found['reference']}: "
                f"{line['verdict']}, {line['languages']} languages, {line['rows']:,} rows",
                flush=True,
            )
    for ladder in found["ladders_in_bits"]:
        rungs = ", ".join(f"{rung['run']} {rung['loss']:.4f}" for rung in ladder["runs"])
        print(f"bits per byte over {len(ladder['languages'])} languages, from small to large: {rungs}", flush=True)


if __name__ == "__main__":
    run_command(main)
