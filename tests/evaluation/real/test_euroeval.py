"""EuroEval itself measures tiny encoders by the workflow's own rule, and reads them as this project does."""

from __future__ import annotations

import json
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from transformers import AutoModelForMaskedLM, AutoTokenizer

from common.files import read_json, write_json
from evaluation.euroeval import runner
from evaluation.euroeval.directory import prepare
from evaluation.euroeval.measure import read_back, run
from model.modernbert import ModernBert
from recipe.euroeval_checks import NAMES, VERSION
from recipe.reading import read_recipe
from recipe.slices.types import EuroEvalSlice
from tests.workflow.finished import RUNS, finish
from workflow.report.html import render
from workflow.report.results import Results

ROOT = Path(__file__).parents[3]
WORDS = {"fi": ["vanha", "vasara", "uusi"], "sv": ["gammalt", "hammaren", "ny"]}
OTHER = {"fi": "sv", "sv": "fi"}
SHORTLY = """#!/bin/sh
# EuroEval's own switch for tests: one iteration, of one step, and one test example.
exec {python} -I -c "import runpy, sys; sys._called_from_test = True; sys.argv[:] = sys.argv[4:]
runpy.run_path(sys.argv[0], run_name='__main__')" "$@"
"""


def texts(count: int, seed: int) -> list[dict[str, Any]]:
    """Texts of words of a language, labelled with it."""
    draw = random.Random(seed)
    labels = [draw.choice(sorted(WORDS)) for _ in range(count)]
    return [{"text": " ".join(draw.choices(WORDS[label], k=5)), "label": label} for label in labels]


def sentences(count: int, seed: int) -> list[dict[str, Any]]:
    """Words of two languages, of which those of one are places."""
    draw = random.Random(seed)
    drawn = [[draw.choice(sorted(WORDS)) for _ in range(5)] for _ in range(count)]
    tags = {"fi": "O", "sv": "B-LOC"}
    return [{"words": [draw.choice(WORDS[one]) for one in own], "labels": [tags[one] for one in own]} for own in drawn]


def questions(count: int, seed: int) -> list[dict[str, Any]]:
    """Contexts in which a word is asked for."""
    made = []
    for text in (one["text"] for one in texts(count, seed)):
        word = text.split()[2]
        answers = {"text": [word], "answer_start": [text.index(word)]}
        made.append({"question": "Alasin?", "context": text, "answers": answers})
    return made


def mistaken(row: dict[str, Any]) -> dict[str, Any]:
    """A text with the other label: by such ones a training gets worse at once, and soon ends."""
    return row | {"label": OTHER[row["label"]]} if "label" in row else row


