"""Descriptions of clusters: those that come along, and the one that the documentation shows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from common.errors import UserError
from recipe.reading import read_recipe
from slurm.cluster.cost import billed_per_hour, broken_limits, training_request
from slurm.cluster.description import Billing, Cluster, Container, Node, Partition, read_cluster
from workflow.plan.profile import Profile
from workflow.plan.whole import Plan, make_plan

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "clusters.md").read_text(encoding="utf-8")
NAMES = sorted(path.stem for path in (ROOT / "slurm" / "cluster").glob("*.yaml"))


@pytest.fixture(name="leonardo")
def the_example_of_the_page(tmp_path: Path) -> Path:
    [block] = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    path = tmp_path / "leonardo.yaml"
    path.write_text(block, encoding="utf-8")
    return path


def edited(tmp_path: Path, **changes: object) -> str:
    content = yaml.safe_load((ROOT / "slurm" / "cluster" / "lumi.yaml").read_text(encoding="utf-8"))
    path = tmp_path / "edited.yaml"
    path.write_text(yaml.safe_dump(content | changes, sort_keys=False), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("name", NAMES)
def test_every_description_that_comes_along_can_be_read(name: str) -> None:
    cluster = read_cluster(name)
    assert cluster.scheduler == ("local" if name == "local" else "slurm")


def test_lumi_is_as_its_documentation_says() -> None:
    lumi = read_cluster("lumi")
    limits = {name: (part.max_hours, part.max_nodes, part.max_jobs) for name, part in lumi.partitions.items()}
    assert limits == {
        "standard-g": (48, 1024, 210),
        "small-g": (72, 4, 210),
        "dev-g": (3, 32, 2),
        "standard": (48, 512, 120),
        "small": (72, 4, 220),
        "debug": (0.5, 4, 2),
        "largemem": (24, 1, 30),
    }
    assert {name for name, part in lumi.partitions.items() if part.whole_nodes} == {"standard-g", "standard"}
    assert lumi.account_required


def test_lumis_masks_give_each_rank_cores_of_its_own_and_none_to_the_system() -> None:
    node = read_cluster("lumi").nodes["gpu"]
    masks = [int(mask, 16) for mask in node.cpu_masks]
    assert len(masks) == node.devices
    assert {mask.bit_count() for mask in masks} == {read_cluster("lumi").cores_per_process}
    assert sum(masks).bit_count() == node.cores == sum(mask.bit_count() for mask in masks)
    assert not any(mask >> core & 1 for mask in masks for core in range(0, 64, 8))


def test_an_unknown_cluster_gets_the_list_of_those_that_are_there() -> None:
    with pytest.raises(UserError, match=f"no cluster 'lumo'; choose one of {', '.join(NAMES)}"):
        read_cluster("lumo")


def test_what_is_no_description_is_told_with_its_path_and_key(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"edited\.yaml does not describe a cluster \(colour: [^\n]*\); see docs/clusters\.md\."
    ):
        read_cluster(edited(tmp_path, colour="blue"))
    with pytest.raises(UserError, match="partition standard-g has node 'gpu', but `nodes` has no such shape"):
        read_cluster(edited(tmp_path, nodes={}))
    with pytest.raises(UserError, match="has billing 'gpu', but `billing` has no such rule"):
        read_cluster(edited(tmp_path, billing={}))


def test_nothing_in_a_description_is_executed(tmp_path: Path) -> None:
    path, proof = tmp_path / "bad.yaml", tmp_path / "proof"
    path.write_text(f"scheduler: !!python/object/apply:os.mkdir ['{proof}']\n", encoding="utf-8")
    with pytest.raises(UserError, match="is not YAML: could not determine a constructor"):
        read_cluster(str(path))
    assert not proof.exists()


def test_the_page_explains_every_key_and_no_other() -> None:
    table = PAGE.partition("## Keys")[2].partition("\n## ")[0]
    cells = [row.split("|")[1] for row in table.splitlines() if row.startswith("| `")]
    explained: set[str] = set()
    for cell in cells:
        first, *others = re.findall(r"`([^`]+)`", cell)
        explained |= {first, *(f"{first.rpartition('.')[0]}.{other}".lstrip(".") for other in others)}
    parts: dict[str, type[BaseModel]] = {
        "nodes.*.": Node,
        "billing.*.": Billing,
        "partitions.*.": Partition,
        "container.": Container,
    }
    fields = {prefix + name for prefix, part in ({"": Cluster} | parts).items() for name in part.model_fields}
    # A part stands for itself by its fields, and the rate of a billing rule is explained with the rule.
    assert explained == fields - {"partitions.*.billing", "container", "billing.*.rate"} | {"partitions.*.billing"}


def plan_on(cluster: Path, tmp_path: Path, **train: object) -> Plan:
    profile = tmp_path / "profile.yaml"
    asked = {"cluster": str(cluster), "partition": "boost_usr_prod", "nodes": 16, "processes_per_node": 4}
    content = {
        "executor": "slurm",
        "jobs": 100,
        "default-resources": {"slurm_partition": "dcgp_usr_prod", "runtime": "2h", "mem_mb": 8000},
        "set-resources": {"train": asked | {"runtime": 1440} | train},
    }
    profile.write_text(yaml.safe_dump(content), encoding="utf-8")
    recipe = read_recipe(ROOT / "config" / "finnish.yaml")
    return make_plan(recipe, Profile(profile), {}, tmp_path)


def test_the_pages_example_bills_a_node_as_its_cores(leonardo: Path) -> None:
    cluster = read_cluster(str(leonardo))
    for processes, cores in ((1, 8), (4, 32)):
        asked = training_request(cluster, "boost_usr_prod", 1, processes, 60)
        assert broken_limits(cluster, asked) == []
        assert billed_per_hour(cluster, asked) == cores


def test_the_pages_example_can_be_planned_with(leonardo: Path, tmp_path: Path) -> None:
    plan = plan_on(leonardo, tmp_path)
    assert plan.impossible == []
    assert (plan.device, plan.unit) == ("A100", "core-hours")
    stable = next(phase for phase in plan.phases if (phase.run, phase.phase) == ("large", "stable-large"))
    assert stable.hours is not None
    assert stable.billed == pytest.approx(stable.hours * 16 * 32)
    assert stable.jobs is not None
    assert stable.jobs > 1


def test_what_the_partitions_of_the_pages_example_cannot_run_is_impossible(leonardo: Path, tmp_path: Path) -> None:
    plan = plan_on(leonardo, tmp_path, nodes=65, runtime="2d")
    assert [sentence.split(";")[0] for sentence in plan.impossible] == [
        "train: boost_usr_prod runs at most 1 d (1440 minutes) a job, but runtime is 2 d",
        "train: boost_usr_prod gives a job at most 64 nodes, but 65 are asked for",
    ]
