"""One Snakemake at a time in a directory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from common.errors import UserError
from workflow.directory_lock import hold, holder_elsewhere

HOLD = (
    "import sys; from pathlib import Path; from workflow.directory_lock import hold; hold(Path(sys.argv[1]))\n"
    "print('held', flush=True); sys.stdin.read()"
)


def hold_in_another_process(directory: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(directory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_held_directory_is_refused_and_the_holder_named(tmp_path: Path) -> None:
    with hold_in_another_process(tmp_path) as holder:
        with pytest.raises(UserError, match=rf"another snakemake \(pid {holder.pid} on .+ since .+\) is working in "):
            hold(tmp_path)
        holder.communicate("")


def test_a_killed_holder_leaves_no_stale_lock(tmp_path: Path) -> None:
    with hold_in_another_process(tmp_path) as holder:
        holder.kill()
        holder.wait()
        hold(tmp_path)


def test_holding_twice_is_holding_once(tmp_path: Path) -> None:
    hold(tmp_path)
    hold(tmp_path / ".." / tmp_path.name)


def test_two_directories_can_be_held_by_two(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with hold_in_another_process(tmp_path) as holder:
        hold(tmp_path / "other")
        holder.communicate("")


def test_asking_who_holds_a_directory_does_not_take_it(tmp_path: Path) -> None:
    assert holder_elsewhere(tmp_path) is None
    with hold_in_another_process(tmp_path) as holder:
        assert f"pid {holder.pid} on" in (holder_elsewhere(tmp_path) or "")
        holder.communicate("")
    hold(tmp_path)
    assert holder_elsewhere(tmp_path) is None
