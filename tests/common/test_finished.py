"""A declared file that is away is made again from the word beside it, as long as all that the word says is true."""

from pathlib import Path

import pytest

from common.files import digest_of, read_json, write_json
from common.finished import FINISHED, make_again, write_finished
from common.listed import describe

CONTENT = {"checkpoint": "made", "step": 5}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A finished command's folder, its declared file away."""
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "weights").write_bytes(b"12345678")
    write_json(tmp_path / "made" / "manifest.json", {"files": [describe(tmp_path / "made" / "weights")]})
    (tmp_path / "slice.json").write_text("{}")
    write_finished(
        tmp_path / "checkpoint.json",
        CONTENT,
        digest_of([tmp_path / "slice.json"]),
        tmp_path / "made" / "manifest.json",
    )
    return tmp_path


def again(place: Path) -> bool:
    made = make_again(place / "checkpoint.json", (place / "slice.json",))
    assert (place / "checkpoint.json").exists() == made
    return made


def test_what_the_word_says_is_made(place: Path) -> None:
    assert again(place)
    assert read_json(place / "checkpoint.json") == CONTENT


def test_a_folder_that_was_moved_keeps_its_word(place: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    moved = tmp_path_factory.mktemp("elsewhere") / "phase"
    place.rename(moved)
    assert again(moved)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("slice.json", '{"other": 1}'),
        ("made/weights", "1234567x"),
        ("made/weights", "1"),
        ("made/manifest.json", '{"files": []}'),
        (FINISHED, "{"),
        (FINISHED, "[]"),
        (FINISHED, '{"format": 1}'),
        (FINISHED, '{"format": 2}'),
    ],
)
def test_nothing_is_made_from_a_word_that_is_damaged_or_no_longer_true(place: Path, name: str, content: str) -> None:
    (place / name).write_text(content)
    assert not again(place)


@pytest.mark.parametrize("name", ["slice.json", "made/weights", "made/manifest.json", FINISHED])
def test_nothing_is_made_where_something_is_missing(place: Path, name: str) -> None:
    (place / name).unlink()
    assert not again(place)
