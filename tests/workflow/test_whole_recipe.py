"""A whole recipe through the real command: what is made, what a change makes again, and what a kill leaves."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import psutil
import pytest
import yaml

from common.locks import try_lock
from corpus.demo.made_text import made_documents
from tests.model.whole_checkpoints import numpy_weights
from tests.workflow.tracking import wandb_file

ROOT = Path(__file__).parents[2]
COMMON = {"en": ["the", "of", "and", "everyone", "has"], "la": ["et", "in", "omnis", "homo", "ius"]}
STAGE = {
    "length": 64,
    "tokens": 30_000,
    "batch": {"tokens": 512},
    "learning_rate": {"peak": 3e-3},
    "rope_theta": 10_000,
    "mixture": "base",
}
RECIPE = {
    "title": "A tiny recipe",
    "sources": {name: {"language": name, "files": [f"{name}.jsonl"], "held_out": 0.1} for name in COMMON},
    "tokenizers": {"tiny": {"vocabulary": 600, "sample_bytes": 200_000, "mixture": "base"}},
    "models": {"tiny": {"tokenizer": "tiny", "layers": 2, "hidden": 32, "heads": 2, "intermediate": 48}},
    "mixtures": {
        "base": {"factors": {"en": 1, "la": 1}},
        "late": {"factors": {"en": 2, "la": 1}},
        "edu": {"factors": {"en": 1, "la": 3}},
    },
    "phases": {
        "stable": {"stages": [STAGE]},
        "annealing": {"stages": [STAGE | {"mixture": "late"}]},
        "annealing-edu": {"stages": [STAGE | {"mixture": "edu"}]},
    },
    "runs": {
        "one": {"model": "tiny", "phases": ["stable", "annealing"]},
        "edu": {"from": "one", "after": "stable", "phases": ["annealing-edu"]},
    },
    "evaluation": {
        "lengths": [64],
        "prompts": {"en": "everyone has [MASK] ."},
        "understanding": {
            **{"learning_rates": [1e-3], "seeds": 1, "epochs": 1, "batch": 8, "length": 64, "runs": ["one"]},
            "tasks": {
                "far": {
                    **{"kind": "qa", "language": "en", "given": [32, 64]},
                    "made": {"source": "en", "train": 16, "dev": 4, "test": 12},
                }
            },
        },
    },
    "warnings": {"max_epochs": 0.1},
}
# For those that rename sources: without the task that is made of one.
PLAIN = RECIPE | {
    "evaluation": {name: asked for name, asked in RECIPE["evaluation"].items() if name != "understanding"}
}


class House:
    """A copy of the repository, a working directory, and the command that a user types."""

    def __init__(self, folder):
        self.repository, self.directory = folder / "it's a house", folder / "work"
        tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
        for name in tracked.decode().split("\0"):
            if name and not name.startswith("tests/") and (ROOT / name).exists():
                (self.repository / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, self.repository / name)
        self.directory.mkdir()
        for language, common in COMMON.items():
            documents = [text for _, text in made_documents(language, language, common)][:120]
            lines = (json.dumps({"text": text}) + "\n" for text in documents)
            (self.directory / f"{language}.jsonl").write_text("".join(lines), encoding="utf-8")

    def without_phases(self, folder):
        """Return a copy of this place in which everything up to the phases' rows is there, and nothing was trained."""
        copy = object.__new__(House)
        copy.repository, copy.directory = self.repository, folder / "work"
        shutil.copytree(self.directory, copy.directory)  # with their times, by which Snakemake goes
        # What is missing is made only for what is missing after it.
        for after in ("models", "evaluation"):
            shutil.rmtree(copy.result(after))
        copy.result("report.html").unlink()
        for rows in copy.result("runs").glob("*/*/rows.json"):
            for other in rows.parent.iterdir():
                if other != rows:
                    shutil.rmtree(other) if other.is_dir() else other.unlink()
        return copy

    def start(self, recipe, *options):
        (self.directory / "recipe.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
        snakemake = [sys.executable, "-m", "snakemake", "--snakefile", self.repository / "Snakefile"]
        snakemake += ["--profile", self.repository / "profiles" / "local", "--directory", self.directory]
        snakemake += ["--configfile", self.directory / "recipe.yaml", *options]
        clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        return subprocess.Popen(snakemake, env=clean, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def run(self, recipe, *options, status=0):
        process = self.start(recipe, *options)
        output = process.communicate(timeout=1200)[0]
        assert process.returncode == status, output
        return output

    def planned(self, recipe):
        """Rule -> number of jobs that a dry run would do."""
        output = self.run(recipe, "--dry-run")
        return {rule: int(count) for rule, count in re.findall(r"^(?!total)(\w+) +(\d+)$", output, re.MULTILINE)}

    def result(self, name):
        return self.directory / "results" / name

    def checkpoint(self, run, phase):
        pointer = json.loads(self.result(f"runs/{run}/{phase}/checkpoint.json").read_text())
        return self.result(f"runs/{run}/{phase}") / pointer["checkpoint"]

    def state(self, run, phase):
        """Where training stands in the checkpoint that a phase ends with."""
        return json.loads((self.checkpoint(run, phase) / "state.json").read_text())["position"]

    def final_weights(self, run, phase):
        return {name: weight.tobytes() for name, weight in numpy_weights(self.checkpoint(run, phase)).items()}


def changed(**parts):
    """The recipe with some parts of its top-level mappings replaced or added."""
    return RECIPE | {key: RECIPE[key] | value for key, value in parts.items()}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    house = House(tmp_path_factory.mktemp("whole"))
    house.output = house.run(RECIPE, "--config", "tracker=wandb")
    return house


def test_a_tracker_has_each_step_of_each_phase_and_asks_for_no_job_to_be_done_again(finished):
    told = {"one/stable", "one/annealing", "edu/annealing-edu"}
    segments = {
        wandb_file.run_of([file]).display_name: file for file in finished.result("wandb").glob("offline-run-*/*.wandb")
    }
    assert segments.keys() == told
    for name, file in segments.items():
        lines = finished.result(f"runs/{name}/metrics.jsonl").read_bytes().splitlines()
        assert [row["loss"] for row in wandb_file.rows([file])] == [json.loads(line)["loss"] for line in lines]
        assert wandb_file.run_of([file]).project == "recipe"


def test_beside_each_result_is_how_it_was_made(finished):
    outputs = ["report.html", "models/one/config.json", "evaluation/one/mlm.json", "corpus/en/manifest.json"]
    for name in [*outputs, "runs/one/stable/checkpoint.json"]:
        record = json.loads(finished.result(f"provenance/results/{name}.json").read_text())
        assert record["file"] == f"results/{name}"
        assert record["inputs"]
        assert record["command"]
        assert len(record["call"]["environment_sha256"]) == 64


def test_questions_are_made_from_a_sources_text_and_asked_with_more_and_less_of_it(finished):
    for encoder in ("one", "one.untrained"):
        found = json.loads(finished.result(f"evaluation/understanding/far/{encoder}.json").read_text())
        assert found["how"]["examples"] == {"train": 16, "dev": 4}
        assert [one["tokens"] for one in found["given"]] == [32, 64]
        assert {one["from"] for one in found["distance"]} <= {0, 32}
        assert 0 < sum(one["examples"] for one in found["distance"]) <= found["examples"] == 12


@pytest.mark.parametrize(("phase", "stream"), [("one/stable", 0), ("edu/annealing-edu", 1)])
def test_the_documents_of_a_row_of_training_are_shown_with_their_text(finished, phase, stream):
    command = [sys.executable, "-m", "workflow.cli", "inspect", "--directory", finished.directory, phase, "17", "18"]
    told = subprocess.run(command, cwd=finished.repository, capture_output=True, text=True, check=True).stdout
    assert re.findall(r"^row (\d+) of stream (\d+)$", told, re.MULTILINE) == [("17", f"{stream}"), ("18", f"{stream}")]
    shown = re.findall(r"^  (en|la) (\S+) \(document .*\)\n((?:      .*\n)+)", told, re.MULTILINE)
    assert len(shown) >= 2
    raw = {language: (finished.directory / f"{language}.jsonl").read_text() for language in COMMON}
    for language, name, text in shown:
        line = raw[language].splitlines()[int(name.partition(":")[2]) - 1]
        assert max(text.rstrip("…\n").splitlines(), key=len).strip() in json.loads(line)["text"]


def test_a_row_that_a_phase_does_not_read_is_told(finished):
    command = [
        sys.executable,
        "-m",
        "workflow.cli",
        "inspect",
        "one/stable",
        "99999",
        "--directory",
        finished.directory,
    ]
    told = subprocess.run(command, cwd=finished.repository, capture_output=True, text=True, check=False)
    assert told.returncode == 1
    assert "does not read row 99,999 of stream 0; it reads stream 0 with rows up to" in told.stderr
    assert "Traceback" not in told.stderr


def test_one_command_makes_models_evaluations_cards_and_the_report(finished):
    for run in ("one", "edu"):
        assert {"config.json", "model.safetensors", "tokenizer.json", "README.md"} <= {
            path.name for path in finished.result(f"models/{run}").iterdir()
        }
        rows = json.loads(finished.result(f"evaluation/{run}/mlm.json").read_text())["rows"]
        assert {row["language"] for row in rows} == {"en", "la"}
    assert "A tiny recipe" in finished.result("report.html").read_text()


def test_snakemakes_own_report_carries_report_cards_and_figures_with_captions(finished, tmp_path):
    finished.run(RECIPE, "--report", tmp_path / "told.zip")
    with zipfile.ZipFile(tmp_path / "told.zip") as archive:
        names = [Path(name).name for name in archive.namelist()]
        told = "".join(archive.read(name).decode() for name in archive.namelist() if name.endswith("report.html"))
    assert {"differences.svg", "one.training-loss.svg", "edu.languages.svg"} <= set(names)
    assert names.count("README.md") == 2
    for caption in ("Model card of edu", "A point of a curve is the mean over equally many slots", "Which run is best"):
        assert caption in told


def publish(house, *options):
    command = [sys.executable, "-m", "workflow.cli", "publish", "one", "--to", "org/name", "--dry-run", *options]
    command += ["--checkpoints", "all", "--directory", house.directory]
    return subprocess.run(command, cwd=house.repository, capture_output=True, text=True, check=False)


def test_a_finished_model_may_be_published_and_one_of_another_recipe_may_not(finished):
    told = publish(finished)
    assert told.returncode == 0, told.stderr
    assert "  model.safetensors\n" in told.stdout
    assert re.findall(r"step-\d+, of phase (\w+)", told.stdout)[-1] == "annealing"
    other = changed(phases={"annealing": {"stages": [STAGE | {"mixture": "edu"}]}})
    (finished.directory / "other.yaml").write_text(yaml.safe_dump(other), encoding="utf-8")
    told = publish(finished, "--configfile", finished.directory / "other.yaml")
    assert (told.returncode, told.stdout) == (1, "")
    assert "one is not finished as" in told.stderr


def test_a_shared_phase_is_trained_once(finished):
    trained = re.findall(r"Training (\S+), phase (\S+)", finished.output)
    assert sorted(trained) == [("edu", "annealing-edu"), ("one", "annealing"), ("one", "stable")]


def test_a_finished_recipe_has_nothing_left_to_do(finished):
    assert "Nothing to be done" in finished.run(RECIPE, "--dry-run")


def test_editing_comments_in_python_files_makes_nothing_again(finished):
    for path in finished.repository.rglob("*.py"):
        path.write_text(path.read_text() + "\n# a comment\n")
    assert "Nothing to be done" in finished.run(RECIPE, "--dry-run")


def test_a_new_title_or_note_trains_nothing_again(finished):
    sources = {"en": RECIPE["sources"]["en"] | {"note": "reworded"}}
    assert set(finished.planned(changed(sources=sources) | {"title": "Other"})) <= {"model_card", "report", "all"}
    finished.planned(RECIPE)


def test_another_limit_of_epochs_trains_nothing_again(finished):
    planned = finished.planned(RECIPE | {"warnings": {"max_epochs": None}})
    assert set(planned) == {"statistics", "report", "all"}
    finished.planned(RECIPE)


def test_statistics_tell_before_training_what_checkpoints_then_count(finished):
    assert finished.output.index("how often each source is read") < finished.output.index("Training one, phase stable")
    told = json.loads(finished.result("statistics.json").read_text())
    for phase in told["phases"]:
        state = finished.state(phase["run"], phase["phase"])
        foretold = {name: pytest.approx(one["tokens"], rel=0.01) for name, one in phase["sources"].items()}
        assert state["drawn"] == foretold
    for run, last in (("one", "annealing"), ("edu", "annealing-edu")):
        heads = finished.state(run, last)["data"]["heads"].values()
        epochs = [one["epochs"] for one in told["runs"][run]["sources"].values()]
        assert sorted(rows / epoch for rows, epoch in heads) == pytest.approx(sorted(epochs))
    assert "2 of 2 sources are read more than 0.1 times in a run" in told["warning"]
    assert told["warning"] in finished.output.partition("Writing the report")[2]


def test_a_new_run_trains_only_itself(finished):
    more = changed(runs={"new": {"from": "one", "after": "stable", "phases": ["annealing-edu"]}})
    planned = finished.planned(more)
    assert planned["train"] == 1
    assert not {"sample", "tokenizer", "shards"} & set(planned)
    assert (planned["export"], planned["masked_language_modelling"]) == (1, 1)


def test_another_annealing_mixture_redoes_annealing_and_what_follows_and_nothing_else(finished):
    planned = finished.planned(changed(mixtures={"late": {"factors": {"en": 1, "la": 5}}}))
    assert planned["train"] == 1
    assert not {"sample", "tokenizer", "shards"} & set(planned)
    assert (planned["export"], planned["model_card"], planned["report"]) == (1, 1, 1)


def test_going_back_to_the_old_recipe_has_nothing_to_do(finished):
    assert "Nothing to be done" in finished.run(RECIPE, "--dry-run")


def test_a_look_with_another_recipe_changes_nothing_under_a_snakemake_that_works(finished):
    before = {path: path.read_bytes() for path in finished.result("recipe").rglob("*.json")}
    lock = try_lock(finished.directory / ".alasin.lock")
    try:
        output = finished.run(changed(mixtures={"late": {"factors": {"la": 1}}}), "--dry-run")
    finally:
        lock.release()
    assert "Another snakemake" in output
    assert {path: path.read_bytes() for path in finished.result("recipe").rglob("*.json")} == before


def test_a_mistake_in_the_recipe_is_one_sentence_before_any_job(finished):
    wrong = changed(mixtures={"late": {"factors": {"enn": 1}}})
    output = finished.run(wrong, status=1)
    assert re.search(r"recipe\.yaml: mixtures\.late\.factors.*enn", output)
    assert "Traceback" not in output


def test_a_source_without_files_is_named_before_any_job(finished):
    gone = changed(sources={"en": RECIPE["sources"]["en"] | {"files": ["nowhere/*.jsonl"]}})
    output = finished.run(gone, status=1)
    assert "nowhere/*.jsonl" in output
    assert "Traceback" not in output


def start_and_wait_for_a_step(house, recipe, phase):
    """Return Snakemake, and the record of the phase's job, which has just made its first step."""
    process = house.start(recipe, "--until", "export")
    metrics = house.result(f"runs/one/{phase}/metrics.jsonl")
    begun = time.monotonic()
    while not metrics.exists() and process.poll() is None and time.monotonic() - begun < 200:
        time.sleep(0.02)
    return process, json.loads(metrics.with_name("job.json").read_text())


def test_killed_with_all_its_processes_the_same_command_ends_with_the_same_bits(finished, tmp_path):
    house = finished.without_phases(tmp_path)
    for phase in ("stable", "annealing"):
        process, job = start_and_wait_for_a_step(house, RECIPE, phase)
        doomed = [psutil.Process(process.pid), psutil.Process(job["pid"])]
        doomed += [child for parent in doomed for child in parent.children(recursive=True)]
        for victim in doomed:
            try:
                victim.kill()
            except psutil.NoSuchProcess:
                continue
        process.communicate()
        assert not house.result(f"runs/one/{phase}/checkpoint.json").exists(), "killed too late to test anything"
    output = house.run(RECIPE, "--until", "export")
    assert set(re.findall(r"^(\w+) +\d+$", output, re.MULTILINE)) == {"train", "export", "total"}
    for run, phase in (("one", "stable"), ("one", "annealing"), ("edu", "annealing-edu")):
        assert house.final_weights(run, phase) == finished.final_weights(run, phase)


def test_a_phase_that_ends_while_snakemake_is_dead_is_not_trained_again(finished, tmp_path):
    house = finished.without_phases(tmp_path)
    recipe = RECIPE | {"runs": {"one": {"model": "tiny", "phases": ["stable"]}}}
    folder = house.result("runs/one/stable")
    process, job = start_and_wait_for_a_step(house, recipe, "stable")
    supervisor = psutil.Process(job["pid"])
    for victim in [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]:
        if victim.is_running() and victim.pid != job["pid"] and supervisor not in victim.parents():
            victim.kill()
    process.communicate()
    assert not (folder / "checkpoint.json").exists(), "killed too late to test anything"
    supervisor.wait(200)
    before = (folder / "metrics.jsonl").read_bytes()
    output = house.run(recipe, "--until", "train")
    assert "made it again" in output
    assert "submitted job" not in output.split("Training one, phase stable")[1]
    assert (folder / "metrics.jsonl").read_bytes() == before
    assert json.loads((folder / "job.json").read_text()) == job
