"""What Snakemake would do for a recipe is what a plan counts."""

from __future__ import annotations

import copy
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from recipe.needs import all_phases
from recipe.reading import read_recipe
from workflow.plan.stages import count_jobs

ROOT = Path(__file__).parents[2]
DEMO = yaml.safe_load((ROOT / "config" / "demo.yaml").read_text())
FAR = {"kind": "qa", "language": "fi", "made": {"source": "interface-fi"}, "given": [32, 64]}
"""Questions that are made, for an encoder from elsewhere too, which the demo has neither of."""
MORE = {
    "models": {"xlmr": "FacebookAI/xlm-roberta-base"},
    "understanding": DEMO["evaluation"]["understanding"]
    | {"tasks": DEMO["evaluation"]["understanding"]["tasks"] | {"far": FAR}},
}
LESS = {"prompts": {}, "pseudo_perplexity_tokens": 0, "context_documents": 0}


@pytest.mark.parametrize("changed", [{}, MORE, LESS], ids=["demo", "questions", "nothing of a run but its loss"])
def test_a_dry_run_has_as_many_jobs_of_each_rule_as_a_plan_counts(tmp_path: Path, changed: dict[str, Any]) -> None:
    content = copy.deepcopy(DEMO)
    content["evaluation"] |= changed
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(content))
    command = [sys.executable, "-m", "snakemake", "--snakefile", ROOT / "Snakefile", "--configfile", path]
    command += ["--directory", tmp_path, "--dry-run", "--quiet", "rules", "--cores", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    planned = {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", done.stdout, re.MULTILINE)}
    assert planned.pop("total") == sum(planned.values())
    assert planned.pop("all") == 1
    made_from_packages = [
        planned.pop(rule) for rule in ("package_text", "text_wheel", "retrieval_text", "understanding_text")
    ]
    assert made_from_packages == [13, 1, 1, 1]
    recipe = read_recipe(path)
    if changed is LESS:
        assert not planned.keys() & {"fill_mask", "pseudo_perplexity", "context_lengths"}
    counted = {rule: jobs for rule, jobs in count_jobs(recipe).items() if jobs}
    assert planned == counted | {"train": len(all_phases(recipe))}
