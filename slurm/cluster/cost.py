"""What a partition allows and what it charges, by the description of its cluster.

A cluster that describes no partitions allows everything here and charges nothing: only its own scheduler knows.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from common.quantities import duration
from slurm.cluster.description import Cluster, Node

_MIB_IN_GIB = 1024


@dataclass(frozen=True)
class Resources:
    """What one job asks for; cores, memory and devices are of each node."""

    partition: str
    nodes: int
    cores: int
    minutes: float
    memory_mb: int = 0
    """MiB, as Slurm counts `--mem`; 0 if nothing is said about memory."""
    devices: int = 0


def training_request(
    cluster: Cluster,
    partition: str,
    nodes: int,
    processes_per_node: int,
    minutes: float,
    devices: int = 0,
    memory_gib: int = 0,
) -> Resources:
    """Return what a phase's job asks for, of each node.

    Where `devices` is 0, that is a device for each process if the cluster has any. Where `memory_gib` is 0, it is all
    of a whole node, of others what comes with the devices, or with the cores where there are none; nothing is asked
    for where the partition is not described.
    """
    has_devices = any(node.devices for node in cluster.nodes.values())
    cores = processes_per_node * cluster.cores_per_process
    node, memory_mb = node_of(cluster, partition), memory_gib * _MIB_IN_GIB
    if node and not memory_mb:
        share, of = (processes_per_node, node.devices) if node.devices else (cores, node.cores)
        part = 1.0 if cluster.partitions[partition].whole_nodes else min(1.0, share / of)
        memory_mb = max(1, int(node.memory_gib * part)) * _MIB_IN_GIB
    return Resources(partition, nodes, cores, minutes, memory_mb, devices or has_devices * processes_per_node)


def broken_limits(cluster: Cluster, request: Resources) -> list[str]:
    """Return a sentence for each limit that the request breaks: the limit, what is asked for, what to do."""
    if not cluster.partitions:
        return []
    if request.partition not in cluster.partitions:
        what = f"there is no partition {request.partition!r}" if request.partition else "no partition is given"
        return [f"{what}; choose one of {', '.join(cluster.partitions)}."]
    others = [
        name
        for name, limits in cluster.partitions.items()
        # Work without GPUs could run where there are some, but should not take their nodes.
        if bool(cluster.nodes[limits.node].devices) == bool(request.devices) and not _broken(cluster, request, name)
    ]
    instead = f", or choose {' or '.join(others)}" if others else ""
    return [f"{sentence}{instead}." for sentence in _broken(cluster, request, request.partition)]


def billed_per_hour(cluster: Cluster, request: Resources) -> float:
    """Return what an hour of the job costs, in units of its partition's billing rule; 0 if no partition is described.

    Partitions of whole nodes charge for all that a node has. The rule has the form of LUMI's
    (https://docs.lumi-supercomputer.eu/runjobs/lumi_env/billing/): the largest of the shares of cores, memory and
    devices, each rounded up to whole ones.
    """
    if (limits := cluster.partitions.get(request.partition)) is None:
        return 0.0
    rule, node = cluster.billing[limits.billing], cluster.nodes[limits.node]
    taken: tuple[tuple[float, float], ...] = (
        (request.cores, rule.cores),
        (request.memory_mb / _MIB_IN_GIB, rule.memory_gib),
        (request.devices, rule.devices),
    )
    if limits.whole_nodes:
        taken = ((node.cores, rule.cores), (node.memory_gib, rule.memory_gib), (node.devices, rule.devices))
    return rule.rate * request.nodes * max((ceil(amount / unit) for amount, unit in taken if unit), default=0)


def billing_unit(cluster: Cluster, partition: str) -> str:
    """Return what the partition counts, such as GPU-hours; empty if it is not described."""
    limits = cluster.partitions.get(partition)
    return cluster.billing[limits.billing].unit if limits else ""


def node_of(cluster: Cluster, partition: str) -> Node | None:
    """Return the shape of the partition's nodes; None if it is not described."""
    limits = cluster.partitions.get(partition)
    return cluster.nodes[limits.node] if limits else None


def watts(cluster: Cluster, request: Resources) -> float:
    """Return the power of the job's nodes, or of its share of their devices; 0 if it is not described."""
    if (node := node_of(cluster, request.partition)) is None:
        return 0.0
    whole = cluster.partitions[request.partition].whole_nodes or not node.devices
    return node.watts * request.nodes * (1.0 if whole else request.devices / node.devices)


def _broken(cluster: Cluster, request: Resources, name: str) -> list[str]:
    """Return the limits of partition `name` that the request breaks, each a sentence without its end."""
    limits = cluster.partitions[name]
    node = cluster.nodes[limits.node]
    most_minutes = limits.max_hours * 60
    memory_mb = node.memory_gib * _MIB_IN_GIB
    checks = [
        (
            request.minutes > most_minutes,
            f"runs at most {duration(60 * most_minutes)} ({most_minutes:g} minutes) a job, but runtime is "
            f"{duration(60 * request.minutes)}; set a smaller runtime in the profile",
        ),
        (
            request.nodes > limits.max_nodes,
            f"gives a job at most {_count(limits.max_nodes, 'node')}, but {request.nodes} are asked for; "
            "set fewer nodes in the profile",
        ),
        (
            request.devices > node.devices,
            f"has {_count(node.devices, node.device or 'GPU')} on a node, but {request.devices} are asked for, one for "
            "each process; set fewer processes_per_node in the profile",
        ),
        (
            request.cores > node.cores,
            f"has {_count(node.cores, 'core')} on a node, but {request.cores} are asked for; "
            "set fewer processes or cores in the profile",
        ),
        (
            request.memory_mb > memory_mb,
            f"has {node.memory_gib} GiB ({memory_mb} MB) of memory on a node, but mem_mb is {request.memory_mb}; "
            "set less in the profile",
        ),
    ]
    return [f"{name} {sentence}" for broken, sentence in checks if broken]


def _count(number: int, what: str) -> str:
    """Return a number of things: no GPUs, 1 core, 8 nodes."""
    return f"no {what}s" if number == 0 else f"{number} {what}{'' if number == 1 else 's'}"
