"""`alasin run` as a person sees it: through Snakemake, at success, at a failure, and when there is nothing to do."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.slurm.standin import wait_for
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


def snakemake(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Snakemake on a recipe of its own, through the plugin, at the head of a process group as in a terminal."""
    return subprocess.Popen(
        [sys.executable, "-m", "snakemake", "--logger", LOGGER, "--cores", "1", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(PLUGIN), str(ROOT)])},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def manifest(number: int) -> str:
    return f"results/corpus/{list(RECIPE['sources'])[number]}/sampled.json"


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
    with snakemake(folder, "--keep-going") as process:
        told = process.communicate(timeout=60)[1]
    assert process.returncode == 1
    for name, words in {"shell": KILLED, "child": KILLED, "own": "row 17"}.items():
        assert f"failed: {name}\n  {words}\n  log: {folder / name}.log" in told


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_stops_and_pressed_again_shows_no_page_of_snakemakes(tmp_path: Path, times: int) -> None:
    job = "trap '' INT; touch begun; until [ -e end ]; do sleep 0.02; done; echo rest >&2; exit 130"
    (tmp_path / "Snakefile").write_text(
        f'rule long:\n    output: "made"\n    message: "Long job"\n    shell: "{job}"\n'
    )
    with snakemake(tmp_path) as process:
        assert process.stderr is not None
        wait_for((tmp_path / "begun").exists)
        os.killpg(process.pid, signal.SIGINT)
        told = next(line for line in process.stderr if "Terminating processes on user request" in line)
        if times == 2:
            os.killpg(process.pid, signal.SIGINT)
            told += next(line for line in process.stderr if "steps are done" in line)
        (tmp_path / "end").touch()
        told += process.communicate(timeout=60)[1]
    assert process.returncode == 1
    assert "0 of 1 steps are done; the same command goes on from here." in told
    assert "Traceback" not in told
    assert "failed" not in told
    assert ("stopped: Long job" in told) == (times == 1)
