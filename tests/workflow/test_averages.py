"""An average of checkpoints that were not kept is told before any job."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from model.history.position import Position
from model.history.store import FORMAT
from recipe.reading import read_recipe
from recipe.schema import Recipe
from recipe.slices.making import average_slice, phase_slice
from tests.model.whole_checkpoints import of_weights, write_checkpoint
from tests.workflow.test_whole_recipe import PLAIN
from workflow.averages import lost

ROOT = Path(__file__).parents[2]
AVERAGE = {"checkpoints": 3, "every_tokens": 5_000}
RUNS = PLAIN["runs"] | {"one": PLAIN["runs"]["one"] | {"average": AVERAGE}}


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(PLAIN | {"runs": RUNS}))
    return read_recipe(tmp_path / "tiny.yaml")


def keep(results: Path, recipe: Recipe, *slots: int, **changed: Any) -> None:
    """Write checkpoints of the last phase of run `one` after some of its slots."""
    content = json.loads(phase_slice(recipe, "one", "annealing").model_dump_json()) | changed
    for place in slots:
        position = asdict(Position(step=place // 512, slots=30_208 + place, phase_slots=place, history="00"))
        state = {"format": FORMAT, "position": position, "slice": content}
        folder = results / "runs/one/annealing/checkpoints" / f"step-{place // 512:08}"
        write_checkpoint(folder, of_weights({}), state)


def end_of(recipe: Recipe) -> int:
    asked = average_slice(recipe, "one")
    assert asked
    return asked.at_tokens[-1]


def test_a_finished_phase_that_kept_nothing_is_told_with_what_keeps_checkpoints(recipe: Recipe, tmp_path: Path) -> None:
    end = end_of(recipe)
    keep(tmp_path, recipe, end)
    (sentence,) = lost(recipe, tmp_path)
    assert sentence.startswith("runs.one.average: no checkpoint was kept after 20.2k, 25.2k slots of ")
    assert f"slots of {tmp_path}/runs/one/annealing" in sentence
    assert "`checkpoints.keep_every_tokens` keep them" in sentence
    keep(tmp_path, recipe, end - 10_000 + 200, end - 5_000 + 200)
    assert lost(recipe, tmp_path) == []


def test_what_is_still_to_come_will_be_kept(recipe: Recipe, tmp_path: Path) -> None:
    assert lost(recipe, tmp_path) == []
    keep(tmp_path, recipe, 5120)
    assert lost(recipe, tmp_path) == []
    keep(tmp_path, recipe, end_of(recipe) - 1024)
    assert len(lost(recipe, tmp_path)) == 1


def test_a_phase_of_which_the_recipe_asks_otherwise_now_is_for_training_to_judge(
    recipe: Recipe, tmp_path: Path
) -> None:
    keep(tmp_path, recipe, end_of(recipe), seed=7)
    assert lost(recipe, tmp_path) == []


def test_a_model_that_was_made_needs_its_checkpoints_no_more(recipe: Recipe, tmp_path: Path) -> None:
    keep(tmp_path, recipe, end_of(recipe))
    made_from = [tmp_path / "recipe/average/one.json", tmp_path / "runs/one/annealing/checkpoint.json"]
    model = tmp_path / "models/one/config.json"
    for place, path in enumerate([*made_from, model]):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        os.utime(path, (place, place))
    assert lost(recipe, tmp_path) == []
    os.utime(made_from[0], (9, 9))
    assert len(lost(recipe, tmp_path)) == 1


def test_the_command_says_so_before_any_job_and_a_dry_run_too(recipe: Recipe, tmp_path: Path) -> None:
    keep(tmp_path / "results", recipe, end_of(recipe))
    for language in ("en", "la"):
        (tmp_path / f"{language}.jsonl").write_text('{"text": "some text"}\n')
    command = [sys.executable, "-m", "workflow.cli", "run", tmp_path / "tiny.yaml", "--directory", tmp_path]
    for options, status in ((["-n"], 0), ([], 1)):
        done = subprocess.run([*command, *options], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == status, done.stderr
        assert "runs.one.average: no checkpoint was kept after " in done.stdout + done.stderr
    assert not (tmp_path / "results/corpus").exists()
