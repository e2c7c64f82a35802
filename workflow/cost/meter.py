"""The energy of this machine while Snakemake works on it, by codecarbon: `python -m workflow.cost.meter FILE`.

A process beside Snakemake, and beside what trains, that dies with it. It adds a line to a file every `SECONDS`: what
the machine has taken since the process began. It is all of the machine, whoever uses it. codecarbon is no part of
Alasin's environment: where somebody installs it, energy is told where no Slurm accounts for it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from common.errors import run_command
from common.processes import spawn_bound

LOG = Path("results/provenance/energy.jsonl")
PACKAGE = "codecarbon"
SECONDS = 15.0
ROOT = Path(__file__).resolve().parents[2]


def begin() -> subprocess.Popen[bytes] | None:
    """Start the process in the working directory, where codecarbon is installed; it ends when this one does."""
    if find_spec(PACKAGE) is None:
        return None
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))}
    with open(os.devnull, "wb") as nothing:
        return spawn_bound([sys.executable, "-m", "workflow.cost.meter", str(LOG)], environment, nothing, nothing)


def main() -> None:
    """Write lines until whoever began it ends."""
    path = Path(sys.argv[1])
    module = import_module(PACKAGE)
    # Of a country only the grams of CO2 depend, which nobody asks for here; without one it would ask the network.
    tracker = module.OfflineEmissionsTracker(
        country_iso_code="FIN",
        save_to_file=False,
        log_level="error",
        measure_power_secs=SECONDS,
        allow_multiple_runs=True,
        tracking_mode="machine",
    )
    begun = time.time()
    tracker.start()
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        time.sleep(SECONDS)
        tracker.flush()
        line = {
            "begun": begun,
            "time": time.time(),
            "kilowatt_hours": float(tracker._total_energy.kWh),
            "source": f"{PACKAGE} {module.__version__}: {_parts(tracker)}",
        }
        with open(path, "a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")


def _parts(tracker: Any) -> str:
    """Return what is told of how each part of the machine is known, such as CPU(Cpu Load), RAM()."""
    return ", ".join(repr(part) for part in getattr(tracker, "_hardware", []))


if __name__ == "__main__":
    run_command(main)
