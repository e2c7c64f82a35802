"""`alasin run` as a person sees it: through Snakemake, at success, at a failure, and when there is nothing to do."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.workflow.test_whole_recipe import RECIPE
from workflow.cli.run import LOGGER, PLUGIN
from workflow.cli.terminal.telling import KILLED

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
    assert f"1 step to do in {place}" in done.stderr
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
    assert "1 step would be done, and nothing was." in done.stdout


def test_a_job_that_was_killed_says_so_whether_its_shell_or_what_that_ran(place: Path) -> None:
    """A recipe of Snakemake's own, through the plugin: none of Alasin's jobs can be killed at a certain moment."""
    folder = place / "killed"
    folder.mkdir()
    rules = [
        f"rule {name}:\n    output: '{name}'\n    log: '{name}.log'\n    shell: \"echo row 17 > {{log}}; {command}\"\n"
        for name, command in {"shell": "kill -9 $$", "child": "sh -c 'kill -9 $$'", "own": "exit 3"}.items()
    ]
    (folder / "Snakefile").write_text("rule all:\n    input: 'shell', 'child', 'own'\n" + "".join(rules))
    paths = os.pathsep.join([str(PLUGIN), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--logger", LOGGER, "--cores", "1", "--keep-going"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": paths},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    for name, words in {"shell": KILLED, "child": KILLED, "own": "row 17"}.items():
        assert f"failed: {name}\n  {words}\n  log: {folder / name}.log" in done.stderr
