"""What decides the result of a phase, on the command line."""

from __future__ import annotations

import argparse
from pathlib import Path

from common.files import read_json
from model.history.position import Position
from model.history.store import load_state, pointed_directory


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what decides the result of a phase, and where it looks for what is trained already."""
    parser.add_argument("--slice", type=Path, required=True, help="the phase's slice of the recipe, JSON")
    parser.add_argument("--rows", type=Path, required=True, help="the phase's rows.json")
    parser.add_argument("--tokenizer", type=Path, required=True, help="the tokenizer's manifest.json")
    parser.add_argument("--folder", type=Path, required=True, help="where checkpoints and metrics go")
    begin = parser.add_mutually_exclusive_group()
    begin.add_argument("--previous", type=Path, help="checkpoint.json to begin from (default: fresh weights)")
    begin.add_argument("--start", type=Path, help="manifest.json of weights to begin with in place of fresh ones")
    runs = "folder of all runs, whose checkpoints may be continued too (default: the phase's own alone)"
    parser.add_argument("--runs", type=Path, help=runs)


def decisive(arguments: argparse.Namespace) -> list[Path]:
    """Return the files that decide the result: the slice, the rows, and the checkpoint or start to begin with."""
    return [arguments.slice, arguments.rows, *filter(None, [arguments.previous, arguments.start])]


def before(arguments: argparse.Namespace) -> Position | None:
    """Return where the phase before ended, None if there is none."""
    if not arguments.previous:
        return None
    return Position.read(load_state(pointed_directory(arguments.previous))["position"])


def started(start: Path | None) -> str | None:
    """Return the digest of the weights that a lineage begins with, None for fresh ones."""
    return str(read_json(start)["digest"]) if start else None
