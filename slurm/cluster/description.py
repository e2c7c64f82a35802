"""Descriptions of clusters: `slurm/cluster/{name}.yaml` says what a job may ask for there, and what it needs to run.

docs/clusters.md says what each key is. The descriptions know nothing of a recipe, a project or a person. Values that
begin with `$` name environment variables of whoever submits; where the variable is not set, that value is left out.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from common.errors import UserError

_CLUSTERS = Path(__file__).parent


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Node(_Strict):
    """The shape of one kind of node: what jobs can use of it."""

    cores: int
    memory_gib: int
    devices: int = 0
    """GPUs as Slurm counts them; on LUMI a GPU is one GCD, half of an MI250X."""
    device: str = ""
    device_memory_gib: int = 0
    device_tflops: float = 0.0
    """Peak of dense bf16 matrix products on one device, in 10^12 floating-point operations a second."""
    watts: float = 0.0
    cpu_masks: list[str] = Field(default_factory=list)


class Billing(_Strict):
    """What an hour costs: `rate` times the most that any of cores, memory or devices takes in units; 0: free."""

    unit: str
    rate: float = 1.0
    cores: float = 0.0
    memory_gib: float = 0.0
    devices: float = 0.0
    price: float | None = None
    """Of one unit, in `currency`; none if nobody says."""
    currency: str = ""
    price_source: str = ""
    """Where the price comes from: an address, a contract."""


class Partition(_Strict):
    """Limits and prices of one partition; `node` and `billing` are names."""

    node: str
    whole_nodes: bool
    max_hours: float
    max_nodes: int
    max_jobs: int | None = None
    max_running: int | None = None
    billing: str


class Container(_Strict):
    """How a program runs inside an image; without one, if the image's variable is not set."""

    program: str
    image: str
    binds: list[str] = Field(default_factory=list)
    options: list[str] = Field(default_factory=list)


class Cluster(_Strict):
    """Where jobs run."""

    scheduler: Literal["local", "slurm"]
    account_required: bool = False
    nodes: dict[str, Node] = Field(default_factory=dict)
    partitions: dict[str, Partition] = Field(default_factory=dict)
    """Empty if only the scheduler itself knows its limits."""
    billing: dict[str, Billing] = Field(default_factory=dict)
    cores_per_process: int = 1
    container: Container | None = None
    environment: dict[str, str] = Field(default_factory=dict)
    setup: list[str] = Field(default_factory=list)
    poll_seconds: float = 30.0
    requeue_seconds: float = 300.0


def read_cluster(name: str) -> Cluster:
    """Read the description of the cluster `name`, or the file if it ends in .yaml.

    Raises `UserError` if there is none or it is wrong.
    """
    path = Path(name) if name.endswith(".yaml") else _CLUSTERS / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(other.stem for other in _CLUSTERS.glob("*.yaml")))
        raise UserError(f"there is no cluster {name!r}; choose one of {known}, or describe it in {path}.")
    try:
        cluster = Cluster.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except yaml.YAMLError as error:
        raise UserError(f"{path} is not YAML: {' '.join(str(error).split())}.") from None
    except ValidationError as error:
        found = (f"{'.'.join(map(str, one['loc'])) or 'the file'}: {one['msg']}" for one in error.errors())
        raise UserError(f"{path} does not describe a cluster ({'; '.join(found)}); see docs/clusters.md.") from None
    for partition, limits in cluster.partitions.items():
        if limits.node not in cluster.nodes:
            raise UserError(f"{path}: partition {partition} has node {limits.node!r}, but `nodes` has no such shape.")
        if limits.billing not in cluster.billing:
            raise UserError(
                f"{path}: partition {partition} has billing {limits.billing!r}, but `billing` has no such rule."
            )
    return cluster
