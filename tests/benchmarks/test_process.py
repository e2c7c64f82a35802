"""What a command and all that it starts took."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.process import directory_bytes
from common.errors import UserError

BURN = "import time\nend = time.process_time() + 0.2\nwhile time.process_time() < end: pass\n"
HOLD = "data = bytearray(b'x') * 100_000_000; import time; time.sleep(0.6)"
MEASURE = """
import sys
from benchmarks.process import run
cost, last = run([[sys.executable, "-c", program] for program in sys.argv[1:]], {"GREETING": "hei"})
print(cost.wall, cost.processor, cost.memory, last)
"""


def measured(*programs: str) -> tuple[float, float, int, str]:
    """Measure Python programs from a process of their own, which becomes a reaper."""
    ran = subprocess.run([sys.executable, "-c", MEASURE, *programs], capture_output=True, text=True, check=False)
    if ran.returncode:
        raise UserError(ran.stderr)
    wall, processor, memory, last = ran.stdout.rstrip("\n").split(" ", 3)
    return float(wall), float(processor), int(memory), last


def test_processor_time_of_orphans_counts() -> None:
    start = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {BURN!r}])"
    wall, processor, _, _ = measured(start, start)
    assert processor > 0.4  # an orphan has a second on a busy machine, too
    assert wall > 0.4


def test_an_orphan_that_stays_is_ended() -> None:
    wall, _, _, last = measured("import subprocess; subprocess.Popen(['sleep', '60']); print('done')")
    assert wall < 20
    assert last == "done"


def test_memory_is_that_of_all_processes_at_once() -> None:
    start = (
        "import subprocess, sys\n"
        f"children = [subprocess.Popen([sys.executable, '-c', {HOLD!r}]) for _ in '12']\n"
        "for child in children: child.wait()"
    )
    _, _, memory, _ = measured(start)
    assert 200_000_000 < memory < 300_000_000


def test_the_environment_reaches_the_command_and_its_last_line_comes_back() -> None:
    assert measured("print(1)", "import os; print(0); print(os.environ['GREETING'])")[3] == "hei"


def test_a_command_that_fails_is_told_with_its_output() -> None:
    with pytest.raises(UserError, match="no such thing"):
        measured("import sys; sys.exit('no such thing')")


def test_bytes_of_a_directory_are_those_of_all_its_files(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"123")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "c").write_bytes(b"45")
    assert directory_bytes(tmp_path) == 5
