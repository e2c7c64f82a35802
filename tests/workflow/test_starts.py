"""Starts through the real command: a larger model from a smaller run's, and one from a directory that is there."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from corpus.demo.made_text import made_documents

ROOT = Path(__file__).parents[2]
STAGE = {
    "length": 64,
    "tokens": 60_000,
    "batch": {"tokens": 512},
    "learning_rate": {"peak": 5e-3},
    "rope_theta": 10_000,
    "mixture": "all",
}
SHAPE = {"tokenizer": "tiny", "layers": 2, "hidden": 32, "heads": 2, "intermediate": 48}
LARGE = SHAPE | {"layers": 3, "hidden": 64, "heads": 4, "intermediate": 96}
FEW = STAGE | {"tokens": 2048, "learning_rate": {"peak": 1e-3}}
RECIPE = {
    "title": "Starts",
    "sources": {"en": {"language": "en", "files": ["en.jsonl"], "held_out": 0.1}},
    "tokenizers": {
        "tiny": {"vocabulary": 600, "sample_bytes": 200_000, "mixture": "all"},
        "other": {"vocabulary": 500, "sample_bytes": 200_000, "mixture": "all"},
    },
    "models": {
        "small": SHAPE,
        "large": LARGE,
        "tiled": LARGE | {"start": {"run": "base"}},
        "there": SHAPE | {"tokenizer": "other", "start": {"directory": "pretrained"}},
        "other": SHAPE | {"tokenizer": "other"},
    },
    "mixtures": {"all": {"factors": {"en": 1}}},
    "phases": {"long": {"stages": [STAGE]}, "few": {"stages": [FEW]}},
    "runs": {"base": {"model": "small", "phases": ["long"]}}
    | {name: {"model": name, "phases": ["few"]} for name in ("large", "tiled", "other", "there")},
    "evaluation": {"lengths": [64]},
}


class Place:
    """A working directory, and the command that a user types."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        documents = [text for _, text in made_documents("en", "en", ["the", "of", "and", "everyone"])][:120]
        lines = (json.dumps({"text": text}) + "\n" for text in documents)
        (directory / "en.jsonl").write_text("".join(lines), encoding="utf-8")

    def alasin(self, verb: str, recipe: dict, *options: str) -> subprocess.CompletedProcess[str]:
        (self.directory / "recipe.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
        command = [sys.executable, "-m", "workflow.cli", verb, self.directory / "recipe.yaml"]
        command += ["--directory", self.directory, *options]
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
            timeout=1200,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )

    def explain(self, recipe: dict, *targets: str) -> str:
        (self.directory / "longer.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
        command = [sys.executable, "-m", "workflow.cli", "explain", *targets, "--configfile", "longer.yaml"]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            cwd=self.directory,
            timeout=900,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        return done.stdout + done.stderr

    def first_loss(self, run: str) -> float:
        metrics = self.directory / "results" / "runs" / run / "few" / "metrics.jsonl"
        return float(json.loads(metrics.read_text().splitlines()[0])["loss"])


def of(*runs: str) -> dict:
    """The recipe with some runs, and the models and tokenizers that they need."""
    models = {RECIPE["runs"][run]["model"] for run in runs}
    return RECIPE | {
        "runs": {run: RECIPE["runs"][run] for run in runs},
        "models": {name: RECIPE["models"][name] for name in models},
    }


def exports(*runs: str) -> list[str]:
    """What is made of them here; evaluation would only take time."""
    return [f"results/models/{run}/config.json" for run in runs]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Place:
    place = Place(tmp_path_factory.mktemp("starts"))
    done = place.alasin("run", of("base", "large", "tiled"), *exports("large", "tiled"))
    assert done.returncode == 0, done.stdout + done.stderr
    (place.directory / "results/models/base").rename(place.directory / "pretrained")
    return place


def test_a_tiled_model_begins_below_random_weights(trained: Place) -> None:
    assert trained.first_loss("tiled") < trained.first_loss("large") - 0.3
    manifest = json.loads((trained.directory / "results/starts/tiled/manifest.json").read_text())
    assert manifest["from"]["run"] == "base"
    assert manifest["tokens"]["composed"] == manifest["tokens"]["unknown"] == 0


def test_a_model_that_is_there_goes_on_with_another_tokenizer_below_random_weights(trained: Place) -> None:
    recipe = of("other", "there")
    checked = trained.alasin("check", recipe)
    assert checked.returncode == 0, checked.stderr
    done = trained.alasin("run", recipe, *exports("other", "there"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert trained.first_loss("there") < trained.first_loss("other") - 0.5
    again = trained.alasin("run", recipe, *exports("other", "there"))
    assert "Nothing to be done" in again.stdout + again.stderr
    longer = recipe | {"phases": {"few": {"stages": [FEW | {"tokens": 4096}]}}}
    explained = trained.explain(longer, *exports("there"))
    assert "goes on from step 4" in explained, explained


def test_a_model_that_is_there_goes_on_with_its_own_tokenizer_where_it_stood(trained: Place) -> None:
    entries = json.loads((trained.directory / "results/tokenizers/tiny/manifest.json").read_text())["vocabulary"]
    recipe = of("there") | {"tokenizers": {"other": {"from": "pretrained", "vocabulary": entries}}}
    recipe["runs"] = {"own": {"model": "there", "phases": ["few"]}}
    done = trained.alasin("run", recipe, *exports("own"))
    assert done.returncode == 0, done.stdout + done.stderr
    before = (trained.directory / "results/runs/base/long/metrics.jsonl").read_text().splitlines()
    last = [json.loads(line)["loss"] for line in before[-10:]]
    assert abs(trained.first_loss("own") - sum(last) / len(last)) < 0.3
    manifest = json.loads((trained.directory / "results/starts/there/manifest.json").read_text())
    assert manifest["tokens"] == {"kept": entries, "composed": 0, "unknown": 0}
    exported = trained.directory / "results/models/own"
    assert (exported / "tokenizer.json").read_bytes() == (trained.directory / "pretrained/tokenizer.json").read_bytes()


def test_a_directory_of_another_shape_is_told_before_any_job(trained: Place) -> None:
    recipe = of("there")
    recipe["models"] = {"there": recipe["models"]["there"] | {"layers": 4}}
    for verb in ("check", "run"):
        told = trained.alasin(verb, recipe)
        assert told.returncode == 1
        assert "models.there.start.directory: the model in pretrained has another shape; write layers: 2" in (
            told.stdout + told.stderr
        )
    recipe["models"]["there"] |= {"start": {"directory": "nowhere"}}
    told = trained.alasin("check", recipe)
    assert "models.there.start.directory: nowhere has no config.json" in told.stderr
