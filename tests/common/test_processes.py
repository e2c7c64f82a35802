"""Names of processes, and children that end with their parent."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from common.processes import spawn_bound, start_ticks
from tests.slurm.standin import ROOT, wait_for


def test_a_process_keeps_its_start_and_a_zombie_has_none() -> None:
    assert start_ticks(os.getpid()) == start_ticks(os.getpid())
    process = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    assert start_ticks(process.pid) is not None
    process.kill()
    wait_for(lambda: start_ticks(process.pid) is None)
    process.communicate()
    assert start_ticks(process.pid) is None


def test_a_name_with_parentheses_and_spaces_is_read_rightly(tmp_path: Path) -> None:
    program = tmp_path / "a) S 1 (b"
    program.symlink_to("/bin/cat")
    with subprocess.Popen([program], stdin=subprocess.PIPE) as process:
        ticks = start_ticks(process.pid)
        process.communicate()
    own = start_ticks(os.getpid())
    assert ticks is not None
    assert own is not None
    assert ticks >= own


def test_a_bound_child_ends_when_its_parent_is_killed() -> None:
    code = (
        "import os; from common.processes import spawn_bound\n"
        "child = spawn_bound(['sleep', '60'], os.environ); print(child.pid, flush=True); child.wait()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=ROOT) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert start_ticks(child) is not None
        parent.kill()
        wait_for(lambda: start_ticks(child) is None)


def test_a_program_that_does_not_exist_is_an_os_error() -> None:
    with pytest.raises(FileNotFoundError):
        spawn_bound(["no-such-program"], os.environ)
