"""The demo's tasks of understanding: labels that say where words come from, no document in two parts, the same bytes."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from corpus.demo.interface_text import interface, part_of
from corpus.demo.labelled_text import topics, word_languages

ROOT = Path(__file__).parents[3]


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """A wheel of 40 integrations, each with a string of seven words, all of its own language and number."""
    path = tmp_path / "a wheel.whl"
    with zipfile.ZipFile(path, "w") as content:
        for number in range(40):
            letters = chr(97 + number // 26) + chr(97 + number % 26)
            for language in ("sv", "en"):
                words = " ".join(f"{language}{letters}{place}" for place in "abcdefg")
                strings = {"one": f"{words}, {{placeholder}} {language}{letters}z", "two": f"{number} 5"}
                name = f"homeassistant/components/set{number}/translations/{language}.json"
                content.writestr(name, json.dumps(strings))
    return path


def test_a_topic_is_where_five_words_in_a_row_come_from_and_no_text_is_there_twice(wheel: Path) -> None:
    rows = topics({"interface": interface("en", wheel), "other": interface("sv", wheel)})
    every = [row for own in rows.values() for row in own]
    assert {(row["text"][:2], row["label"]) for row in every} == {("en", "interface"), ("sv", "other")}
    assert {len(row["text"].split()) for row in every} == {5}
    assert len({row["text"] for row in every}) == len(every) == 80
    assert {one: part_of(f"interface-en-set{one}") for one in range(40)} == {
        one: next(part for part, own in rows.items() if any(row["text"].startswith(f"en{name}") for row in own))
        for one, name in ((one, chr(97 + one // 26) + chr(97 + one % 26)) for one in range(40))
    }


def test_each_word_has_its_language(wheel: Path) -> None:
    rows = word_languages({language: interface(language, wheel) for language in ("sv", "en")})
    for row in (row for own in rows.values() for row in own):
        assert [word[:2] for word in row["words"]] == row["labels"]
        assert 2 <= len(row["words"]) <= 16
    words = {part: {word for row in own for word in row["words"]} for part, own in rows.items()}
    assert not words["train"] & words["test"]
    assert any(len(set(row["labels"])) == 2 for row in rows["test"])


def test_the_command_writes_the_same_bytes_each_time(tmp_path: Path, wheel: Path) -> None:
    contents = []
    for folder in (tmp_path / "it's one", tmp_path / "two"):
        command = [sys.executable, "-m", "corpus.demo.labelled_text", "--wheel", wheel, "--output", folder]
        subprocess.run(command, cwd=ROOT, check=True)
        contents.append({path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*.jsonl"))})
    assert contents[0] == contents[1]
    parts = ("dev", "test", "train")
    assert list(map(str, contents[0])) == [f"{task}/{part}.jsonl" for task in ("topic", "word-language") for part in parts]
