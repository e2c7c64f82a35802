"""EuroEval as the rules see it: results of each encoder, files that are there, absent ones told, jobs counted."""

import copy
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from common.files import read_json, sha256_of
from evaluation.euroeval.environment import pins
from recipe.reading import load_recipe
from workflow.dag import Dag
from workflow.plan.stages import count_jobs

ROOT = Path(__file__).parents[2]
DEMO = yaml.safe_load((ROOT / "config" / "demo.yaml").read_text())
LOCAL = {"kind": "classification", "language": "fi", "train": "a.jsonl", "test": "b.jsonl"}
ASKED = {"datasets": ["scala-fi"], "local": {"mine": LOCAL}, "runs": ["small"]}


def demo(**asked: Any) -> dict[str, Any]:
    """The demo's recipe with data sets of EuroEval."""
    content = copy.deepcopy(DEMO)
    content["evaluation"]["euroeval"] = asked
    return content


def test_each_encoder_has_a_result_a_data_set_and_what_was_out_of_reach_is_told_of_all() -> None:
    content = demo(**ASKED)
    content["evaluation"]["models"] = {"xlmr": "some/xlmr"}
    tasks = Dag(load_recipe(content, "demo")).euroeval
    expected = [
        f"results/evaluation/euroeval/{task}/{encoder}.json"
        for task in ("scala-fi", "mine")
        for encoder in ("small", "small.untrained", "xlmr")
    ]
    assert tasks.results() == expected
    assert tasks.results("small") == [path for path in expected if path.endswith("/small.json")]
    assert tasks.by_hub() == ["results/euroeval/environment.json", *expected]
    assert sorted(tasks.slices()) == ["euroeval/mine", "euroeval/scala-fi"]


def test_a_recipe_that_names_no_data_set_has_nothing_of_it() -> None:
    tasks = Dag(load_recipe(DEMO, "demo")).euroeval
    assert (tasks.results(), tasks.by_hub(), tasks.slices(), tasks.missing()) == ([], [], {}, [])


def test_an_absent_file_is_told_at_the_start_and_lets_a_dry_run_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    dag = Dag(load_recipe(demo(**ASKED), "demo"))
    Path("b.jsonl").touch()
    told = [sentence for sentence in dag.missing() if "euroeval" in sentence]
    assert told == ["evaluation.euroeval: a.jsonl does not exist; put it there or mend the path."]
    assert dag.euroeval.files(SimpleNamespace(task="mine")) == ["b.jsonl"]
    assert dag.euroeval.files(SimpleNamespace(task="scala-fi")) == []


def test_a_dry_run_has_as_many_jobs_as_a_plan_counts(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(demo(**ASKED)))
    command = [sys.executable, "-m", "snakemake", "--snakefile", ROOT / "Snakefile", "--configfile", recipe]
    command += ["--directory", tmp_path, "--dry-run", "--quiet", "rules", "--cores", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    planned = {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", done.stdout, re.MULTILINE)}
    counted = count_jobs(load_recipe(demo(**ASKED), "demo"))
    assert planned["euroeval"] == counted["euroeval"] == 4
    assert planned["euroeval_environment"] == 1
    assert count_jobs(load_recipe(DEMO, "demo"))["euroeval"] == 0


STAND_IN = """#!/bin/sh
# Stands for EuroEval's Python: tells the packages that it has, or leaves what was recorded.
[ "$2" = -c ] && exec cat "{folder}/packages.json"
cp {recorded} "$6"
"""


def test_the_rules_find_an_environment_that_is_named_and_measure_in_it(
    tmp_path: Path, exported_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "an environment"
    (folder / "bin").mkdir(parents=True)
    (folder / "packages.json").write_text(json.dumps(pins(ROOT / "envs" / "euroeval.txt") | {"torch": "2"}))
    recorded = ROOT / "tests" / "evaluation" / "euroeval" / "recorded.json"
    (folder / "bin" / "python").write_text(STAND_IN.format(folder=folder, recorded=recorded))
    (folder / "bin" / "python").chmod(0o755)
    monkeypatch.setenv("ALASIN_EUROEVAL", str(folder))
    for name in ("a.jsonl", "b.jsonl"):
        rows = [{"text": f"text {place}", "label": "AB"[place % 2]} for place in range(20)]
        (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    shutil.copytree(exported_model.parent, tmp_path / "results" / "models" / "small")
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(demo(local={"mine": LOCAL}, iterations=2)))
    result = "results/evaluation/euroeval/mine/small.untrained.json"
    command = [sys.executable, "-m", "snakemake", "--snakefile", ROOT / "Snakefile", "--directory", tmp_path]
    command += ["--configfile", tmp_path / "recipe.yaml", "--cores", "1", "--show-failed-logs"]
    command += ["--allowed-rules", "euroeval_environment", "euroeval", "--", result]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = read_json(tmp_path / result)
    assert (found["system"], found["value"]) == ("small.untrained", pytest.approx(22.54, abs=0.01))
    assert found["how"]["untrained"] is True
    digest = sha256_of(ROOT / "envs" / "euroeval.txt")
    assert found["how"]["packages"] == digest
    named = {"format": 1, "python": str(folder / "bin" / "python"), "requirements_sha256": digest}
    assert read_json(tmp_path / "results" / "euroeval" / "environment.json") == named
