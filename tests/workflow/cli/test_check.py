"""`alasin check`: every mistake in a line that names the key, or what would be trained."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.workflow.cli.typed import ROOT, alasin

DEMO = yaml.safe_load((ROOT / "config/demo.yaml").read_text(encoding="utf-8"))


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    sources = {"news": {"language": "fi", "files": ["news/*.jsonl"]}}
    content = DEMO | {"sources": sources, "mixtures": {name: {"factors": {"news": 1}} for name in DEMO["mixtures"]}}
    content["evaluation"] = {"lengths": [128]}
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def test_a_recipe_is_told_run_by_run_and_the_demo_s_own_text_is_not_missed() -> None:
    told = alasin("check", "config/demo.yaml")
    assert told.returncode == 0, told.stderr
    assert "small-fi: stable (of small), extension (of small), annealing-fi; 1,330,000 tokens" in told.stdout
    assert told.stdout.endswith("all files are there\n")


def test_of_a_run_that_continues_another_the_shared_phases_are_told() -> None:
    told = alasin("check", "config/finnish.yaml")
    own = "  large-cpt: stable-large (of large), extension-large (of large); 390,000,000,000 tokens, 8192 in a row"
    assert own in told.stdout


def test_text_is_looked_for_in_the_working_directory(recipe: Path, tmp_path: Path) -> None:
    (tmp_path / "news").mkdir()
    (tmp_path / "news" / "1.jsonl").touch()
    assert "not there yet: sources.news.files[0]: no file matches news/*.jsonl" in alasin("check", str(recipe)).stdout
    assert "all files are there" in alasin("check", str(recipe), "--directory", str(tmp_path)).stdout


def test_every_mistake_is_a_line_that_names_the_key(recipe: Path) -> None:
    content = yaml.safe_load(recipe.read_text())
    content["seeed"] = 1
    content["models"]["small"]["heads"] = "many"
    recipe.write_text(yaml.safe_dump(content))
    told = alasin("check", str(recipe))
    assert told.returncode == 1
    assert "seeed: is no key of a recipe here; did you mean seed?" in told.stderr
    assert "models.small.heads: needs a whole number, but is many." in told.stderr
    assert len(told.stderr.splitlines()) == 2
