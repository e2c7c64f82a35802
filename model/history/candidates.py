"""Checkpoints that a phase may continue from: its own, any run's, and what was set aside.

One counts if its history is that of a step of the plan. The newest that is whole is taken. One of another phase is not
used where it lies, for its owner may delete it: its tensors get a second name in the phase's own folder, by hard links
where the file system has them, and its state is written anew, as the plan of this phase counts stages and slots.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from common.errors import UserError
from common.files import link_or_copy, read_json, write_json
from common.listed import describe
from model.history.plan import Plan, Point
from model.history.position import Position
from model.history.store import FORMAT, MANIFEST, STATE, damage, put_in_place, staged_name

PLACES = ("checkpoints/step-*", "superseded/*/checkpoints/step-*")
"""Where checkpoints lie in the folder of a phase."""


class Candidate(NamedTuple):
    """A checkpoint, by what its state says."""

    directory: Path
    state: dict[str, Any]

    @property
    def step(self) -> int:
        """Steps of its lineage."""
        return int(self.state["position"]["step"])

    @property
    def history(self) -> str:
        """What led to it."""
        return str(self.state["position"]["history"])

    def position(self) -> Position:
        """Where training stood when it was written."""
        return Position.read(self.state["position"])


class Match(NamedTuple):
    """A checkpoint whose history is a beginning of a plan, and the step of the plan that it stands at."""

    point: Point
    candidate: Candidate


def candidates(folder: Path, runs: Path | None) -> list[Candidate]:
    """Return every checkpoint with a manifest in the folder of a phase, then all others below the folder of runs."""
    own = [directory for place in PLACES for directory in sorted(folder.glob(place))]
    others = [directory for place in PLACES for directory in sorted(runs.glob(f"*/*/{place}"))] if runs else []
    inside = os.path.realpath(folder) + os.sep
    others = [directory for directory in others if not os.path.realpath(directory).startswith(inside)]
    return list(filter(None, map(_read, own + others)))


def _read(directory: Path) -> Candidate | None:
    with suppress(UserError, OSError, KeyError, TypeError):  # gone meanwhile, or of another format: none
        if read_json(directory / MANIFEST)["format"] != FORMAT:
            return None
        state = read_json(directory / STATE)
        if {"step", "history", "tokens", "data"} <= state["position"].keys():
            return Candidate(directory, state)
    return None


def matches(plan: Plan, found: list[Candidate]) -> list[Match]:
    """Return the candidates whose history is that of a step of the plan, in the order of the plan.

    Of those at one step the first comes first.
    """
    by_step: dict[int, list[Candidate]] = {}
    for candidate in found:
        by_step.setdefault(candidate.step, []).append(candidate)
    if not (wanted := [step for step in by_step if step > plan.start.step]):
        return []
    return list(_walk(plan, by_step, max(wanted)))


def _walk(plan: Plan, by_step: dict[int, list[Candidate]], last: int) -> Iterator[Match]:
    for point in plan.points():
        for candidate in by_step.get(point.step, []):
            if candidate.history == point.history:
                yield Match(point, candidate)
        if point.step >= last:
            return


def newest_whole(found: list[Match], folder: Path, say: Callable[[str], None]) -> Match | None:
    """Return the newest match that verifies, or None; set damaged ones of the phase's own aside and `say` so.

    Only one process may call this for a folder at a time.
    """
    for match in sorted(found, key=lambda match: -match.point.step):  # stable: of equal ones the own comes first
        directory = match.candidate.directory
        problem = damage(directory)
        if problem is None:
            return match
        if directory.parent == folder / "checkpoints":
            set_damaged_aside(directory, problem, say)
        else:
            say(f"{directory} is damaged: {problem}; taking another")
    return None


def set_damaged_aside(directory: Path, problem: str, say: Callable[[str], None]) -> None:
    """Give a damaged checkpoint a name that says so."""
    aside = directory.with_name(f"damaged-{directory.name}")
    shutil.rmtree(aside, ignore_errors=True)
    directory.rename(aside)
    say(f"checkpoint {directory.name} is damaged: {problem}; set aside as {aside.name}, taking one before it")


def take_over(candidate: Candidate, target: Path, state: dict[str, Any]) -> None:
    """Make `target` a checkpoint with the tensors of a candidate and another state.

    Raises:
        FileNotFoundError: the candidate is gone; nothing is made then.
    """
    staged = staged_name(target, "taken")
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir(parents=True)
    manifest = read_json(candidate.directory / MANIFEST)
    entries = [entry for entry in manifest["files"] if entry["name"] != STATE]
    for entry in entries:
        link_or_copy(candidate.directory / entry["name"], staged / entry["name"])
    write_json(staged / STATE, state)
    files = sorted([*entries, describe(staged / STATE)], key=lambda entry: str(entry["name"]))
    write_json(staged / MANIFEST, manifest | {"files": files})
    put_in_place(staged, target)
