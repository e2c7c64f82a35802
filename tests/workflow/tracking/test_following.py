"""Lines of a log that grows and is cut back."""

from pathlib import Path

from workflow.tracking.following import Lines


def test_each_whole_line_comes_once_and_half_a_line_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "log"
    lines = Lines(path)
    assert lines.read() == []
    path.write_bytes(b"1\n2\n3")
    assert lines.read() == [b"1\n", b"2\n"]
    assert lines.read() == []
    path.write_bytes(b"1\n2\n3\n4\n")
    assert lines.read() == [b"3\n", b"4\n"]


def test_after_a_cut_the_lines_that_follow_the_last_common_one_come(tmp_path: Path) -> None:
    path = tmp_path / "log"
    lines = Lines(path)
    path.write_bytes(b"1\n2\n3\n4\n")
    assert len(lines.read()) == 4
    path.write_bytes(b"1\n2\n")
    assert lines.read() == []
    path.write_bytes(b"1\n2\n3 again\n4 again\n5\n")
    assert lines.read() == [b"3 again\n", b"4 again\n", b"5\n"]
    path.unlink()
    assert lines.read() == []
    path.write_bytes(b"1\n")
    assert lines.read() == [b"1\n"]


def test_another_reader_goes_on_after_what_is_known_also_past_a_cut(tmp_path: Path) -> None:
    path = tmp_path / "log"
    first = Lines(path)
    path.write_bytes(b"1\n2\n3\n")
    assert len(first.read()) == 3
    path.write_bytes(b"1\n2\n3\n4\n")
    assert Lines(path, first.known).read() == [b"4\n"]
    path.write_bytes(b"1\nb\nc\nd\n")
    second = Lines(path, first.known)
    assert second.read() == [b"b\n", b"c\n", b"d\n"]
    assert Lines(path, second.known).read() == []
