"""A phase of a few hundred steps for a real Slurm: its data, its launches, and what can be read off it afterwards."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from corpus.demo.made_text import made_documents
from corpus.rows.index import make as make_rows
from corpus.rows.index import write_list
from corpus.sampling.sample import sample
from corpus.tokens.bpe import make as make_tokenizer
from corpus.tokens.shards import make as make_shards
from recipe.needs import rows_of
from recipe.reading import load_recipe
from recipe.slices.files import to_json
from recipe.slices.making import phase_slice, source_slice, tokenizer_slice, train_rows_slice
from slurm.records.history import Run, read_history
from tests.model.whole_checkpoints import numpy_weights
from tests.slurm.real.real_cluster import RealCluster

ROOT = Path(__file__).parents[3]
COMMON = ["the", "of", "and", "everyone", "has", "right", "to", "in"]
LENGTH = 64
STEP_TOKENS = 4096
RECIPE: dict[str, Any] = {
    "title": "test",
    "sources": {"en": {"language": "en", "files": ["en.jsonl"]}},
    "tokenizers": {"t": {"vocabulary": 600, "sample_bytes": 200_000, "mixture": "m"}},
    "models": {"m": {"tokenizer": "t", "layers": 3, "hidden": 32, "heads": 2, "intermediate": 48}},
    "mixtures": {"m": {"factors": {"en": 1}}},
    "phases": {"one": {}},
    "runs": {"r": {"model": "m", "phases": ["one"]}},
    "evaluation": {"lengths": [LENGTH]},
}


def make_data(folder: Path, steps: int) -> Path:
    """Make slice, tokenizer and rows of a phase of so many steps below `folder`, by the stages; return `folder`."""
    stage = {
        "length": LENGTH,
        "tokens": steps * STEP_TOKENS,
        "batch": {"tokens": STEP_TOKENS},
        "learning_rate": {"peak": 3e-3, "warmup_steps": 1},
        "rope_theta": 10_000,
        "mixture": "m",
    }
    recipe = load_recipe(RECIPE | {"phases": {"one": {"stages": [stage]}}}, "test")
    folder.mkdir(parents=True, exist_ok=True)
    content = phase_slice(recipe, "r", "one")
    (folder / "one.json").write_text(to_json(content), encoding="utf-8")
    if (folder / "tokenizers").exists():
        return folder
    raw, manifest = folder / "en.jsonl", folder / "corpus" / "en" / "manifest.json"
    documents = list(made_documents("en", "en", COMMON))[:60]
    raw.write_text("".join(json.dumps({"text": text}) + "\n" for _, text in documents), encoding="utf-8")
    sample(source_slice(recipe, "en"), [raw], manifest, workers=1)
    tokenizer = folder / "tokenizers" / "t" / "manifest.json"
    make_tokenizer(tokenizer_slice(recipe, "t"), {"en": manifest}, tokenizer)
    make_shards(manifest, tokenizer, folder / "shards" / "t" / "en" / "manifest.json", "tokie", workers=1)
    write_list(
        make_rows(rows_of(train_rows_slice(content)), folder / "shards", folder / "rows", 1), folder / "rows.json"
    )
    return folder


@dataclass
class SmallPhase:
    """One phase, trained by a rank on each of two nodes, slowly until a test waits for nothing but its end."""

    cluster: RealCluster
    data: Path
    folder: Path
    launches: list[subprocess.Popen[str]] = field(default_factory=list)
    outputs: list[Path] = field(default_factory=list)

    def launch(
        self,
        *,
        where: str = str(Path(__file__).with_name("cluster.yaml")),
        partition: str = "small-g",
        nodes: int = 2,
        processes: int = 1,
        minutes: int = 30,
        checkpoint_seconds: float = 2.0,
        step_seconds: float = 15.0,
        account: str | None = None,
        variables: Mapping[str, str] | None = None,
        before: Sequence[str | Path] = (),
        slow: float = 0.1,
        fault: Sequence[str | int] = ("none", 0, 0),
    ) -> subprocess.Popen[str]:
        """Start `slurm.launch` of the phase; its output goes to a file.

        `before` are words before its command line, `slow` seconds that each step takes longer, `fault` what rank meets
        after which step (steered.py).
        """
        self.steering.mkdir(parents=True, exist_ok=True)
        (self.steering / "slow").write_text(str(slow))
        trainer = [sys.executable, Path(__file__).with_name("steered.py"), self.steering, *fault]
        trainer += ["model.training.trainer", "--slice", self.data / "one.json"]
        trainer += ["--rows", self.data / "rows.json", "--tokenizer", self.data / "tokenizers" / "t" / "manifest.json"]
        trainer += ["--folder", self.folder, "--checkpoint-seconds", checkpoint_seconds, "--micro-batch-slots", 2048]
        command = [sys.executable, "-m", "slurm.launch", "--cluster", where, "--partition", partition]
        command += ["--nodes", nodes, "--processes-per-node", processes, "--minutes", minutes]
        command += ["--start-seconds", 120, "--step-seconds", step_seconds, "--folder", self.folder]
        command += ["--inputs", self.data / "one.json", self.data / "rows.json"]
        command += ["--done", self.folder / "checkpoint.json", "--", *trainer]
        environment = self.cluster.environment | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **(variables or {})}
        if account is not None:
            environment["SBATCH_ACCOUNT"] = account
        self.folder.mkdir(parents=True, exist_ok=True)
        self.outputs.append(self.folder / f"launch-{len(self.outputs)}.txt")
        with open(self.outputs[-1], "w") as output:
            process = subprocess.Popen(
                list(map(str, [*before, *command])),
                cwd=ROOT,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                env=environment,
            )
        self.launches.append(process)
        return process

    @property
    def steering(self) -> Path:
        """Where files steer the trainer."""
        return self.folder.with_name("steering")

    def hurry(self) -> None:
        """Let steps take no longer than they must from now on."""
        (self.steering / "slow").unlink(missing_ok=True)

    def finish(self, process: subprocess.Popen[str], status: int = 0, seconds: float = 300.0) -> str:
        """Wait for a launch to end with `status` and return what it said; one that is to succeed hurries."""
        if status == 0:
            self.hurry()
        process.wait(timeout=seconds)
        said = self.outputs[self.launches.index(process)].read_text()
        assert process.returncode == status, said
        return said

    def job(self) -> dict[str, Any]:
        """Return the record of the job submitted last."""
        content: dict[str, Any] = json.loads((self.folder / "job.json").read_text())
        return content

    def metrics(self) -> list[dict[str, Any]]:
        """Return the whole lines of the metrics."""
        path = self.folder / "metrics.jsonl"
        lines = path.read_text().splitlines(keepends=True) if path.exists() else []
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def steps(self) -> int:
        """Return the number of the last step that was trained."""
        lines = self.metrics()
        return int(lines[-1]["step"]) if lines else 0

    def wait_for_step(self, step: int, seconds: float = 120.0) -> None:
        """Wait until training has come to `step`, and a checkpoint has been written."""

        def there() -> bool:
            return self.steps() >= step and any(self.folder.glob("checkpoints/*/manifest.json"))

        self.cluster.wait_for(there, f"step {step}; {self.outputs[-1].read_text()}", seconds)

    def seconds_until_trained_on(self, event: float, last: int) -> float:
        """Wait for a step after `last` and return the seconds since `event` (time.time())."""
        self.cluster.wait_for(lambda: self.newer_than(event) and self.steps() != last, "training again", 180)
        return time.time() - event

    def newer_than(self, event: float) -> bool:
        """Tell whether a run of a job began after `event`, and its ranks have written metrics."""
        starts = [json.loads(path.read_text())["started"] for path in self.folder.glob("jobs/*_start.json")]
        path = self.folder / "metrics.jsonl"
        return bool(starts) and max(starts) > event and path.exists() and path.stat().st_mtime > max(starts) + 1

    def history(self) -> list[Run]:
        """Return what became of the jobs."""
        return read_history(self.folder)

    def job_ids(self) -> list[str]:
        """Return the ids of all jobs that ever ran a rank of this phase."""
        return sorted({path.name.split("-")[0] for path in self.folder.glob("jobs/*_start.json")})

    def repeated(self) -> int:
        """Return how many steps were trained again, as the trainer itself tells."""
        logs = "".join(path.read_text() for path in self.folder.glob("jobs/*_0_log.out"))
        return sum(int(line.split()[1]) for line in logs.splitlines() if line.startswith("training "))

    def check_rows(self) -> None:
        """Check that the steps that count follow each other without a gap or a repetition, and cover the phase."""
        lines = self.metrics()
        assert [line["step"] for line in lines] == list(range(1, len(lines) + 1))
        assert lines[0]["first_row"] == 0
        assert all(b["first_row"] == a["first_row"] + a["batch_rows"] for a, b in pairwise(lines))
        total = json.loads((self.data / "one.json").read_text())["stages"][0]["tokens"]
        assert (lines[-1]["first_row"] + lines[-1]["batch_rows"]) * LENGTH == total

    def weights(self) -> dict[str, Any]:
        """Return the trained weights."""
        pointer = json.loads((self.folder / "checkpoint.json").read_text())
        return numpy_weights(self.folder / pointer["checkpoint"])

    def ranks(self, node: str | None = None) -> list[int]:
        """Return the processes that train, on all nodes or on one."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                words = (process / "cmdline").read_bytes().split(b"\0")
                environment = (process / "environ").read_bytes().split(b"\0")
            except OSError:
                continue
            trains = (
                b"model.training.trainer" in words
                and str(self.folder).encode() in words
                and b"slurm.launch" not in words
            )
            here = node is None or f"SLURMD_NODENAME={node}".encode() in environment
            if trains and here and any(word.startswith(b"RANK=") for word in environment):
                found.append(int(process.name))
        return found

    def clean_up(self) -> None:
        """Kill the launches that are left; the cluster's own fixture cancels the jobs."""
        for process in self.launches:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                process.wait()


def same_weights(one: SmallPhase, other: SmallPhase) -> bool:
    """Tell whether two phases ended with the same bits."""
    mine, others = one.weights(), other.weights()
    return mine.keys() == others.keys() and all((mine[name] == others[name]).all() for name in mine)


def report(phase: SmallPhase, what: str, seconds: float | None = None) -> None:
    """Print the line that a scenario is told by: jobs, seconds from the event to training again, steps repeated."""
    runs = ", ".join(
        f"{run.job_id}.{run.restart} {run.outcome} {run.first_step}-{run.last_step}" for run in phase.history()
    )
    took = f"; {seconds:.0f} s to training again" if seconds is not None else ""
    line = f"{what}: {runs}{took}; {phase.repeated()} steps repeated, {len(phase.metrics())} counted"
    print(line)
    if path := os.environ.get("ALASIN_TEST_SLURM_REPORT"):
        with open(path, "a") as stream:
            stream.write(line + "\n")