def files(folder: Path, rows: list[dict[str, Any]]) -> dict[str, str]:
    """Files of a hundred examples to learn from, and others to measure."""
    folder.mkdir(parents=True)
    parts = {"train": rows[:100], "dev": list(map(mistaken, rows[:100])), "test": rows[100:]}
    for part, own in parts.items():
        (folder / f"{part}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in own))
    return {part: str(folder / f"{part}.jsonl") for part in parts}


def test_the_rule_measures_encoders_and_the_report_tells_it(
    tmp_path: Path, exported_model: Path, euroevals_python: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALASIN_EUROEVAL", str(euroevals_python.parents[1]))
    results = finish(tmp_path)
    shutil.rmtree(results / "models" / "small")
    shutil.copytree(exported_model.parent, results / "models" / "small")
    recipe = yaml.safe_load((ROOT / "config" / "demo.yaml").read_text())
    local = {"kind": "classification", "language": "sv"} | files(tmp_path / "data", texts(160, 1))
    recipe["evaluation"]["euroeval"] = {"local": {"language": local}, "iterations": 2, "runs": ["small"]}
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    systems = ("small", "small.untrained")
    wanted = [f"results/evaluation/euroeval/language/{system}.json" for system in systems]
    command = [sys.executable, "-m", "snakemake", "--snakefile", ROOT / "Snakefile", "--directory", tmp_path]
    command += ["--configfile", tmp_path / "recipe.yaml", "--cores", "2", "--show-failed-logs"]
    command += ["--allowed-rules", "euroeval_environment", "euroeval", "--", *wanted]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for system, path in zip(systems, wanted, strict=True):
        found = read_json(tmp_path / path)
        assert (found["system"], found["task"], found["metric"]) == (system, "language", "mcc")
        assert (len(found["values"]), found["examples"], found["how"]["examples"]["train"]) == (2, 60, 100)
        assert found["how"]["untrained"] is system.endswith("untrained")
        assert found["interval"][0] <= found["value"] <= found["interval"][1]
    assert not list(tmp_path.glob("results/evaluation/euroeval/language/.*"))
    page = render(Results(results), "t", RUNS)
    part = page.partition('<section id="euroeval">')[2].partition("</section>")[0]
    assert f"2 iterations of EuroEval {VERSION}" in part
    assert len(re.findall('<tr><th scope="row"', part)) == 2


@pytest.mark.parametrize(
    ("kind", "rows", "metrics"),
    [("tagging", sentences(120, 1), ["micro_f1_no_misc", "micro_f1"]), ("qa", questions(120, 1), ["f1", "em"])],
    ids=["tagging", "qa"],
)
def test_entities_and_questions_are_measured_too(
    tmp_path: Path, exported_model: Path, euroevals_python: Path, kind: str, rows: list[Any], metrics: list[str]
) -> None:
    asked = {"kind": kind, "language": "sme"} | files(tmp_path / "data", rows)
    content = EuroEvalSlice.model_validate({"name": "mine", "seed": 1, "iterations": 2, "local": asked})
    (tmp_path / "work").mkdir()
    (tmp_path / "python").write_text(SHORTLY.format(python=euroevals_python))
    (tmp_path / "python").chmod(0o755)
    found = run(str(tmp_path / "python"), content, str(exported_model), False, tmp_path / "work")
    told = read_back(found, content, untrained=False)
    assert [told["metric"], *told["also"]] == metrics
    assert all(0 <= value <= 100 for value in told["values"])
    assert told["values"] == [pytest.approx(told["value"])]


LOGITS = """
import json, sys
import torch
import transformers
from transformers import AutoModelForMaskedLM, AutoTokenizer
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
ids = tokenizer(sys.argv[2], return_tensors="pt").input_ids
with torch.no_grad():
    logits = AutoModelForMaskedLM.from_pretrained(sys.argv[1])(ids).logits
print(json.dumps([transformers.__version__, ids.tolist(), logits.tolist()]))
"""
TEXT = "Alasin on vanha ja vasara on uusi. Städet är gammalt och [MASK] är ny."


@pytest.mark.parametrize("written_by", ["export", "transformers"])
def test_transformers_4_computes_the_same_logits_for_other_thetas_and_layers(
    tmp_path: Path, exported_model: Path, small_encoder: ModernBert, euroevals_python: Path, written_by: str
) -> None:
    where = exported_model.parent
    if written_by == "transformers":
        AutoModelForMaskedLM.from_pretrained(where).save_pretrained(tmp_path / "theirs")
        AutoTokenizer.from_pretrained(where).save_pretrained(tmp_path / "theirs")
        # As a model has it that was never written by `export`.
        config = read_json(tmp_path / "theirs" / "config.json")
        older = ("global_rope_theta", "local_rope_theta", "global_attn_every_n_layers")
        write_json(tmp_path / "theirs" / "config.json", {key: config[key] for key in config if key not in older})
        where = tmp_path / "theirs"
    prepare(str(where / "config.json"), tmp_path / "model")
    command = [euroevals_python, "-I", "-c", LOGITS, tmp_path / "model", TEXT]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    version, ids, theirs = json.loads(told.stdout)
    assert version.startswith("4.")
    row = torch.tensor(ids[0])
    ours = small_encoder(row, small_encoder.lay_out([0, len(row)]))
    torch.testing.assert_close(ours, torch.tensor(theirs[0]), atol=1e-5, rtol=0)


REGISTRY = """
import json
from pathlib import Path
from euroeval.dataset_configs import get_all_dataset_configs
from euroeval.enums import ModelType
found = get_all_dataset_configs(Path("none")).values()
print(json.dumps([one.name for one in found if ModelType.ENCODER in one.allowed_model_types]))
"""


def test_the_names_that_a_recipe_may_use_are_those_of_euroevals_registry(euroevals_python: Path) -> None:
    told = subprocess.run([euroevals_python, "-I", "-c", REGISTRY], capture_output=True, text=True, check=True)
    there = set(json.loads(told.stdout.splitlines()[-1]))
    assert there == NAMES
    assert set(read_recipe(ROOT / "config" / "finnish.yaml").evaluation.euroeval.datasets) <= there


METRICS = """
import json, runpy, sys
metric = runpy.run_path(sys.argv[1])["Metric"]
labels = dict(predictions=[0, 0, 1, 1], references=[0, 1, 1, 1])
tags = dict(predictions=[["B-LOC", "I-LOC", "O"], ["O", "B-LOC"]], references=[["B-LOC", "I-LOC", "O"], ["B-PER", "O"]])
answers = dict(
    predictions=[{"prediction_text": text} for text in ("the Turku castle", "Oulu", "")],
    references=[{"answers": {"text": texts}} for texts in (["Turku", "Turku castle."], ["Turku Oulu"], [])],
)
scores = [metric("matthews_correlation").compute(**labels), metric("f1").compute(**labels, average="macro")]
print(json.dumps([*scores, metric("seqeval").compute(**tags), metric("squad_v2").compute(**answers)]))
"""


def test_metrics_are_those_that_euroeval_would_fetch(euroevals_python: Path) -> None:
    command = [euroevals_python, "-I", "-c", METRICS, runner.__file__]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    matthews, f1, entities, answers = json.loads(told.stdout.splitlines()[-1])
    assert matthews["matthews_correlation"] == pytest.approx(1 / 3**0.5)
    assert f1["f1"] == pytest.approx((2 / 3 + 4 / 5) / 2)
    assert entities["overall_f1"] == pytest.approx(1 / 2)  # one of two is found, one of two is right
    # Articles, case and points do not count, and the best of several answers does; none is right where there is none.
    assert answers == pytest.approx({"exact": 200 / 3, "f1": 100 * (1 + 2 / 3 + 1) / 3})
