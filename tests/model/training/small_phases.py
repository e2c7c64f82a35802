"""Small phases for tests, trained as users train: through `slurm.launch`."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.model.whole_checkpoints import numpy_weights

ROOT = Path(__file__).parents[3]
COMMON = ["the", "of", "and", "everyone", "has", "right", "to", "in"]
SHAPE = {"layers": 4, "hidden": 32, "heads": 2, "intermediate": 48, "local_attention": 16}
MODEL = {"tokenizer": "t", **SHAPE}
BATCH = {"tokens": 480, "start_tokens": 96, "warmup_steps": 8}
FIRST = {"length": 32, "tokens": 8000, "batch": BATCH, "learning_rate": {"peak": 3e-3, "warmup_steps": 5}}
SECOND = {"length": 48, "tokens": 6000, "batch": {"tokens": 490}, "learning_rate": {"peak": 3e-3, "shape": "1-sqrt"}}
PLAIN = {"length": 32, "tokens": 2400, "batch": {"tokens": 480}, "learning_rate": {"peak": 3e-3}}
PLAIN |= {"rope_theta": 10_000, "mixture": "m"}
LANGUAGES = {"en": ["en"], "la": ["la"]}
RECIPE = {
    "title": "test",
    "sources": {name: {"language": name, "files": [f"{name}.jsonl"], "held_out": 0.1} for name in ("en", "la")},
    "tokenizers": {"t": {"vocabulary": 600, "sample_bytes": 200_000, "mixture": "m"}},
    "models": {"m": MODEL},
    "mixtures": {"m": {"factors": {"en": 1, "la": 0.3}}},
    "phases": {
        "one": {
            "stages": [
                FIRST | {"rope_theta": 10_000, "mixture": "m"},
                SECOND | {"rope_theta": 1_000_000, "mixture": "m"},
            ]
        },
        "whole": {"stages": [PLAIN | {"tokens": 4800}]},
        "longer": {"stages": [PLAIN | {"tokens": 6240}]},
        "slower": {"stages": [PLAIN | {"tokens": 4800, "learning_rate": {"peak": 3e-3, "changes": {2400: 1e-3}}}]},
        "skipping": {"stages": [PLAIN | {"tokens": 4800, "skip_rows": [[100, 121]]}]},
        "halves": {"stages": [PLAIN, PLAIN]},
        "half": {"stages": [PLAIN]},
        "other-half": {"stages": [PLAIN]},
        "muon": {"stages": [PLAIN]},
        "stable-adamw": {"stages": [PLAIN]},
        "two": {"stages": [SECOND | {"rope_theta": 1_000_000, "mixture": "m"}]},
    },
    "runs": {
        "r": {"model": "m", "phases": ["one", "two"]},
        "whole": {"model": "m", "phases": ["whole"]},
        "edited": {"model": "m", "phases": ["longer", "slower", "skipping"]},
        "halves": {"model": "m", "phases": ["halves"]},
        "split": {"model": "m", "phases": ["half", "other-half"]},
        "muon": {"model": "m", "phases": ["muon"], "optimizer": {"name": "muon"}},
        "stable-adamw": {"model": "m", "phases": ["stable-adamw"], "optimizer": {"name": "stable_adamw"}},
    },
    "evaluation": {"lengths": [32]},
}


def command(data, folder, ranks=2, phase="one", previous=None, every=0.0, micro=96, validation=False, runs=None):
    trainer = [
        sys.executable,
        "-m",
        "model.training.trainer",
        "--slice",
        data / f"{phase}.json",
        "--rows",
        data / f"{phase}-rows.json",
    ]
    trainer += ["--tokenizer", data / "tokenizers" / "t" / "manifest.json", "--folder", folder]
    trainer += ["--checkpoint-seconds", every, "--micro-batch-slots", micro]
    trainer += ["--previous", previous] if previous else []
    trainer += ["--runs", runs, "--keeping", data / "keeping.json"] if runs else []
    held_out = ["--validation", data / "validation.json", "--validation-rows", data / "held-out-rows.json"]
    trainer += held_out if validation else []
    launch = [sys.executable, "-m", "slurm.launch", "--cluster", "local", "--processes-per-node", ranks]
    launch += ["--inputs", data / f"{phase}.json", data / f"{phase}-rows.json", *([previous] if previous else [])]
    launch += ["--folder", folder, "--done", folder / "checkpoint.json", "--", *trainer]
    return [str(part) for part in launch]


def start(*arguments, **options):
    return subprocess.Popen(
        command(*arguments, **options),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )


def finish(*arguments, status=0, **options):
    process = start(*arguments, **options)
    output = process.communicate(timeout=180)[0]
    assert process.returncode == status, output
    return output


def weights(folder):
    pointer = json.loads((folder / "checkpoint.json").read_text())
    return numpy_weights(folder / pointer["checkpoint"])


def same(one, other, tolerance=0.0):
    return one.keys() == other.keys() and all(abs(one[name] - other[name]).max() <= tolerance for name in one)


def metrics(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
