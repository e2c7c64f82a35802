"""The profiles: what they ask for can be had, and a dry run needs neither Slurm nor data nor an account."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from slurm.cluster import Partition, read_cluster
from workflow.dag import Dag
from workflow.recipe import read_recipe

ROOT = Path(__file__).parents[2]
PROFILES = {path.parent.name: path for path in sorted((ROOT / "profiles").glob("*/profile.yaml"))}
VALUES: dict[str, dict[str, Any]] = {name: yaml.safe_load(path.read_text()) for name, path in PROFILES.items()}
RULES = set(re.findall(r"^rule (\w+):", "".join(p.read_text() for p in (ROOT / "workflow/rules").glob("*.smk")), re.M))
LUMI = read_cluster("lumi")


@pytest.mark.parametrize(("profile", "recipe"), [("lumi", "finnish"), ("slurm", "demo"), ("local", "demo")])
def test_a_dry_run_plans_every_phase_without_slurm_data_or_account(tmp_path: Path, profile: str, recipe: str):
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("SBATCH", "ALASIN"))}
    programs = tmp_path / "programs"
    programs.mkdir()
    for program in ("bash", "sh", "env", "which"):
        (programs / program).symlink_to(str(shutil.which(program)))
    configuration = ROOT / "config" / f"{recipe}.yaml"
    command = [sys.executable, "-m", "snakemake", "--snakefile", ROOT / "Snakefile", "--directory", tmp_path / "work"]
    done = subprocess.run(
        [*command, "--dry-run", "--profile", PROFILES[profile].parent, "--configfile", configuration],
        env=environment | {"PATH": str(programs)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    dag = Dag(read_recipe(configuration))
    for owner, phase in {step for run in dag.recipe.runs for step in dag.way(run)}:
        assert f"Training {owner}, phase {phase}\n" in done.stdout


@pytest.mark.parametrize("profile", PROFILES)
def test_every_rule_that_a_profile_names_exists(profile: str):
    values = VALUES[profile]
    assert {*values.get("set-resources", {}), *values.get("set-threads", {})} <= RULES


@pytest.mark.parametrize("profile", PROFILES)
def test_nobody_is_named_in_a_profile(profile: str):
    text = PROFILES[profile].read_text()
    assert not re.search(r"project_\d", text)
    assert not re.search(r"""(^|[\s"'=])/(?!user-software)\w""", text), "an absolute path"


def lines_with_a_value(path: Path) -> list[tuple[int, str]]:
    """Lines that give a key its value; those that only open a block are left out."""
    lines = enumerate(path.read_text().splitlines())
    return [(number, line) for number, line in lines if re.match(r"\s*[\w-]+: *\S", line)]


def test_a_comment_stands_above_each_value_of_lumi():
    lines = PROFILES["lumi"].read_text().splitlines()
    bare = [
        line for number, line in lines_with_a_value(PROFILES["lumi"]) if not lines[number - 1].lstrip().startswith("#")
    ]
    assert not bare


def of_rule(rule: str, key: str, default: Any) -> Any:
    """What profiles/lumi gives a rule."""
    values = VALUES["lumi"]
    return values["set-resources"].get(rule, {}).get(key, values["default-resources"].get(key, default))


def partition_of(rule: str) -> Partition:
    """Where a rule's jobs go on LUMI."""
    return LUMI.partitions[of_rule(rule, "partition" if rule == "train" else "slurm_partition", None)]


@pytest.mark.parametrize("rule", sorted(RULES))
def test_each_job_fits_its_partition_of_lumi(rule: str):
    partition = partition_of(rule)
    node = LUMI.nodes[partition.node]
    assert 0 < of_rule(rule, "runtime", None) <= partition.max_hours * 60
    assert of_rule(rule, "nodes", 1) <= partition.max_nodes
    assert of_rule(rule, "mem_mb", 0) <= node.memory_gib * 1000
    if rule == "train":
        ranks = of_rule(rule, "processes_per_node", None)
        assert ranks == node.devices
        assert ranks * LUMI.cores_per_process <= node.cores
        return
    assert VALUES["lumi"]["set-threads"].get(rule, 1) <= node.cores
    assert not partition.whole_nodes, "a small job would pay for a whole node"


@pytest.mark.parametrize("rule", sorted(RULES - {"train"}))
def test_no_job_pays_for_memory_beyond_its_cores_but_the_tokenizers_and_those_of_one_process(rule: str):
    partition = partition_of(rule)
    billing = LUMI.billing[partition.billing]
    cores = VALUES["lumi"]["set-threads"].get(rule, 1)
    units = of_rule(rule, "mem_mb", 0) / 1000 / billing.memory_gib
    assert units <= max(8, cores / billing.cores)


def test_fewer_jobs_are_queued_than_lumi_takes():
    partitions = [partition_of(rule) for rule in RULES - {"train"} if of_rule(rule, "slurm_partition", "") == "small"]
    assert VALUES["lumi"]["jobs"] < min(partition.max_jobs for partition in partitions)


@pytest.mark.parametrize("profile", ["lumi", "slurm"])
def test_jobs_are_put_back_after_preemption_and_locks_do_not_outlive_snakemake(profile: str):
    values = VALUES[profile]
    assert values["slurm-requeue"] is True
    assert values["nolock"] is True
    assert values["rerun-triggers"] == VALUES["local"]["rerun-triggers"]


@pytest.mark.parametrize("profile", ["lumi", "slurm"])
def test_a_plan_can_read_every_number(profile: str):
    values = VALUES[profile]
    numbers = ("runtime", "mem_mb", "nodes", "processes_per_node", "micro_batch_tokens", "checkpoint_seconds")
    for resources in (values["default-resources"], *values["set-resources"].values()):
        assert all(isinstance(resources[key], int) for key in numbers if key in resources)
    assert all(isinstance(threads, int) for threads in values["set-threads"].values())
