"""A finished model with its card and a checkpoint, and the command that publishes it."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from common.files import read_json, sha256_of, write_json
from common.listed import describe
from tests.workflow.finished import change, finish
from workflow.report.card import render
from workflow.report.results import Results

ROOT = Path(__file__).parents[3]
COMMAND = (
    "import workflow.cli.publish as p, workflow.publish.hub as hub, workflow.publish.s3 as s3\n"
    "p.check_present = lambda *_: None\n"  # what Snakemake says is tested with a real workflow
    "hub.WAIT_SECONDS, s3.PART_BYTES = 0.01, 800\n"
    "from common.errors import run_command\n"
    "run_command(p.main)"
)


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory whose `results` are finished."""
    folder = tmp_path_factory.mktemp("published")
    results = finish(folder)
    model = results / "models" / "small"
    for name in ("tokenizer.json", "special_tokens_map.json"):
        write_json(model / name, {"name": name})
    write_json(model / "tokenizer_config.json", {"model_max_length": 256})
    (model / "README.md").write_text(render(Results(results), "small"))
    checkpoint = results / "runs/small/stable/checkpoints/step-00000040"
    shard = checkpoint / "shard-00000-of-00001.safetensors"
    tensors = {"weights/embeddings": np.ones((12, 34), np.float32), "exp_avg/embeddings/0": np.ones(408, np.float32)}
    save_file(tensors, shard)
    position = read_json(checkpoint / "state.json")["position"]
    state_position = position | {"stage": 0, "tokens": {}, "phase_slots": 0, "stage_end": True, "data": {}}
    change(checkpoint / "state.json", position=state_position)
    change(checkpoint / "manifest.json", files=[describe(shard), describe(checkpoint / "state.json")])
    change(results / "runs/small/stable/checkpoint.json", manifest_sha256=sha256_of(checkpoint / "manifest.json"))
    for other in (results / "runs/small").glob("*/checkpoints/step-*"):
        if other != checkpoint:
            (other / "manifest.json").unlink()  # without it a directory is no checkpoint
    return folder


class Publishing:
    """The command, with an environment of its own."""

    def __init__(self, folder: Path, home: Path, **environment: str) -> None:
        self.folder = folder
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING", "AWS_"))}
        own = {"HF_HOME": str(home), "HOME": str(home), "PYTHONPATH": str(ROOT), "HF_HUB_DISABLE_XET": "1"}
        self.environment = kept | own | {"AWS_EC2_METADATA_DISABLED": "true"} | environment

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start it."""
        return subprocess.Popen(
            [sys.executable, "-c", COMMAND, "small", *arguments],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *arguments: str) -> tuple[int, str]:
        """Run it to its end; return its status and all that it said."""
        process = self.start(*arguments)
        said, _ = process.communicate(timeout=90)
        return process.returncode, said
