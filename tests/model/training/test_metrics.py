"""A log goes on after any step: what was written of later ones is cut off, and nothing else is read or changed."""

import json
from pathlib import Path

import pytest

from model.training.metrics import _BLOCK_BYTES, Log, cut_after


def line(step: int, size: int = 0) -> bytes:
    return json.dumps({"step": step, "loss": 2.5, "words": "x" * size}).encode() + b"\n"


def bytes_read() -> int:
    """What this process has read of files so far."""
    counts = dict(entry.split(": ") for entry in Path("/proc/self/io").read_text().splitlines())
    return int(counts["rchar"])


def test_of_a_log_of_a_million_lines_only_the_end_is_read(tmp_path):
    path = tmp_path / "metrics.jsonl"
    lines = [b'{"step": %d}\n' % step for step in range(1, 1_000_001)]
    path.write_bytes(b"".join(lines))
    before = bytes_read()
    assert cut_after(path, 999_000) == 1000
    assert bytes_read() - before < 4 * _BLOCK_BYTES
    assert path.read_bytes() == b"".join(lines[:999_000])


@pytest.mark.parametrize("size", [0, 100, 5000, 3 * _BLOCK_BYTES])
@pytest.mark.parametrize("step", [0, 1, 29, 30, 99])
def test_lines_up_to_the_step_stay_and_later_ones_are_counted(tmp_path, step, size):
    path = tmp_path / "metrics.jsonl"
    lines = [line(number, size if number % 3 else 0) for number in range(1, 31)]
    path.write_bytes(b"".join(lines))
    assert cut_after(path, step) == len(lines[step:])
    assert path.read_bytes() == b"".join(lines[:step])


@pytest.mark.parametrize("kept", [1, 3])
@pytest.mark.parametrize("later", [b"", line(4), line(4) + line(5)], ids=["no step", "a step", "two steps"])
@pytest.mark.parametrize(
    "damage",
    [line(6)[:-1], line(6)[:9], b"\0" * 5000, b"\0" * 5000 + b"\n", b'{"step": null}\n', b"[6]\n\n\n", b"\xff\xfe\n"],
    ids=["no end of line", "cut short", "zeros", "a line of zeros", "no step", "no object", "no text"],
)
def test_a_damaged_end_is_cut_off_with_the_steps_before_it(tmp_path, kept, later, damage):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(line(1) + line(2) + line(3) + later + damage)
    assert cut_after(path, kept) == 3 - kept + later.count(b"\n")
    assert path.read_bytes() == b"".join(map(line, range(1, kept + 1)))


def test_a_log_goes_on_where_it_was_cut(tmp_path):
    (tmp_path / "metrics.jsonl").write_bytes(line(1) + line(2) + line(3)[:5])
    log = Log(tmp_path, 1)
    log.write({"step": 2, "loss": 1.5, "language_loss": {}})
    log.close()
    assert log.repeated == 1
    steps = [json.loads(each)["step"] for each in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert steps == [1, 2]


def test_a_log_that_is_not_there_or_empty_has_nothing_to_cut(tmp_path):
    assert cut_after(tmp_path / "metrics.jsonl", 3) == 0
    (tmp_path / "metrics.jsonl").touch()
    assert cut_after(tmp_path / "metrics.jsonl", 3) == 0
    assert (tmp_path / "metrics.jsonl").read_bytes() == b""
