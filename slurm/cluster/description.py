"""Descriptions of clusters: `slurm/cluster/{name}.yaml` says what a job may ask for there, and what it needs to run.

The descriptions know nothing of a recipe, a project or a person. Values that begin with `$` name environment variables
of whoever submits; where the variable is not set, that value is left out.
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
    """The shape of one kind of node."""

    cores: int
    """Cores that jobs can use."""
    memory_gib: int
    """Memory that jobs can use."""
    devices: int = 0
    """GPUs as Slurm counts them; on LUMI a GPU is one GCD, half of an MI250X."""
    device: str = ""
    """Name of such a device, for people."""
    device_memory_gib: int = 0
    device_tflops: float = 0.0
    """Peak of dense bf16 matrix products on one device, in 10^12 floating-point operations a second."""
    watts: float = 0.0
    """Power of the whole node under training's load; for estimates of energy."""
    cpu_masks: list[str] = Field(default_factory=list)
    """Hexadecimal masks of the cores nearest to each device, by local rank; only whole nodes can use them."""


class Billing(_Strict):
    """What an hour costs: `rate` for each of the most that any of cores, memory or devices takes in units."""

    unit: str
    """What is counted: GPU-hours, core-hours."""
    rate: float = 1.0
    cores: float = 0.0
    """Cores in a unit; 0 if cores do not count."""
    memory_gib: float = 0.0
    devices: float = 0.0


class Partition(_Strict):
    """Limits and prices of one partition."""

    node: str
    """Name of the shape of its nodes."""
    whole_nodes: bool
    """Whether jobs get nodes for themselves."""
    max_hours: float
    max_nodes: int
    """Nodes in one job."""
    max_jobs: int | None = None
    """Jobs that a user may have in it, waiting and running; none if that is not known."""
    max_running: int | None = None
    billing: str
    """Name of the billing rule."""


class Container(_Strict):
    """How a program runs inside an image."""

    program: str
    """Command up to its options: `singularity exec`."""
    image: str
    """Path of the image; with its variable unset, jobs run without a container."""
    binds: list[str] = Field(default_factory=list)
    options: list[str] = Field(default_factory=list)


class Cluster(_Strict):
    """Where jobs run."""

    scheduler: Literal["local", "slurm"]
    """What starts the processes of a job: `local` is this machine itself."""
    account_required: bool = False
    """Whether nothing runs there without SBATCH_ACCOUNT."""
    nodes: dict[str, Node] = Field(default_factory=dict)
    partitions: dict[str, Partition] = Field(default_factory=dict)
    """Empty if only the scheduler itself knows its limits."""
    billing: dict[str, Billing] = Field(default_factory=dict)
    cores_per_process: int = 1
    """Cores of one rank."""
    container: Container | None = None
    environment: dict[str, str] = Field(default_factory=dict)
    """Exported by the batch script, which expands variables of the job in them, such as $SLURM_JOB_ID."""
    setup: list[str] = Field(default_factory=list)
    """Lines of the batch script before anything runs, such as `module load`."""
    poll_seconds: float = 30.0
    """Time between questions to the scheduler about a job."""
    requeue_seconds: float = 300.0
    """How long Slurm may take to put a job whose node failed back into the queue."""


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
