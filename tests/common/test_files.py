"""Atomic files, and errors of the system as sentences."""

import subprocess
import sys
from pathlib import Path

import pytest

from common.files import atomic_file, matching_files

ROOT = Path(__file__).parents[2]
# /dev/full fails as a full disk does: when the buffer is written.
WRITE_TO_A_FULL_DISK = """
import os, sys
from pathlib import Path
from common.errors import run_command
from common.files import atomic_file

def main():
    with atomic_file(Path(sys.argv[1])) as stream:
        os.dup2(os.open("/dev/full", os.O_WRONLY), stream.fileno())
        stream.write(b"x")

run_command(main)
"""


def test_a_full_disk_is_told_with_the_file_and_what_to_do_and_nothing_is_left(tmp_path: Path) -> None:
    path = tmp_path / "rows.arrow"
    command = [sys.executable, "-c", WRITE_TO_A_FULL_DISK, path]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    sentence = f"error: No space left on device ({path}). Free some space there and run the same command again.\n"
    assert (done.returncode, done.stderr) == (1, sentence)
    assert not list(tmp_path.iterdir())


def test_the_same_file_written_on_two_nodes_at_once_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "rows.columns"
    with atomic_file(path, "w") as here:
        here.write("here")
        monkeypatch.setattr("socket.gethostname", lambda: "another")
        with atomic_file(path, "w") as there:
            there.write("there, and longer")
    assert path.read_text(encoding="utf-8") == "here"
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


def test_a_path_that_exists_is_itself_though_it_looks_like_a_pattern(tmp_path: Path) -> None:
    for name in ("a[1].jsonl", "a1.jsonl"):
        (tmp_path / name).touch()
    assert matching_files(f"{tmp_path}/a[1].jsonl") == [f"{tmp_path}/a[1].jsonl"]
    assert matching_files(f"{tmp_path}/a[12].jsonl") == [f"{tmp_path}/a1.jsonl"]
    assert matching_files(f"{tmp_path}/b*") == []
