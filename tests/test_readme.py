"""The written side: its recipe works, and what it names exists."""

import os
import re
import shlex
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml
import zstandard

from recipe.reading import load_recipe
from workflow.cli.main import COMMANDS

ROOT = Path(__file__).parents[1]
PAGES = (
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "benchmarks/README.md",
    "config/README.md",
    "docs/architecture.md",
    "docs/experiments.md",
    "docs/formats.md",
    "docs/languages.md",
    "docs/performance.md",
    "docs/tutorial.md",
)
README = (ROOT / "README.md").read_text(encoding="utf-8")
READERS_OWN = {"config/mine.yaml", "config/recipe.schema.json", "made.py"}
"""Files that a page tells its reader to write."""


def block(language: str) -> str:
    """Return the only fenced block of a language in the README."""
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    return found


def named_paths(text: str) -> set[str]:
    """Return what a page names as a file of the repository: it begins with one of its directories, or ends as code."""
    directories = "|".join(path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith("."))
    inside = rf"(?<![\w./{{-])(?:{directories})/[\w./*{{}}-]+"
    code = r"(?<![\w./{-])[\w./-]+\.(?:py|smk|toml)\b"
    text = re.sub(r"^```\nresults/\n.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)  # a tree of what is made
    found = {path.rstrip(".,") for path in re.findall(f"{inside}|{code}", text)}
    made = ("results/", "demo/")
    return {path for path in found if not path.startswith(made)} - READERS_OWN


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A working directory with the files that the README's recipe names."""
    for source in yaml.safe_load(block("yaml"))["sources"].values():
        for pattern in source["files"]:
            path = tmp_path / pattern.replace("*", "0")
            path.parent.mkdir(parents=True, exist_ok=True)
            line = b'{"text": "Alasin on vanha ja vasara on uusi."}\n'
            path.write_bytes(zstandard.compress(line) if path.suffix == ".zst" else line)
    (tmp_path / "mine.yaml").write_text(block("yaml"), encoding="utf-8")
    return tmp_path


def command(name: str) -> list[str]:
    """Return the README's only command line of `.venv/bin/alasin` with that name."""
    (line,) = re.findall(rf"^\.venv/bin/alasin {name} .*", README, re.MULTILINE)
    return shlex.split(line)[1:]


def run(arguments: list[str], directory: Path) -> str:
    """Run `alasin` as the README says, with the recipe it speaks of taken from `directory`; return its output."""
    arguments = [str(directory / "mine.yaml") if part == "config/mine.yaml" else part for part in arguments]
    alasin = [sys.executable, "-m", "workflow.cli"]
    done = subprocess.run([*alasin, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_readme_s_recipe_is_one():
    recipe = load_recipe(yaml.safe_load(block("yaml")), "README.md")
    assert f"results/models/{next(iter(recipe.runs))}" in block("python")


def test_the_readme_s_check_of_the_recipe_runs(data: Path):
    assert "first: stable; 5,000,000 tokens" in run(command("check"), data)


def test_the_readme_s_training_command_plans_every_stage(data: Path):
    told = run([*command("run"), "--dry-run", "--directory", str(data)], data)
    planned = dict(re.findall(r"^(\w+) +(\d+)$", told, re.MULTILINE))
    once = dict.fromkeys(("train", "export", "tokenizer", "masked_language_modelling", "model_card", "report"), "1")
    assert planned.items() >= (once | {"sample": "2", "shards": "2", "rows": "1", "held_out_rows": "1"}).items(), told
    assert not (data / ".alasin.lock").exists(), "a dry run takes no lock"


@pytest.mark.parametrize("page", PAGES)
def test_files_that_a_page_names_exist(page: str):
    text = (ROOT / page).read_text(encoding="utf-8")
    missing = [path for path in named_paths(text) if not list(ROOT.glob(re.sub(r"\{.*?\}", "*", path)))]
    assert not missing, f"{page} names {missing}"


@pytest.mark.parametrize("page", PAGES)
def test_commands_that_a_page_names_exist(page: str):
    text = (ROOT / page).read_text(encoding="utf-8")
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert {name for name in re.findall(r"python -m ([\w.]+)", text) if find_spec(name) is None} == set()
    assert set(re.findall(r"(?:`|^|/)alasin (\w+)", text, re.MULTILINE)) <= COMMANDS.keys()
    assert set(re.findall(r"(?:`|^)make (?:[A-Z_]+=\S+ )?([\w-]+)", text, re.MULTILINE)) <= set(targets)


def test_the_licence_is_the_one_that_the_project_declares():
    assert 'license = "Apache-2.0"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text
    assert "Version 2.0, January 2004" in text
    assert os.linesep + "   END OF TERMS AND CONDITIONS" in text
