"""What needs a hub that is out of reach holds nothing back, is told at the end, and is measured again once deleted."""

import json
import os
import subprocess
import sys
from pathlib import Path

import yaml

from tests.workflow.test_whole_recipe import RECIPE
from workflow.unmeasured import told

ROOT = Path(__file__).parents[2]
RESULT = "results/fertility/foreign/someone--words.json"


def test_each_reason_is_told_once_with_the_command_to_try_again(tmp_path: Path) -> None:
    results = [tmp_path / name for name in ("a b", "c", "d", "none")]
    for path, content in zip(
        results, ({"unmeasured": "No hub."}, {"unmeasured": "No hub."}, {"value": 1}), strict=False
    ):
        path.write_text(json.dumps(content))
    lines = told(map(str, results)).splitlines()
    assert lines[1:] == [
        "  No hub.",
        "To try again, delete what says so and run the same command:",
        f"  rm '{results[0]}' {results[1]}",
    ]
    assert told(map(str, results[2:])) == ""


def test_snakemake_goes_on_without_the_hub_and_says_so_last(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text(
        yaml.safe_dump(RECIPE | {"evaluation": {"lengths": [64], "tokenizers": ["someone/words"]}})
    )
    for language in ("en", "la"):
        texts = (f"{language} {number}" for number in range(60))
        (tmp_path / f"{language}.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    command = [sys.executable, "-m", "snakemake", "--snakefile", ROOT / "Snakefile", RESULT]
    command += ["--directory", tmp_path, "--profile", ROOT / "profiles" / "local"]
    command += ["--configfile", tmp_path / "recipe.yaml"]
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hub")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "tokenizer someone/words, which is no path here, needs the hub" in done.stderr
    assert f"rm {RESULT}" in done.stderr
    (tmp_path / RESULT).unlink()
    again = subprocess.run([*command, "-n"], env=environment, capture_output=True, text=True, check=False)
    assert "Counting tokens per word of tokenizer someone/words" in again.stdout + again.stderr
