"""What a manifest lists is checked by size and checksum, and what differs is told with its path."""

from pathlib import Path

import pytest

from common.errors import UserError
from common.listed import describe, problem_with, refuse_changed


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    path = tmp_path / "part.bin"
    path.write_bytes(b"as written")
    return path


def test_a_file_as_it_was_written_is_no_problem(listed: Path) -> None:
    entry = describe(listed)
    assert (entry["name"], entry["bytes"]) == ("part.bin", 10)
    assert problem_with(listed.parent, entry) is None
    refuse_changed(listed.parent, entry, "do nothing")


def test_a_file_that_is_gone_or_of_another_size_or_content_is_a_problem_with_its_path(listed: Path) -> None:
    entry = describe(listed)
    listed.write_bytes(b"rewritten!")
    assert problem_with(listed.parent, entry) == f"{listed} does not match its checksum (the SHA-256 differs)"
    assert problem_with(listed.parent, entry, checksum=False) is None
    listed.write_bytes(b"cut")
    assert problem_with(listed.parent, entry, checksum=False) == f"{listed} has 3 bytes, not 10 as when it was written"
    listed.unlink()
    assert problem_with(listed.parent, entry) == f"{listed} is missing"


def test_an_entry_without_a_size_is_decided_by_its_checksum(listed: Path) -> None:
    entry = {"name": listed.name, "sha256": describe(listed)["sha256"]}
    assert problem_with(listed.parent, entry) is None
    listed.write_bytes(b"longer than it was written")
    assert problem_with(listed.parent, entry) == f"{listed} does not match its checksum (the SHA-256 differs)"


def test_a_changed_file_is_refused_in_one_sentence_with_what_to_do(listed: Path) -> None:
    entry = describe(listed)
    listed.write_bytes(b"cut")
    with pytest.raises(UserError, match=r"part\.bin has 3 bytes, .*; make it again\.$"):
        refuse_changed(listed.parent, entry, "make it again")
