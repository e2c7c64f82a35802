"""Reading logs."""

from __future__ import annotations

import tempfile
from contextlib import redirect_stdout
from io import BytesIO, TextIOWrapper
from itertools import pairwise
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from slurm.records.follow import Mirror, last_lines


@given(before=st.binary(max_size=20), data=st.binary(max_size=200), cuts=st.lists(st.integers(0, 200)))
def test_all_that_is_added_is_copied_once_however_it_is_cut(before: bytes, data: bytes, cuts: list[int]) -> None:
    borders = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    with tempfile.TemporaryDirectory() as folder, redirect_stdout(TextIOWrapper(BytesIO())) as output:
        path = Path(folder) / "log"
        path.write_bytes(before)
        mirror = Mirror(path)
        for start, end in pairwise(borders):
            with open(path, "ab") as log:
                log.write(data[start:end])
            mirror.copy()
        mirror.copy()
    assert output.buffer.getvalue() == data


def test_a_log_may_appear_later_and_hold_any_bytes(tmp_path: Path) -> None:
    with redirect_stdout(TextIOWrapper(BytesIO())) as output:
        mirror = Mirror(tmp_path / "log")
        mirror.copy()
        (tmp_path / "log").write_bytes(b"a\xffb\n")
        mirror.copy()
    assert output.buffer.getvalue() == b"a\xffb\n"


def test_the_last_lines_of_a_log_are_shown_and_a_missing_one_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "log"
    assert last_lines(path) == ""
    path.write_text("".join(f"line {number}\n" for number in range(10_000)))
    assert last_lines(path, count=2) == "line 9998\nline 9999"
    path.write_text("x" * 100_000)
    assert len(last_lines(path)) == 16_384
