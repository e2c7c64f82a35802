"""Tasks of understanding as the rules see them: results of each encoder, files that are there, absent ones told."""

import copy
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from recipe.reading import load_recipe
from workflow.dag import Dag
from workflow.understanding import DEMO_FILES

DEMO = yaml.safe_load((Path(__file__).parents[2] / "config" / "demo.yaml").read_text())


def test_each_encoder_has_a_result_a_task_and_the_demos_files_are_made_by_a_rule() -> None:
    dag = Dag(load_recipe(DEMO, "demo"))
    folder = "results/evaluation/understanding"
    assert dag.understanding.results() == [
        f"{folder}/{task}/{encoder}.json"
        for task in ("topic", "word-language")
        for encoder in ("small", "small.untrained")
    ]
    assert dag.understanding.results("small") == [f"{folder}/topic/small.json", f"{folder}/word-language/small.json"]
    assert dag.understanding.results("small-fi") == []
    asked = dag.understanding.files(SimpleNamespace(task="topic"))
    assert asked == [f"text/understanding/topic/{part}.jsonl" for part in ("train", "dev", "test")]
    assert set(asked) < set(DEMO_FILES)


def test_an_absent_file_is_told_at_the_start_and_lets_a_dry_run_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    content = copy.deepcopy(DEMO)
    task = {"kind": "tagging", "language": "sme", "train": "train.conllu", "test": "test.conllu"}
    content["evaluation"]["understanding"]["tasks"] |= {"pos": task, "far": task | {"hub": "someone/pos"}}
    dag = Dag(load_recipe(content, "demo"))
    Path("test.conllu").touch()
    told = [sentence for sentence in dag.missing() if "understanding" in sentence]
    assert told == ["evaluation.understanding: train.conllu does not exist; put it there or mend the path."]
    assert dag.understanding.files(SimpleNamespace(task="pos")) == ["test.conllu"]
    assert dag.understanding.files(SimpleNamespace(task="far")) == []
