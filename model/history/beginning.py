"""Where a phase begins: its folder is put in order for what the recipe asks for now.

Nothing is deleted. Checkpoints of the folder that lead elsewhere go to `superseded/`, with the metrics beside them, in
the order of a phase's folder, so that they are found when they are asked for again. Killed at any moment, the same is
done again from where it stands.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from common.files import atomic_file
from common.finished import FINISHED
from model.history.candidates import Match, candidates, matches, newest_whole, set_damaged_aside, take_over
from model.history.plan import Plan
from model.history.store import complete_checkpoints, damage, directory_of, finish_renames, other_format

METRICS = "metrics.jsonl"
LEFT = (METRICS, "tensorboard", FINISHED)
"""What a phase leaves in its folder beside checkpoints."""


@dataclass(frozen=True)
class Places:
    """Where a phase looks for checkpoints."""

    folder: Path
    """Of the phase."""
    runs: Path | None
    """Folder of all runs, `{run}/{phase}` below it; None to look at the phase's own alone."""


def begin(plan: Plan, places: Places, facts: Mapping[str, Any], say: Callable[[str], None]) -> int | None:
    """Let the newest whole checkpoint that leads where the plan does lie in the phase's folder; return its step.

    Only one process may do this for a folder at a time, and no other may train there.

    Args:
        plan: of the phase.
        places: where to look.
        facts: what else the state of a checkpoint of this phase says.
        say: told what becomes of what was found.
    """
    folder = places.folder
    finish_renames(folder / "checkpoints")
    read = candidates(folder, places.runs)
    for directory in complete_checkpoints(folder / "checkpoints"):
        if directory not in {one.directory for one in read} and (problem := damage(directory)):
            set_damaged_aside(directory, problem, say)
    found = matches(plan, read)
    best = newest_whole(found, folder, say)
    _set_aside(folder, {match.candidate.directory for match in found}, say)
    while best:
        try:
            _bring(plan, folder, best, facts, say)
        except FileNotFoundError:  # its owner has deleted it meanwhile
            found.remove(best)
            best = newest_whole(found, folder, say)
        else:
            return best.point.step
    return None


def finish(plan: Plan, places: Places, facts: Mapping[str, Any], say: Callable[[str], None]) -> Path | None:
    """Return the checkpoint that the phase ends with, in its folder, if it has been trained by whomever; else nothing.

    Where it has not, nothing is touched.
    """
    found = matches(plan, candidates(places.folder, places.runs))
    if not found or not (found[-1].point.stage_end and found[-1].point == plan.ends[-1]):
        return None
    step = begin(plan, places, facts, say)
    return directory_of(places.folder / "checkpoints", step) if step == found[-1].point.step else None


def _set_aside(folder: Path, kept: set[Path], say: Callable[[str], None]) -> None:
    """Move the checkpoints of a folder that are not `kept` to `superseded/`, with a copy of the metrics."""
    own = complete_checkpoints(folder / "checkpoints")
    leading_elsewhere = [directory for directory in own if directory not in kept]
    if not leading_elsewhere:
        return
    last = leading_elsewhere[-1]
    reason = other_format(last) or f"the recipe or the data has changed since {last.name} was written"
    aside = folder / "superseded" / f"{time.time_ns()}"
    (aside / "checkpoints").mkdir(parents=True)
    if (folder / METRICS).exists():
        shutil.copyfile(folder / METRICS, aside / METRICS)
    for directory in leading_elsewhere:
        directory.rename(aside / "checkpoints" / directory.name)
    if len(leading_elsewhere) == len(own):
        for name in LEFT:
            if (folder / name).exists():
                (folder / name).rename(aside / name)
    say(f"{reason}; moved what leads elsewhere to {aside}")


def _bring(plan: Plan, folder: Path, best: Match, facts: Mapping[str, Any], say: Callable[[str], None]) -> None:
    """Let a checkpoint lie in the phase's folder, with its stage and slots as this plan counts them."""
    point, candidate = best
    target = directory_of(folder / "checkpoints", point.step)
    reached = asdict(plan.position_at(point, candidate.position()))
    home = candidate.directory.parent.parent
    if home != folder:
        say(f"taking over {candidate.directory}: what led to it is what this phase begins with")
        _copy_metrics(home / METRICS, folder / METRICS, plan, point.step)
    if candidate.directory != target or candidate.state["position"] != reached:
        take_over(candidate, target, {**candidate.state, **facts, "position": reached})


def _copy_metrics(source: Path, target: Path, plan: Plan, last: int) -> None:
    """Write the metrics of another folder up to step `last`, with stages and slots as this plan counts them."""
    if not source.exists():
        return
    ends = [point.phase_slots for point in plan.ends]
    rows = [row for row in _rows(source) if plan.start.step < row["step"] <= last]
    with atomic_file(target, "w") as stream:
        for row in rows:
            row["phase_slots"] = row["slots"] - plan.start.slots
            row["stage"] = sum(end < row["phase_slots"] for end in ends)
            stream.write(json.dumps(row) + "\n")


def _rows(path: Path) -> Iterable[dict[str, Any]]:
    """Yield the whole lines of a log; the last one may be cut off by a kill."""
    with open(path, encoding="utf-8") as stream:
        for line in stream:
            if line.endswith("\n"):
                yield json.loads(line)
