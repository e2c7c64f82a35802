"""The profiles: what they ask for can be had, and a dry run needs neither Slurm nor data nor an account."""

import math
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from recipe.reading import read_recipe
from slurm.cluster.description import Partition, read_cluster
from workflow.dag import Dag

ROOT = Path(__file__).parents[2]
PROFILES = {path.parent.name: path for path in sorted((ROOT / "profiles").glob("*/profile.yaml"))}
VALUES: dict[str, dict[str, Any]] = {name: yaml.safe_load(path.read_text()) for name, path in PROFILES.items()}
RULES = set(re.findall(r"^rule (\w+):", "".join(p.read_text() for p in (ROOT / "workflow/rules").glob("*.smk")), re.M))
LUMI = read_cluster("lumi")


@pytest.mark.parametrize(
    ("profiles", "recipe"),
    [(["lumi"], "finnish"), (["lumi", "lumi-trial"], "demo"), (["slurm"], "demo"), (["local"], "demo")],
)
def test_a_dry_run_plans_every_phase_without_slurm_data_or_account(tmp_path: Path, profiles: list[str], recipe: str):
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("SBATCH", "ALASIN"))}
    programs = tmp_path / "programs"
    programs.mkdir()
    for program in ("bash", "sh", "env", "which"):
        (programs / program).symlink_to(str(shutil.which(program)))
    configuration = ROOT / "config" / f"{recipe}.yaml"
    options = zip(("--profile", "--workflow-profile"), profiles, strict=False)
    chosen = [word for option, profile in options for word in (option, PROFILES[profile].parent)]
    command = [sys.executable, "-m", "snakemake", "--snakefile", ROOT / "Snakefile", "--directory", tmp_path / "work"]
    done = subprocess.run(
        [*command, "--dry-run", "--configfile", configuration, *chosen],
        env=environment | {"PATH": str(programs)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    dag = Dag(read_recipe(configuration))
    for owner, phase in {step for run in dag.recipe.runs for step in dag.way(run)}:
        assert f"Training {owner}, phase {phase}\n" in done.stdout


def test_a_partition_may_have_the_name_of_a_function_and_a_second_try_gets_twice_the_time(tmp_path: Path):
    (tmp_path / "Snakefile").write_text(
        f"import sys\nsys.path.insert(0, {str(ROOT)!r})\nfrom workflow.resources import read_as_meant\n"
        "read_as_meant(workflow.resource_settings)\n"
        "rule one:\n    output: 'one'\n    resources: partition=''\n"
        "    shell: 'echo {resources.partition} {resources.slurm_partition} {resources.runtime} >> tries; false'\n"
    )
    (tmp_path / "profile.yaml").write_text(
        "cores: 1\nretries: 1\ndefault-resources: {slurm_partition: max, runtime: 30}\n"
        "set-resources: {one: {partition: all}}\n"
    )
    command = [sys.executable, "-m", "snakemake", "--directory", tmp_path, "--snakefile", tmp_path / "Snakefile"]
    subprocess.run([*command, "--profile", tmp_path], capture_output=True, check=False)
    assert (tmp_path / "tries").read_text() == "all max 30\nall max 60\n"


@pytest.mark.parametrize("profile", PROFILES)
def test_every_rule_that_a_profile_names_exists(profile: str):
    values = VALUES[profile]
    assert {*values.get("set-resources", {}), *values.get("set-threads", {})} <= RULES


@pytest.mark.parametrize("profile", PROFILES)
def test_nobody_is_named_in_a_profile(profile: str):
    text = PROFILES[profile].read_text()
    assert not re.search(r"project_\d", text)
    assert not re.search(r"""(^|[\s"'=])/(?!user-(?:software|euroeval))\w""", text), "an absolute path"


def lines_with_a_value(path: Path) -> list[tuple[int, str]]:
    """Lines that give a key its value; those that only open a block are left out."""
    lines = enumerate(path.read_text().splitlines())
    return [(number, line) for number, line in lines if re.match(r"\s*[\w-]+: *\S", line)]


@pytest.mark.parametrize("profile", ["lumi", "lumi-trial"])
def test_a_comment_stands_above_each_value_for_lumi(profile: str):
    lines = PROFILES[profile].read_text().splitlines()
    given = lines_with_a_value(PROFILES[profile])
    assert not [line for number, line in given if not lines[number - 1].lstrip().startswith("#")]


def of_rule(profile: str, rule: str, key: str, default: Any) -> Any:
    """What a profile gives a rule."""
    values = VALUES[profile]
    return values["set-resources"].get(rule, {}).get(key, values["default-resources"].get(key, default))


def cores_of(profile: str, rule: str) -> int:
    """How many cores a profile gives a rule."""
    return int(VALUES[profile]["set-threads"].get(rule, 1))


def partition_of(profile: str, rule: str) -> Partition:
    """Where a rule's jobs go on LUMI."""
    return LUMI.partitions[of_rule(profile, rule, "partition" if rule == "train" else "slurm_partition", None)]


@pytest.mark.parametrize("profile", ["lumi", "lumi-trial"])
def test_phases_fit_their_partition_of_lumi_and_have_a_rank_for_each_device(profile: str):
    partition = partition_of(profile, "train")
    node = LUMI.nodes[partition.node]
    assert 0 < of_rule(profile, "train", "runtime", None) <= partition.max_hours * 60
    assert of_rule(profile, "train", "nodes", None) <= partition.max_nodes
    ranks = of_rule(profile, "train", "processes_per_node", None)
    assert ranks == node.devices
    assert ranks * LUMI.cores_per_process <= node.cores


@pytest.mark.parametrize("profile", ["lumi", "lumi-trial"])
@pytest.mark.parametrize("rule", sorted(RULES - {"train"}))
def test_jobs_of_other_stages_fit_their_partition_of_lumi_and_share_its_nodes(profile: str, rule: str):
    partition = partition_of(profile, rule)
    node = LUMI.nodes[partition.node]
    assert 0 < of_rule(profile, rule, "runtime", None) <= partition.max_hours * 60
    assert of_rule(profile, rule, "mem_mb", None) <= node.memory_gib * 1000
    assert cores_of(profile, rule) <= node.cores
    assert not partition.whole_nodes


@pytest.mark.parametrize("rule", ["sample", "words", "shards", "masked_language_modelling"])
def test_the_large_jobs_pay_for_no_memory_beyond_what_comes_with_their_cores(rule: str):
    billing = LUMI.billing[partition_of("lumi", rule).billing]
    memory = of_rule("lumi", rule, "mem_mb", None) / 1000 / billing.memory_gib
    assert math.ceil(memory) <= math.ceil(cores_of("lumi", rule) / billing.cores)


def test_no_more_jobs_are_queued_than_lumi_takes():
    partitions = {of_rule("lumi", rule, "slurm_partition", None) for rule in RULES - {"train"}}
    assert VALUES["lumi"]["jobs"] < min(LUMI.partitions[name].max_jobs for name in partitions)
    assert VALUES["lumi-trial"]["local-cores"] <= LUMI.partitions["dev-g"].max_jobs


@pytest.mark.parametrize("profile", ["lumi", "slurm"])
def test_jobs_are_put_back_after_preemption_and_locks_do_not_outlive_snakemake(profile: str):
    values = VALUES[profile]
    assert values["slurm-requeue"] is True
    assert values["nolock"] is True
    assert values["rerun-triggers"] == VALUES["local"]["rerun-triggers"]


@pytest.mark.parametrize("profile", ["lumi", "lumi-trial", "slurm"])
def test_a_plan_can_read_every_number(profile: str):
    values = VALUES[profile]
    numbers = ("runtime", "mem_mb", "nodes", "processes_per_node", "micro_batch_slots", "checkpoint_seconds")
    for resources in (values["default-resources"], *values["set-resources"].values()):
        assert all(isinstance(resources[key], int) for key in numbers if key in resources)
    assert all(isinstance(threads, int) for threads in values["set-threads"].values())
