"""The energy of jobs: as Slurm's accounting has it, or codecarbon on this machine, else by the power of the nodes."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

JOULES_IN_KWH = 3_600_000
TIMEOUT_SECONDS = 60
UNCOUNTED = 0.2
"""Share of a time that may be missing in what was read."""


@dataclass(frozen=True)
class Energy:
    """What jobs took."""

    kilowatt_hours: float
    how: Literal["slurm", "codecarbon", "power"]
    """Measured by Slurm's accounting; told by codecarbon, for all of this machine; or the power that the cluster's
    description gives a node, times the hours."""
    source: str
    """For people: who measured, or which power it is."""


def measured_kwh(job_ids: Iterable[str]) -> dict[str, float]:
    """Return job id -> kWh of all its runs, for those whose energy Slurm has measured; nothing where no Slurm answers.

    What it measures is a matter of the site: on LUMI that of whole nodes.
    """
    wanted = sorted({job_id for job_id in job_ids if job_id.isdigit()})
    if not wanted:
        return {}
    command = ["sacct", "--noheader", "--parsable2", "--allocations", "--duplicates", "--jobs", ",".join(wanted)]
    command.append("--format=JobIDRaw,ConsumedEnergyRaw")
    try:
        said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=TIMEOUT_SECONDS).stdout
    except (OSError, subprocess.SubprocessError):
        return {}
    found: dict[str, float] = {}
    for line in said.splitlines():
        job_id, _, joules = line.partition("|")
        # Without a plugin that measures the field is empty or 0.
        if joules.isdigit() and int(joules):
            found[job_id] = found.get(job_id, 0.0) + int(joules) / JOULES_IN_KWH
    return found


@dataclass(frozen=True)
class Reading:
    """What this machine had taken at some time."""

    begun: float
    """When the count began, in seconds since the epoch."""
    time: float
    kilowatt_hours: float
    source: str
    """For people: by what, and how each part of the machine is known."""


def readings(path: Path) -> list[Reading]:
    """Return what `workflow.cost.meter` has written, a line each; what is damaged is passed over."""
    found = []
    if path.is_file():
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            with suppress(ValueError, TypeError):
                found.append(Reading(**json.loads(line)))
    return found


def told_kwh(found: Sequence[Reading], begin: float, end: float) -> tuple[float, str] | None:
    """Return what this machine took between two times, and by what that is known; None if too little of it is.

    Between two readings of a count the power counts as even, and where up to `UNCOUNTED` of the time is missing, it
    counts as on average.
    """
    kwh = seconds = 0.0
    source = ""
    previous: Reading | None = None
    for one in found:
        before = previous if previous and previous.begun == one.begun else Reading(one.begun, one.begun, 0.0, "")
        covered = min(end, one.time) - max(begin, before.time)
        if covered > 0:
            kwh += (one.kilowatt_hours - before.kilowatt_hours) * covered / (one.time - before.time)
            seconds, source = seconds + covered, one.source
        previous = one
    if seconds <= 0 or seconds < (1 - UNCOUNTED) * (end - begin):
        return None
    return kwh * (end - begin) / seconds, source
