"""The tutorial's text can be made, and what it shows of the commands before training is what they print."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """Return the page's blocks of a language, in order."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return [text for of, text in found if of == language]


def shown(command: str) -> tuple[list[str], list[str]]:
    """Return the words of the page's command that begins so, and the lines that it is shown to print."""
    (block,) = [block for block in blocks("") if block.startswith(f"$ alasin {command} ")]
    first, *lines = block.splitlines()
    return first.split()[2:], [line for line in lines if line != "..."]


def printed(words: list[str], directory: Path) -> list[str]:
    """Return the lines that a command prints in a directory, which calls itself as it was called."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "workflow.cli", *words]
    done = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.replace("python -m workflow.cli", "alasin").splitlines()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the tutorial's text and the recipe that `init` wrote for it."""
    place = tmp_path_factory.mktemp("tutorial")
    subprocess.run([sys.executable, "-c", blocks("python")[0]], cwd=place, check=True)
    words, lines = shown("init")
    assert printed(words, place) == lines
    return place


def test_the_text_has_as_many_documents_as_the_page_says(place: Path) -> None:
    counts = [len((place / "data" / name).read_text().splitlines()) for name in ("ledger.jsonl", "tilikirja.jsonl")]
    assert f"{counts[0]:,} and {counts[1]:,} documents" in PAGE


def test_what_cleaning_would_remove_is_what_the_page_shows(place: Path) -> None:
    words, lines = shown("corpus")
    told = printed(words, place)
    assert [line for line in lines if line not in told] == []


def test_the_page_s_mended_recipe_is_checked_as_it_shows(place: Path) -> None:
    path = place / "mine" / "recipe.yaml"
    written = yaml.safe_load(path.read_text(encoding="utf-8"))
    begun, mended, evaluation = (yaml.safe_load(block.replace("...", str(place))) for block in blocks("yaml")[:3])
    assert written["sources"] == begun["sources"]
    for stage, tokens in zip(("stable", "annealing"), re.findall(r"`tokens: (\S+)`", PAGE), strict=True):
        written["phases"][stage]["stages"][0]["tokens"] = tokens
    path.write_text(yaml.safe_dump(written | mended | evaluation), encoding="utf-8")
    words, lines = shown("check")
    assert printed(words, place) == lines
