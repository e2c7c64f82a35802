"""The whole pipeline with profiles/slurm: stages through the executor plugin, phases as jobs of two nodes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from corpus.demo.made_text import made_documents
from slurm.records.history import read_history
from tests.slurm.real.real_cluster import RealCluster
from tests.slurm.real.small_phase import COMMON, ROOT
from tests.workflow.tracking.wandb_file import rows

STAGE: dict[str, Any] = {"batch": {"tokens": 2048}, "mixture": "m"}
RECIPE: dict[str, Any] = {
    "title": "three phases",
    "sources": {"en": {"language": "en", "files": ["en.jsonl"]}},
    "tokenizers": {"t": {"vocabulary": 600, "sample_bytes": 200_000, "mixture": "m"}},
    "models": {"m": {"tokenizer": "t", "layers": 3, "hidden": 32, "heads": 2, "intermediate": 48}},
    "mixtures": {"m": {"factors": {"en": 1}}},
    "phases": {
        "stable": {
            "stages": [
                STAGE
                | {"length": 64, "tokens": 40_000, "rope_theta": 10_000}
                | {"learning_rate": {"peak": 3e-3, "warmup_steps": 2}}
            ]
        },
        "extension": {
            "stages": [STAGE | {"length": 128, "tokens": 20_000, "rope_theta": 1e6, "learning_rate": {"peak": 1e-3}}]
        },
        "annealing": {
            "stages": [
                STAGE
                | {"length": 128, "tokens": 20_000, "rope_theta": 1e6}
                | {"learning_rate": {"peak": 1e-3, "shape": "1-sqrt"}}
            ]
        },
    },
    "runs": {"r": {"model": "m", "phases": ["stable", "extension", "annealing"]}},
    "evaluation": {"lengths": [64]},
}
PHASES = ("stable", "extension", "annealing")


@pytest.fixture
def workplace(tmp_path: Path) -> Path:
    """A working directory with text and a recipe; blanks and quotes in a name must do no harm."""
    folder = tmp_path / "it's a corpus"
    folder.mkdir()
    documents = list(made_documents("en", "en", COMMON))[:60]
    (folder / "en.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for _, text in documents))
    (folder / "recipe.yaml").write_text(yaml.safe_dump(RECIPE))
    return folder


@pytest.fixture
def start(slurm_cluster: RealCluster, workplace: Path) -> Iterator[Any]:
    """Start Snakemake on the recipe, as often as wanted; the lines it says go to a file."""
    started: list[subprocess.Popen[bytes]] = []

    def begin() -> tuple[subprocess.Popen[bytes], Path]:
        output = workplace / f"snakemake-{len(started)}.txt"
        command = [sys.executable, ROOT / "tests/slurm/real/snakemake_fast.py", "--profile", ROOT / "profiles/slurm"]
        command += [
            "--configfile",
            workplace / "recipe.yaml",
            "--directory",
            workplace,
            "--snakefile",
            ROOT / "Snakefile",
        ]
        command += ["--slurm-init-seconds-before-status-checks", "1", "--jobs", "3"]
        command += ["--config", "tracker=wandb", 'message=(echo "$ALASIN_STATUS"; cat) >> told']
        environment = slurm_cluster.environment | {"SBATCH_PARTITION": "small-g", "PYTHONPATH": str(ROOT)}
        with output.open("wb") as stream:
            process = subprocess.Popen(
                list(map(str, command)), cwd=ROOT, stdout=stream, stderr=subprocess.STDOUT, env=environment
            )
        started.append(process)
        return process, output

    yield begin
    for process in started:
        if process.poll() is None:
            process.kill()
            process.wait()


def test_three_phases_of_two_nodes_and_every_stage_between(
    slurm_cluster: RealCluster, workplace: Path, start: Any
) -> None:
    first, _ = start()
    job = workplace / "results" / "runs" / "r" / "stable" / "job.json"
    slurm_cluster.wait_for(job.exists, "the first phase is submitted", 300)
    slurm_cluster.wait_for_state(json.loads(job.read_text())["job_id"], "RUNNING")
    # The login node goes down: Snakemake and whatever it started there is gone, the job is not.
    first.send_signal(signal.SIGKILL)
    first.wait()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"slurm.launch" in words and str(workplace).encode() in b" ".join(words):
            os.kill(int(process.name), signal.SIGKILL)
    both = [start(), start()]
    slurm_cluster.wait_for(lambda: any(process.poll() is not None for process, _ in both), "one has ended", 60)
    both.sort(key=lambda started: started[0].poll() is None)
    (ended, words), (working, output) = both
    assert ended.poll() != 0
    assert "another snakemake" in words.read_text()
    # Somebody begins to edit the recipe: jobs that have yet to start read it as it was.
    recipe = workplace / "recipe.yaml"
    written = recipe.read_text()
    recipe.write_text("title: [half")
    assert working.wait(timeout=600) == 0, output.read_text()
    recipe.write_text(written)
    assert (workplace / "results" / "report.html").exists()
    for phase in PHASES:
        folder = workplace / "results" / "runs" / "r" / phase
        history = read_history(folder)
        assert [run.outcome for run in history] == ["finished"], history
        assert history[0].nodes == 2
        starts = {path.name.split("-")[0] for path in folder.glob("jobs/*_start.json")}
        print(f"{phase}: job {starts}, steps {history[0].first_step} to {history[0].last_step}")
        assert len(starts) == 1
        # The tracker's process died with its launch; the next one mirrored each step once.
        (segment,) = workplace.glob(f"results/wandb/*-{_tracked(folder)}/*.wandb")
        lines = (folder / "metrics.jsonl").read_text().splitlines()
        assert [row["step"] for row in rows([segment])] == [json.loads(line)["step"] for line in lines]
    assert "Nothing to be done" in _again(start)
    assert (workplace / "told").read_text().startswith(f"done\nAll that was asked of recipe is done in {workplace}.\n")
    assert (workplace / "told").read_text().count("All that was asked") == 1


def _tracked(folder: Path) -> str:
    """Return what the tracker calls a phase."""
    (record,) = folder.glob("tracking/*/mirrored.json")
    return str(json.loads(record.read_text())["id"])


def _again(start: Any) -> str:
    process, output = start()
    assert process.wait(timeout=120) == 0
    text: str = output.read_text()
    return text
