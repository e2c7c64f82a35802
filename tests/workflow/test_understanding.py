"""Tasks of understanding as the rules see them: results of each encoder, files that are there, absent ones told."""

import copy
import json
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


def test_questions_are_made_once_for_all_encoders_from_documents_and_counted_by_a_tokenizer_of_theirs() -> None:
    content = copy.deepcopy(DEMO)
    far = {"kind": "qa", "language": "fi", "made": {"source": "interface-fi", "test": 7}, "given": [32, 64]}
    content["evaluation"]["understanding"]["tasks"] |= {"far": far}
    dag = Dag(load_recipe(content, "demo"))
    asked = SimpleNamespace(task="far")
    assert dag.understanding.files(asked) == [
        f"results/questions/far/{part}.jsonl.zst" for part in ("train", "dev", "test")
    ]
    assert dag.understanding.documents(asked) == "results/corpus/interface-fi/manifest.json"
    assert dag.understanding.tokenizer(asked) == "results/tokenizers/demo/manifest.json"
    made, task = (json.loads(dag.slices[f"{kind}/far"]) for kind in ("questions", "understanding"))
    assert (made["edges"], made["test"], made["train"]) == ([32, 64], 7, 1000)
    assert task["test"] == "results/questions/far/test.jsonl.zst"
    assert not [sentence for sentence in dag.missing() if "far" in sentence]


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
