"""Energy on a machine without Slurm: a process beside Snakemake asks codecarbon; jobs are found in what it wrote."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from slurm.records.history import Run, append_run
from tests.workflow.cost.test_cost import RECIPE, ROOT, STEPS, write_phase
from workflow.cost.energy import Reading, readings, told_kwh
from workflow.cost.meter import LOG
from workflow.cost.text import render
from workflow.cost.whole import make_cost

FAKE = '''
__version__ = "9"

class OfflineEmissionsTracker:
    """As codecarbon's: a thousandth of a kWh at each reading."""

    def __init__(self, **options):
        assert (options["tracking_mode"], options["save_to_file"]) == ("machine", False)
        self._hardware, self._total_energy = ["a meter"], type("Energy", (), {"kWh": 0.0})

    def start(self):
        pass

    def flush(self):
        self._total_energy.kWh += 0.001
'''
BEGIN = """
import time
from workflow.cost import meter

process = meter.begin()
print(process.pid if process else "nothing", flush=True)
time.sleep(600)
"""


def line(when: float, kwh: float, begun: float = 100.0) -> str:
    return json.dumps(vars(Reading(begun, when, kwh, "a meter"))) + "\n"


def test_it_reads_beside_snakemake_and_dies_with_it(tmp_path: Path) -> None:
    package = tmp_path / "site" / "codecarbon.py"
    package.parent.mkdir()
    package.write_text(FAKE)
    # Not fifteen seconds between readings.
    quick = "import time\nslow = time.sleep\ntime.sleep = lambda seconds: slow(seconds / 100)\n"
    (tmp_path / "site" / "sitecustomize.py").write_text(quick)
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{package.parent}"}
    parent = subprocess.Popen(
        [sys.executable, "-c", BEGIN], cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    deadline = time.monotonic() + 60
    while len(readings(tmp_path / LOG)) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    parent.kill()
    parent.wait()
    first, second = readings(tmp_path / LOG)[:2]
    assert (first.kilowatt_hours, second.kilowatt_hours) == (0.001, 0.002)
    assert first.source == "codecarbon 9: 'a meter'"
    while Path(f"/proc/{child}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(f"/proc/{child}").exists()


def test_nothing_begins_where_it_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workflow.cost.meter.find_spec", lambda name: None)
    from workflow.cost.meter import begin

    assert begin() is None


def test_a_job_took_its_part_of_what_was_counted_meanwhile(tmp_path: Path) -> None:
    path = tmp_path / "energy.jsonl"
    path.write_text(line(110, 0.1) + line(120, 0.4) + '{"begun": 1' + "\n" + line(210, 0.5, begun=200))
    found = readings(path)
    assert [one.kilowatt_hours for one in found] == [0.1, 0.4, 0.5]
    told = told_kwh(found, 105, 115)
    assert told is not None
    assert told == (pytest.approx(0.05 + 0.15), "a meter")
    # A count that began anew, and a tenth of a time that was not read.
    assert told_kwh(found, 200, 210) == (pytest.approx(0.5), "a meter")
    longer = told_kwh(found, 199, 210)
    assert longer is not None
    assert longer[0] == pytest.approx(0.55)
    assert told_kwh(found, 130, 140) is None
    assert told_kwh(found, 110, 210) is None, "most of it was not read"
    assert told_kwh([], 0, 1) is None


def test_a_phase_on_this_machine_has_energy_where_it_was_read(tmp_path: Path) -> None:
    folder = write_phase(tmp_path, [2.0] * STEPS)
    path = tmp_path / LOG
    path.parent.mkdir()
    path.write_text(line(1e9 + 600, 0.25, 1e9) + line(1e9 + 1800, 1.25, 1e9))
    (phase,) = make_cost(RECIPE, tmp_path).phases
    assert phase.energy is not None
    assert (phase.energy.kilowatt_hours, phase.energy.how) == (pytest.approx(1.25), "codecarbon")
    shown = render(make_cost(RECIPE, tmp_path))
    assert "1.2 c" in shown
    assert "c: the whole machine's, by a meter; what no sensor tells is a constant." in shown
    append_run(folder, Run("7", 0, "", 1, 2e9, 2e9 + 60, "finished", "", 0, STEPS))
    (phase,) = make_cost(RECIPE, tmp_path).phases
    assert phase.energy is None, "one of two jobs ran unread"
