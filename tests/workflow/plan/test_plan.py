"""The plan of a recipe under a profile."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from recipe.reading import load_recipe, read_recipe
from recipe.schema import lineage
from tests.workflow.plan.test_throughput import trained
from workflow.plan.phases import Training
from workflow.plan.profile import Profile
from workflow.plan.stages import count_jobs
from workflow.plan.text import render
from workflow.plan.whole import Plan, make_plan

ROOT = Path(__file__).parents[3]
FINNISH = read_recipe(ROOT / "config" / "finnish.yaml")
DEMO = read_recipe(ROOT / "config" / "demo.yaml")
LUMI = {
    "executor": "slurm",
    "jobs": 200,
    "default-resources": {"slurm_partition": "small", "runtime": 60, "mem_mb": 4000},
    "set-threads": {"sample": 32, "shards": 16},
    "set-resources": {
        "tokenizer": {"slurm_partition": "largemem", "runtime": "1d", "mem_mb": 800_000},
        "masked_language_modelling": {"slurm_partition": "small-g", "slurm_extra": "--gpus-per-node=1"},
        "train": {
            "cluster": "lumi",
            "partition": "standard-g",
            "nodes": 8,
            "processes_per_node": 8,
            "runtime": "48h",
            "checkpoint_seconds": 1800,
        },
    },
}
"""Not profiles/lumi itself, whose values may change."""


def plan(folder: Path, recipe=DEMO, given=None, top=None, train=None, stages=None, **options) -> Plan:
    """Plan under `LUMI`, changed at the top, for training, or for the other rules."""
    resources = LUMI["set-resources"] | (stages or {})
    resources["train"] = LUMI["set-resources"]["train"] | (train or {})
    path = folder / "profile.yaml"
    path.write_text(yaml.safe_dump(LUMI | {"set-resources": resources} | (top or {})), encoding="utf-8")
    return make_plan(recipe, Profile(path), given or {}, folder, **options)


def phase(made: Plan, run: str, name: str) -> Training:
    return next(one for one in made.phases if (one.run, one.phase) == (run, name))


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "workflow.plan", *map(str, arguments)]
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_phase_that_runs_share_is_planned_once(tmp_path: Path) -> None:
    planned = [(one.run, one.phase) for one in plan(tmp_path, FINNISH).phases]
    assert len(planned) == len(set(planned)) == 24
    assert set(planned) == {step for run in FINNISH.runs for step in lineage(FINNISH, run)}


def test_a_phase_costs_what_its_operations_and_the_cluster_say(tmp_path: Path) -> None:
    stable = phase(plan(tmp_path, FINNISH), "large", "stable-large")
    # 20 % of 191.5 TFLOP/s over 2.318 GFLOP a token; the batch warms up in steps of whole rows a rank, or nearly.
    assert stable.slots_per_second == pytest.approx(0.2 * 191.5e12 / 2.31764e9, rel=1e-4)
    assert stable.how == "assumed"
    assert stable.hours is not None
    assert stable.hours == pytest.approx(350e9 / (64 * stable.slots_per_second) / 3600, rel=0.01)
    assert stable.billed == pytest.approx(stable.hours * 8 * 4)
    assert stable.kilowatt_hours == pytest.approx(stable.hours * 8 * 2.5)
    assert stable.jobs == 2
    parameters = 395_831_000
    assert stable.kept_bytes == pytest.approx(3 * 12 * parameters, rel=0.02)
    assert stable.written_bytes == pytest.approx((stable.hours * 2 + 1) * 12 * parameters, rel=0.02)


def test_totals_of_the_finnish_recipe_are_those_of_its_phases(tmp_path: Path) -> None:
    made = plan(tmp_path, FINNISH)
    assert made.impossible == []
    assert sum(one.slots for one in made.phases) == pytest.approx(6 * (350e9 + 40e9 + 2 * 10e9), rel=1e-3)
    total = sum(one.billed or 0 for one in made.phases)
    row = next(line for line in render(made).splitlines() if line.startswith("all "))
    assert f"{total:,.0f}" in row.split()


def test_the_longest_run_counts_the_phases_before_it_branched_off(tmp_path: Path) -> None:
    content = yaml.safe_load((ROOT / "config" / "demo.yaml").read_text(encoding="utf-8"))
    content["phases"]["annealing-fi"]["stages"][0]["tokens"] = 300_000
    recipe = load_recipe(content, "demo")
    made = plan(tmp_path, recipe)
    assert made.longest is not None
    run, hours = made.longest
    assert run == "small-fi"
    way = [("small", "stable"), ("small", "extension"), ("small-fi", "annealing-fi")]
    assert hours == pytest.approx(sum(phase(made, *step).hours or 0.0 for step in way))


def test_the_table_fits_100_columns(tmp_path: Path) -> None:
    for recipe, train in ((FINNISH, {"nodes": 512}), (DEMO, {"cluster": "generic"}), (DEMO, {"cluster": "local"})):
        assert max(map(len, render(plan(tmp_path, recipe, train=train)).splitlines())) <= 100


def test_a_given_speed_counts_at_the_first_length_and_falls_with_operations(tmp_path: Path) -> None:
    made = plan(tmp_path, FINNISH, given={"large": 14_000.0})
    stable, annealing = phase(made, "large", "stable-large"), phase(made, "large", "annealing-large")
    assert (stable.how, annealing.how) == ("given", "given")
    assert stable.slots_per_second == pytest.approx(14_000)
    assert annealing.slots_per_second == pytest.approx(14_000 * 2.31764 / 3.19844, rel=1e-4)
    # Another run of the same model learns of it, another model does not.
    assert phase(made, "large-edu", "annealing-edu-large").how == "given"
    assert phase(made, "large-short", "stable-large").how == "assumed"


def test_a_measured_speed_comes_before_the_assumption_and_after_the_given_one(tmp_path: Path) -> None:
    trained(tmp_path / "results/runs/tiny/stable-tiny", [(3072, 1024, 1.0)] * 5, ranks=64)
    made = plan(tmp_path, FINNISH)
    stable, annealing = phase(made, "tiny", "stable-tiny"), phase(made, "tiny-edu", "annealing-edu-tiny")
    assert (stable.how, stable.slots_per_second) == ("measured", pytest.approx(48 * 1024))
    assert (annealing.how, annealing.slots_per_second) == (
        "measured",
        pytest.approx(48 * 1024 * 0.24287 / 0.37499, 1e-3),
    )
    assert phase(made, "base", "stable-base").how == "assumed"
    assert phase(plan(tmp_path, FINNISH, given={"tiny": 9.0}), "tiny", "stable-tiny").how == "given"


def test_ranks_that_wait_since_rows_do_not_divide_cost_hours(tmp_path: Path) -> None:
    even = phase(plan(tmp_path, FINNISH, nodes=1), "large", "annealing-large")
    uneven = phase(plan(tmp_path, FINNISH, nodes=8), "large", "annealing-large")
    # 296 rows of 8192: 37 for each of 8 ranks, but four or five for each of 64.
    assert even.idle == pytest.approx(0, abs=0.001)
    assert uneven.idle == pytest.approx(1 - 296 / (5 * 64), abs=0.001)
    assert "Ranks wait for one another" in render(plan(tmp_path, FINNISH, nodes=8))


def test_options_come_before_the_profile(tmp_path: Path) -> None:
    made = plan(tmp_path, train={"runtime": "3h"}, partition="dev-g", nodes=2)
    assert (made.partition, made.nodes, made.impossible) == ("dev-g", 2, [])


def test_every_limit_that_is_broken_is_told(tmp_path: Path) -> None:
    made = plan(
        tmp_path,
        FINNISH,
        top={"jobs": 250},
        train={"nodes": 2000, "runtime": "3d", "processes_per_node": 16},
        stages={"shards": {"runtime": "4d"}, "sample": {"slurm_partition": "big"}, "export": {"mem_mb": 300_000}},
    )
    told = "\n".join(made.impossible)
    for sentence in (
        "train: standard-g runs at most 2 d (2880 minutes) a job, but runtime is 3 d",
        "train: standard-g gives a job at most 1024 nodes, but 2000 are asked for",
        "train: standard-g has 8 MI250X GCDs on a node, but 16 are asked for",
        "shards: small runs at most 3 d (4320 minutes) a job, but runtime is 4 d",
        "sample: there is no partition 'big'; choose one of standard-g, small-g",
        "export: small has 224 GiB (229376 MB) of memory on a node, but mem_mb is 300000",
        "small takes at most 220 jobs of a user, but 250 would be in it at once; set `jobs` in the profile to 220",
    ):
        assert sentence in told
    assert phase(made, "large", "stable-large").jobs is None


def test_jobs_at_once_may_be_more_than_a_partition_takes_if_there_are_fewer_stages(tmp_path: Path) -> None:
    # 200 at once, of which largemem with its 30 gets the four tokenizers at most.
    assert plan(tmp_path).impossible == []


def test_a_phase_without_runtime_or_with_too_short_a_one_is_impossible(tmp_path: Path) -> None:
    [short] = plan(tmp_path, train={"runtime": 15}).impossible
    assert "train: a runtime of 15 min leaves no time to train" in short
    bare = {"slurm_partition": "small", "mem_mb": 4000}
    made = plan(tmp_path, top={"default-resources": bare}, train={"runtime": None})
    assert "train: no runtime is given; set the minutes of a job in the profile." in made.impossible


@pytest.mark.parametrize("cluster", ["generic", "local"])
def test_without_a_description_what_the_recipe_says_is_told(tmp_path: Path, cluster: str) -> None:
    made = plan(tmp_path, FINNISH, train={"cluster": cluster})
    stable = phase(made, "large", "stable-large")
    assert (made.impossible, made.partition, made.unit) == ([], "", "")
    assert (stable.slots, stable.steps) == (phase(plan(tmp_path, FINNISH), "large", "stable-large").slots, 117_972)
    assert stable.gigaflops == pytest.approx(2.318, abs=0.001)
    assert (stable.hours, stable.billed, stable.kilowatt_hours, made.longest) == (None, None, None, None)
    text = render(made)
    assert "Hours follow from a speed: give --tokens-per-second" in text
    assert "need the partition in the description of" in text
    assert "GPU-hours" not in text


def test_without_a_description_a_given_speed_gives_hours_and_jobs(tmp_path: Path) -> None:
    stable = phase(
        plan(tmp_path, FINNISH, given={"large": 14_000.0}, train={"cluster": "generic"}), "large", "stable-large"
    )
    assert stable.hours is not None
    assert (stable.jobs, stable.billed) == (3, None)


def test_every_rule_is_planned() -> None:
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "workflow" / "rules").glob("*.smk")]
    rules = {name for text in texts for name in re.findall(r"^rule (\w+):", text, re.MULTILINE)}
    assert rules == {
        *count_jobs(DEMO),
        "train",
        "package_text",
        "text_wheel",
        "retrieval_text",
        "understanding_text",
        "hub_files",
        "euroeval_environment",
    }


def test_the_command_plans_what_comes_along_without_torch_or_snakemake() -> None:
    ended = command("--profile", "profiles/lumi", "--configfile", "config/finnish.yaml", "--json")
    assert (ended.returncode, ended.stderr) == (0, "")
    made = json.loads(ended.stdout)
    assert (made["cluster"], made["unit"], len(made["phases"])) == ("lumi", "GPU-hours", 24)
    assert all(one["hours"] > 0 for one in made["phases"])
    heavy = "import workflow.plan, sys; print({'torch', 'snakemake', 'numpy', 'submitit'} & set(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", heavy], cwd=ROOT, capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "set()"


def test_the_command_prints_the_plan_and_fails_if_some_of_it_cannot_run() -> None:
    ended = command("--profile", "profiles/lumi", "--configfile", "config/finnish.yaml", "--partition", "dev-g")
    assert ended.returncode == 1
    assert "stable-large" in ended.stdout
    assert ended.stderr.startswith("error: this cannot run:\n  train: dev-g runs at most 3 h")
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--profile", "profiles/nowhere"], "profiles/nowhere is no profile"),
        (["--price", "GPU-hours=cheap"], 'give unit, amount and currency, as in --price "GPU-hours=0.50 EUR"'),
        (["--price", "GPU-hours=1 EUR"], "nothing is billed in that here, but in nothing"),
        (["--nodes", "0"], "--nodes 0: a job needs at least one node"),
        (["--tokens-per-second", "huge=3"], "the recipe has no run or model 'huge'"),
        (["--configfile", "config/nothing.yaml"], "config/nothing.yaml does not exist"),
    ],
)
def test_a_mistake_on_the_command_line_is_one_sentence(arguments: list[str], sentence: str) -> None:
    ended = command("--profile", "profiles/local", "--configfile", "config/demo.yaml", *arguments)
    assert ended.returncode == 1
    assert sentence in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
