"""Experiments: what each says before its recipe, and the machinery of all of them, run in one directory."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from common.files import read_json
from model.export import load_encoder
from recipe.reading import read_recipe
from recipe.schema import Recipe

ROOT = Path(__file__).parents[2]
EXPERIMENTS = ROOT / "config" / "experiments"
NAMES = sorted({path.stem for path in EXPERIMENTS.glob("*.yaml")} - {"base"})


def machinery(name: str) -> Path:
    return EXPERIMENTS / "machinery" / f"{name}.yaml"


def test_all_that_the_paper_left_open_and_more_is_there() -> None:
    asked = {"rope_theta", "edu_annealing", "context_length", "vocabulary", "masking_rate", "optimizer", "average"}
    assert set(NAMES) == asked


@pytest.mark.parametrize("name", NAMES)
def test_an_experiment_says_what_it_asks_what_would_answer_it_and_what_that_costs(name: str) -> None:
    opening = (EXPERIMENTS / f"{name}.yaml").read_text().partition("\n\n")[0]
    for part in ("# Experiment: ", "# Hypothesis: ", "# What would answer it: ", "# Cost: "):
        assert f"\n{part}" in f"\n{opening}", part
    assert read_recipe(EXPERIMENTS / f"{name}.yaml").runs
    small = read_recipe(machinery(name))
    assert small.title == f"Machinery of {name} (its numbers mean nothing)"
    assert "Its numbers mean nothing." in machinery(name).read_text()


def test_the_page_lists_each_experiment_with_the_question_and_the_cost_that_it_tells() -> None:
    page = (ROOT / "docs" / "experiments.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \[(\w+)\]\(.*?/(\w+)\.yaml\) \| (.+?) \| (.+?) \|$", page, re.MULTILINE)
    told = {}
    for name in NAMES:
        opening = (EXPERIMENTS / f"{name}.yaml").read_text().partition("\n\n")[0].replace("\n# ", " ")
        question = opening.partition("Experiment: ")[2].partition("\n")[0].partition("?")[0] + "?"
        told[name] = (name, question[0].upper() + question[1:], opening.partition("Cost: ")[2])
    assert {name: (file, question) for name, file, question, _ in rows} == {name: row[:2] for name, row in told.items()}
    assert not [name for name, _, _, cost in rows if not told[name][2].startswith(cost)]


def test_experiments_that_share_a_stable_phase_ask_for_the_very_same() -> None:
    shared = [read_recipe(EXPERIMENTS / f"{name}.yaml") for name in ("rope_theta", "edu_annealing", "average")]
    for other in shared[1:]:
        assert other.phases["stable-tiny"] == shared[0].phases["stable-tiny"]
        assert list(other.runs)[:3] == list(shared[0].runs)[:3] == ["tiny", "tiny-seed2", "tiny-seed3"]


class Place:
    """A directory in which experiments are run one after another, by the real command."""

    def __init__(self, directory: Path) -> None:
        self.results = directory / "results"
        self._directory = directory

    def run(self, name: str) -> tuple[Recipe, str]:
        """Do what an experiment asks for; return its recipe, and what was said."""
        command = [sys.executable, "-m", "workflow.cli", "run", machinery(name), "--directory", self._directory]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return read_recipe(machinery(name)), done.stdout + done.stderr


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """An empty directory, whose name has a space and a quote."""
    return Place(tmp_path_factory.mktemp("it's an experiment"))


@pytest.mark.parametrize("name", NAMES)
def test_the_machinery_of_an_experiment_ends_in_a_report_that_says_that_its_numbers_mean_nothing(
    place: Place, name: str
) -> None:
    recipe, said = place.run(name)
    for run in recipe.runs:
        mlm = read_json(place.results / "evaluation" / run / "mlm.json")
        assert mlm
        assert (place.results / "models" / run / "README.md").is_file()
    page = (place.results / "report.html").read_text()
    assert "its numbers mean nothing" in page
    assert all(f"<b>{run}</b>" in page for run in recipe.runs)
    # Nothing is trained again that an experiment before this one has trained.
    trained = re.findall(r"Training (\S+), phase (\S+)", said)
    assert len(set(trained)) == len(trained)
    assert ("small", "stable") not in trained or name == NAMES[0]


def test_a_mean_is_the_mean_and_lies_between_checkpoints(place: Place) -> None:
    place.run("average")
    last, mean = (load_encoder(place.results / "models" / run / "config.json") for run in ("small", "mean"))
    weights, others = last.state_dict(), mean.state_dict()
    assert weights.keys() == others.keys()
    assert any((weights[name] != others[name]).any() for name in weights)
    log = (place.results.parent / "logs" / "models" / "mean.log").read_text()
    assert "the mean of step-00000032, step-00000036, step-00000040" in log
