"""A scenario that fails once and one that fails twice, as the summary tells them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.slurm.standin import ROOT

SCENARIOS = """
import pytest
from pathlib import Path

@pytest.mark.flaky(reruns=1)
@pytest.mark.parametrize("name", ["once", "twice"])
def test_it(name, request):
    tries = Path(__file__).with_name(name)
    tries.write_text(tries.read_text() + "x" if tries.exists() else "x")
    assert name == "once" and tries.read_text() == "xx", f"try {len(tries.read_text())}"
"""


def test_both_outcomes_are_told(tmp_path: Path) -> None:
    scenarios = tmp_path / "test_scenarios.py"
    scenarios.write_text(SCENARIOS)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "tests.slurm.both_outcomes",
        "--rootdir",
        tmp_path,
        "-q",
        scenarios,
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    told = [line.partition("::")[2] for line in done.stdout.splitlines() if ": first " in line]
    assert told[0].startswith("test_it[once]: first failed in its call (AssertionError: try 1")
    assert told[0].endswith(", then passed")
    assert "AssertionError: try 1" in told[1]
    assert "then failed (AssertionError: try 2" in told[1]
