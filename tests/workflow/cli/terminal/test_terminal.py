"""`alasin run` as a person sees it: through Snakemake, at success, at a failure, and when there is nothing to do."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.workflow.test_whole_recipe import RECIPE

ROOT = Path(__file__).parents[4]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a recipe and text, in which one source has its text in another field than the recipe says."""
    folder = tmp_path_factory.mktemp("terminal")
    recipe = {**RECIPE, "sources": {name: {**source} for name, source in RECIPE["sources"].items()}}
    for number, source in enumerate(recipe["sources"].values()):
        source["files"] = [f"{number}.jsonl"]
        field = "text" if number else "body"
        lines = (json.dumps({field: f"document {n} says {n * n}"}) + "\n" for n in range(60))
        (folder / f"{number}.jsonl").write_text("".join(lines))
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    return folder


def run(place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "workflow.cli", "run", str(place / "recipe.yaml"), "--directory", str(place)]
    return subprocess.run(
        [*command, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def manifest(number: int) -> str:
    return f"results/corpus/{list(RECIPE['sources'])[number]}/manifest.json"


def test_a_job_is_one_line_and_then_there_is_nothing_to_be_done(place: Path) -> None:
    done = run(place, manifest(1))
    assert done.returncode == 0, done.stderr
    assert f"1 steps to do in {place}" in done.stderr
    assert [line for line in done.stderr.splitlines() if line.startswith("[1/1]")]
    assert "rule" not in done.stderr
    again = run(place, manifest(1))
    assert "Nothing to be done" in again.stderr


def test_a_failure_is_a_sentence_and_a_path_and_no_page_of_snakemakes(place: Path) -> None:
    done = run(place, manifest(0))
    assert done.returncode == 1
    told = done.stderr[done.stderr.index("failed: ") :].splitlines()
    assert told[1].startswith("  error: 60 of 60 records of source")
    assert told[2] == f"  log: {place}/logs/corpus/{next(iter(RECIPE['sources']))}.log"
    assert told[3:] == ["0 of 1 steps are done; the same command goes on from here."]
    assert "CalledProcessError" not in done.stderr


def test_a_dry_run_says_why_each_job_would_run(place: Path) -> None:
    done = run(place, manifest(0), "-n")
    assert "    Missing output files: " + manifest(0) in done.stdout
    assert "1 steps would be done, and nothing was." in done.stdout
