"""Taking over what another run has trained, killed at each of its writes: nothing is lost, and the end is the same."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from model.history.store import damage, load_state, open_checkpoint
from tests.model.history.history_cases import ask, phase, plan, stage, write

ROOT = Path(__file__).parents[3]
KILLED = """
import os, runpy, signal, sys
left = int(sys.argv.pop(1))

def hook(event, arguments):
    global left
    writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
    if writes or event in ("os.rename", "os.link", "os.mkdir", "os.remove", "os.rmdir"):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(hook)
runpy.run_module("model.history", run_name="__main__", alter_sys=True)
"""


def run(arguments: list[str], write_number: int) -> int:
    """Run the command, killed just before so many writes are done; 0 lets it live."""
    command = [sys.executable, "-B", "-c", KILLED, str(write_number), *arguments]
    return subprocess.run(command, env=os.environ | {"PYTHONPATH": str(ROOT)}, cwd=ROOT, check=False).returncode


def test_killed_at_any_write_and_run_again_it_takes_over_the_same_bits(tmp_path: Path) -> None:
    theirs = plan(phase(stage(), run="big", name="stable"), tmp_path / "rows")
    source = write(tmp_path / "big" / "stable", theirs, 20)
    own = plan(phase(stage(masking_rate=0.1), run="small", name="stable"), tmp_path / "rows")
    left = write(tmp_path / "small" / "stable", own, 7)  # leads elsewhere: is set aside, and is not lost
    before = {path.name: path.read_bytes() for path in left.iterdir()}
    arguments = ask(tmp_path, phase(stage(), run="small", name="stable"))
    start = tmp_path / "start"
    shutil.copytree(tmp_path / "small", start)
    kills = 0
    while run(arguments, kills + 1) == -signal.SIGKILL:
        kills += 1
        assert damage(source) is None
        assert run(arguments, 0) == 0
        directory = open_checkpoint(tmp_path / "small" / "stable" / "checkpoint.json")
        assert load_state(directory)["position"]["history"] == load_state(source)["position"]["history"]
        (aside,) = (tmp_path / "small" / "stable").glob(f"superseded/*/checkpoints/{left.name}")
        assert {path.name: path.read_bytes() for path in aside.iterdir()} == before
        shutil.rmtree(tmp_path / "small")
        shutil.copytree(start, tmp_path / "small")
    assert kills >= 15
    assert not list((tmp_path / "small").rglob(".step-*"))
