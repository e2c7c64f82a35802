"""`alasin init`: a recipe that passes the check, for whatever files a person has, and never one for another."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
import zstandard

from recipe.reading import read_recipe
from tests.workflow.cli.typed import alasin
from workflow.cli.schema import recipe_schema


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A directory with text: two files of one name, a folder of parts, and one that is no text."""
    for name in ("Uutiset 2024.jsonl", "old/Uutiset 2024.jsonl", "it's [wiki]/1.jsonl.zst", "it's [wiki]/2.jsonl.zst"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        line = b'{"text": "alasin"}\n'
        (tmp_path / name).write_bytes(zstandard.compress(line) if name.endswith(".zst") else line)
    (tmp_path / "notes.txt").touch()
    return tmp_path


def next_commands(told: str) -> list[list[str]]:
    return [shlex.split(line)[3:] for line in told.splitlines() if line.startswith("  python -m workflow.cli ")]


@pytest.mark.parametrize(
    "arguments",
    [
        ["mine"],
        ["."],
        ["a place of 'mine'", "Uutiset 2024.jsonl", "--language", "fi"],
        [".", "Uutiset 2024.jsonl", "old/Uutiset 2024.jsonl", "it's [[]wiki]/*.jsonl.zst", "--language", "en-fi"],
        ["old", "old/Uutiset 2024.jsonl", "--language", "fi"],
    ],
)
def test_what_it_writes_passes_the_check_that_it_tells_of(here: Path, arguments: list[str]) -> None:
    told = alasin("init", *arguments, cwd=here)
    assert told.returncode == 0, told.stderr
    check, run = next_commands(told.stdout)
    assert (check[0], run[0], check[1:]) == ("check", "run", run[1:])
    checked = alasin(*check, cwd=here)
    assert checked.returncode == 0, checked.stderr
    there = "all files are there" if len(arguments) > 1 else "not there yet: sources.data.files[0]"
    assert there in checked.stdout


def test_each_file_or_pattern_is_a_source_named_after_it(here: Path) -> None:
    files = ["Uutiset 2024.jsonl", "old/Uutiset 2024.jsonl", "it's [[]wiki]/*.jsonl.zst"]
    alasin("init", ".", *files, "--language", "fi", cwd=here)
    recipe = read_recipe(here / "recipe.yaml")
    assert {name: source.files for name, source in recipe.sources.items()} == {
        "uutiset-2024": ["Uutiset 2024.jsonl"],
        "uutiset-2024-2": ["old/Uutiset 2024.jsonl"],
        "it-s-wiki": ["it's [[]wiki]/*.jsonl.zst"],
    }
    assert recipe.mixtures["all"].factors.keys() == recipe.sources.keys()


def test_files_elsewhere_are_named_from_the_root_and_those_below_from_the_directory(here: Path) -> None:
    alasin("init", "old", "old/Uutiset 2024.jsonl", "Uutiset 2024.jsonl", "--language", "fi", cwd=here)
    sources = read_recipe(here / "old/recipe.yaml").sources.values()
    assert [source.files[0] for source in sources] == ["Uutiset 2024.jsonl", str(here / "Uutiset 2024.jsonl")]


def test_editors_find_the_schema_beside_the_recipe(here: Path) -> None:
    alasin("init", "mine", cwd=here)
    first = (here / "mine/recipe.yaml").read_text().splitlines()[0]
    assert first == "# yaml-language-server: $schema=recipe.schema.json"
    assert (here / "mine/recipe.schema.json").read_text() == recipe_schema()
    json.loads(recipe_schema())


def test_what_is_there_stays_as_it_is(here: Path) -> None:
    (here / "recipe.yaml").write_text("title: mine\n")
    told = alasin("init", ".", cwd=here)
    assert told.returncode == 1
    assert "recipe.yaml is there already and stays as it is" in told.stderr
    assert (here / "recipe.yaml").read_text() == "title: mine\n"
    assert not (here / "recipe.schema.json").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["Uutiset 2024.jsonl"], "say which language the files are in: --language fi"),
        (["Uutiset 2024.jsonl", "--language", "Finnish"], "--language Finnish is no language; give an ISO 639 code"),
        (["news.jsonl", "--language", "fi"], "no file matches news.jsonl; mend the path."),
        (["notes.txt", "--language", "fi"], "notes.txt cannot be read: text comes as .jsonl, .jsonl.gz"),
        (["old", "--language", "fi"], "old cannot be read: text comes as .jsonl"),
    ],
)
def test_mistakes_are_a_sentence_and_nothing_is_written(here: Path, arguments: list[str], sentence: str) -> None:
    told = alasin("init", "mine", *arguments, cwd=here)
    assert told.returncode == 1
    assert sentence in told.stderr
    assert not (here / "mine").exists()
