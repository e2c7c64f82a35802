"""Locks that end with their holder."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

from common.locks import holder_of, is_held, try_lock
from tests.slurm.standin import ROOT

HOLD = "import sys; from pathlib import Path; from common.locks import try_lock; lock = try_lock(Path(sys.argv[1])); "


def hold_in_another_process(path: Path, then: str = "sys.stdin.read()") -> subprocess.Popen[str]:
    """Start a process that locks `path`, says so, and goes on with `then`."""
    code = HOLD + "print(lock is not None, flush=True); " + then
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "True\n"
    return process


def test_a_held_lock_is_refused_and_names_its_holder(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "lock"
    with hold_in_another_process(path) as process:
        assert try_lock(path) is None
        assert holder_of(path).startswith(f"pid {process.pid} on {socket.gethostname()} since 2")
        process.communicate("")
    assert try_lock(path) is not None
    assert holder_of(path).startswith(f"pid {os.getpid()} on ")


def test_a_released_lock_can_be_taken_and_has_no_holder(tmp_path: Path) -> None:
    lock = try_lock(tmp_path / "lock")
    assert lock is not None
    assert try_lock(tmp_path / "lock") is None
    lock.release()
    assert holder_of(tmp_path / "lock") == "another process"
    assert try_lock(tmp_path / "lock") is not None


def test_a_killed_holder_leaves_no_stale_lock(tmp_path: Path) -> None:
    with hold_in_another_process(tmp_path / "lock") as process:
        process.kill()
        process.wait()
        assert try_lock(tmp_path / "lock") is not None


def test_children_of_the_holder_do_not_keep_the_lock(tmp_path: Path) -> None:
    then = "import subprocess; subprocess.Popen(['cat'], stdout=subprocess.DEVNULL)"
    with hold_in_another_process(tmp_path / "lock", then) as process:
        process.wait()  # the child, cat, lives until its input, this process's pipe, is closed
        assert try_lock(tmp_path / "lock") is not None


def test_a_file_that_is_no_record_of_a_holder_is_another_process(tmp_path: Path) -> None:
    for content in (b"", b"[]", b"{}", b"\xff", b'{"pid": 1}'):
        (tmp_path / "lock").write_bytes(content)
        assert holder_of(tmp_path / "lock") == "another process"


def test_looking_whether_a_lock_is_held_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert not is_held(path)
    assert not path.exists()
    lock = try_lock(path)
    assert lock is not None
    before = path.read_bytes()
    assert is_held(path)
    lock.release()
    path.write_bytes(before)
    assert not is_held(path)
    assert path.read_bytes() == before
