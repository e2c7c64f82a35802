"""The energy of jobs: as Slurm's accounting has it where there is one that measures, else by the power of the nodes."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

JOULES_IN_KWH = 3_600_000
TIMEOUT_SECONDS = 60


@dataclass(frozen=True)
class Energy:
    """What jobs took."""

    kilowatt_hours: float
    how: Literal["slurm", "power"]
    """Measured by Slurm's accounting; or the power that the cluster's description gives a node, times the hours."""
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
