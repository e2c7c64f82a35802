"""Rules in a container, with a stand-in for the program that starts one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from common.files import write_json

ROOT = Path(__file__).parents[2]
STAND_IN = """#!/bin/sh
# Says its version; else shows what it was asked, and runs the command with a Python that tells on itself in front.
[ "$1" = --version ] && exec echo "singularity-ce version 4.1.3"
echo "singularity $*" >> "{calls}"
while [ "$1" != "{image}" ]; do shift; done
shift
SINGULARITY_CONTAINER={image} PATH={inside}:/usr/bin:/bin exec "$@"
"""
PYTHON = """#!/bin/sh
echo "$PYTHONPATH: $*" >> "{calls}"
exec {python} "$@"
"""


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that the stand-ins for singularity and for the image's Python write their arguments to."""
    calls, image = tmp_path / "calls", tmp_path / "image.sif"
    image.touch()
    for path, text in (("outside/singularity", STAND_IN), ("inside/python", PYTHON)):
        program = tmp_path / path
        program.parent.mkdir()
        program.write_text(text.format(calls=calls, image=image, inside=tmp_path / "inside", python=sys.executable))
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "outside"), prepend=os.pathsep)
    monkeypatch.setenv("ALASIN_IMAGE", str(image))
    monkeypatch.setenv("ALASIN_PACKAGES", "packages.sqsh")
    return calls


def snakemake(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Snakemake on the demo's recipe, as profiles/lumi says but on this machine."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", ROOT / "Snakefile", "--directory", directory]
    recipe = ["--configfile", ROOT / "config/demo.yaml", "--profile", ROOT / "profiles/lumi"]
    return subprocess.run(
        [*command, *recipe, "--executor", "local", "--cores", "1", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_rule_runs_with_the_python_of_the_image_and_the_packages_bound_to_it(tmp_path: Path, calls: Path):
    done = snakemake(tmp_path / "work", "text/udhr-fi.jsonl.zst")
    assert done.returncode == 0, done.stderr
    started, ran = calls.read_text().splitlines()
    assert "--bind packages.sqsh:/user-software:image-src=/" in started
    assert ran.startswith(f"{ROOT}: -m corpus.demo.package_text")


def test_without_packages_nothing_is_bound(tmp_path: Path, calls: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("ALASIN_PACKAGES")
    assert snakemake(tmp_path / "work", "text/udhr-fi.jsonl.zst").returncode == 0
    assert "/user-software:image-src" not in calls.read_text()


def test_without_an_image_no_container_is_started(tmp_path: Path, calls: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("ALASIN_IMAGE")
    assert snakemake(tmp_path / "work", "text/udhr-fi.jsonl.zst").returncode == 0
    assert not calls.exists()


def test_a_phase_is_launched_outside_of_the_container(tmp_path: Path, calls: Path):
    work = tmp_path / "work"
    snakemake(work, "--dry-run", "all")
    tokenizer = json.loads((work / "results/recipe/evaluation/small.json").read_text())["tokenizer"]
    for name in (f"tokenizers/{tokenizer}/manifest", "runs/small/stable/rows", "evaluation/small/rows"):
        write_json(work / f"results/{name}.json", {})
    done = snakemake(
        work,
        "--set-resources",
        "train:cluster=no-such-cluster",
        "train:partition=gpu",
        "--allowed-rules",
        "train",
        "--retries",
        "3",
        "--",
        "results/runs/small/stable/checkpoint.json",
    )
    log = (work / "logs/runs/small/stable.log").read_text()
    assert done.returncode != 0
    assert log.count("there is no cluster 'no-such-cluster'") == 1, "launch knows best which failures to try again"
    assert not calls.exists()
