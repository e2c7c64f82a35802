"""Workers share the tests by file, and what is below the tests of a real Slurm is one worker's, first of all."""

import os
import subprocess
import sys
from pathlib import Path

from tests.side_by_side import SLURM

ROOT = Path(__file__).parents[1]
TEST = """
import os
from pathlib import Path
import pytest

@pytest.mark.parametrize("number", range(4))
def test_it(number):
    with open("{record}", "a") as stream:
        stream.write(f"{name} {{os.environ['PYTEST_XDIST_WORKER']}}\\n")
"""


def test_a_file_is_one_workers_and_all_that_share_a_slurm_are_too(tmp_path: Path) -> None:
    record = tmp_path / "record"
    for name in ("tests/a/test_a.py", "tests/a/test_b.py", f"{SLURM}test_one.py", f"{SLURM}test_two.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(TEST.format(record=record, name=name))
    command = [sys.executable, "-m", "pytest", "-n", "2", "-p", "tests.side_by_side", "--rootdir", tmp_path, "-q", "."]
    command += ["--import-mode=importlib"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines()[-1].startswith("16 passed in ")
    ran = [line.split() for line in record.read_text().splitlines()]
    workers = {name: {worker for other, worker in ran if other == name} for name, _ in ran}
    assert all(len(of_file) == 1 for of_file in workers.values())
    assert workers[f"{SLURM}test_one.py"] == workers[f"{SLURM}test_two.py"]
    first = [name for name, worker in ran if {worker} == workers[f"{SLURM}test_one.py"]]
    assert first[:8] == [f"{SLURM}test_one.py"] * 4 + [f"{SLURM}test_two.py"] * 4
