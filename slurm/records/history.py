"""What became of a phase's jobs: `jobs.jsonl` in its folder, one line whenever one ended.

A job that Slurm or its own batch script puts back into the queue keeps its id and counts its restarts; each run of it
is a line of its own here. Lines are only ever appended, by the job itself as its last act, or by the launch that finds
that a job ended without leaving one.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

from common.errors import UserError

Outcome = Literal[
    "finished",
    "time limit",
    "preempted",
    "node failure",
    "stopped",
    "cancelled",
    "requeued",
    "rank died",
    "hung",
    "out of memory",
    "refused",
    "unknown",
]
"""How a run of a job ended. `stopped`: a person asked it to checkpoint and end; `refused`: its command says that going
on is useless (a loss that is not finite, a recipe that changed); `requeued`: Slurm put it back into the queue by
itself and does not remember why."""


@dataclass(frozen=True)
class Run:
    """One run of a job, from its start on the nodes to its end."""

    job_id: str
    restart: int
    """How often the job had been put back into the queue before."""
    partition: str
    nodes: int
    started: float
    """Seconds since the epoch."""
    ended: float
    outcome: Outcome
    reason: str
    """A sentence for people; empty where the outcome says it all."""
    first_step: int
    """Step of the newest checkpoint when it started."""
    last_step: int
    """Step of the newest checkpoint when it ended."""


def history_path(folder: Path) -> Path:
    """Return where a phase's history is."""
    return folder / "jobs.jsonl"


def append_run(folder: Path, run: Run) -> None:
    """Append a line, unless this run of this job has one already."""
    if any(
        (other.job_id, other.restart, other.started) == (run.job_id, run.restart, run.started)
        for other in read_history(folder)
    ):
        return
    with open(history_path(folder), "ab") as stream:
        # A line that was cut off must not be glued to the next one.
        stream.truncate(history_path(folder).read_bytes().rfind(b"\n") + 1)
        stream.write((json.dumps(asdict(run)) + "\n").encode())
        stream.flush()
        os.fsync(stream.fileno())


def read_history(folder: Path) -> list[Run]:
    """Return the runs of a phase's jobs, oldest first; none if none has ended.

    A last line that a full disk or a kill cut off is passed over. Raises `UserError` about any other line that is not a
    run.
    """
    path = history_path(folder)
    if not path.exists():
        return []
    *lines, _ = path.read_text(encoding="utf-8").split("\n")  # what follows the last line feed was cut off
    runs = []
    for number, line in enumerate(lines, 1):
        try:
            run = Run(**json.loads(line))
            if run.outcome not in get_args(Outcome):
                raise ValueError(f"no outcome {run.outcome!r}")
        except (ValueError, TypeError) as error:
            raise UserError(f"{path}, line {number} is not a run of a job ({error}); delete that line.") from None
        runs.append(run)
    return runs
