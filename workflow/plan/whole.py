"""Tell what a recipe takes on a cluster before anything is submitted, and what cannot run there.

Reads the recipe, the profile, the description of its cluster and the metrics of what was trained before. It asks no
scheduler, and needs neither torch nor the data.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from recipe.branches import branched_from
from recipe.schema import Recipe, lineage
from slurm.cluster.cost import billing_unit
from slurm.cluster.description import read_cluster
from workflow.plan.phases import Nodes, Training, plan_phases
from workflow.plan.profile import Profile
from workflow.plan.stage_hours import StageHours
from workflow.plan.stages import StageJobs, plan_stages
from workflow.plan.throughput import Speeds
from workflow.plan.totals import Price, Totals, make_totals


@dataclass(frozen=True)
class Plan:
    """What a recipe takes under a profile. None is what cannot be known."""

    title: str
    cluster: str
    partition: str
    """Of the phases' jobs; empty if the cluster's description has no such partition."""
    nodes: int
    processes_per_node: int
    minutes: float | None
    """Walltime of a phase's jobs."""
    device: str
    """What a rank computes on, for people."""
    submits: bool
    """Whether jobs wait in a queue, and run beside one another."""
    unit: str
    """What phases are billed in; empty if that is not known."""
    phases: list[Training]
    stages: list[StageJobs]
    longest: tuple[str, float] | None
    """The run whose phases take longest, one after the other, and their hours."""
    totals: Totals
    """Of all of it."""
    impossible: list[str]
    """What cannot run, a sentence each."""


def make_plan(
    recipe: Recipe,
    profile: Profile,
    given: dict[str, float],
    directory: Path,
    partition: str | None = None,
    nodes: int | None = None,
    prices: dict[str, Price] | None = None,
    now: datetime | None = None,
) -> Plan:
    """Return what a recipe takes on the cluster that the profile names.

    `given` are slots a second of one device, by run or model; `directory` is Snakemake's, where earlier metrics are
    looked for; `partition` and `nodes` of phases come before the profile's, and `prices`, by billing unit, before the
    cluster's; `now` is when it would begin. Raises `UserError` if the profile or the cluster's description cannot be
    read, or nothing is billed in a unit of `prices`. What cannot run is in `impossible`.
    """
    name = profile.text("train", "cluster", "local")
    cluster = read_cluster(name)
    given_nodes = Nodes.of_profile(cluster, profile, partition, nodes)
    speeds = Speeds(recipe, given, directory / "results" / "runs", name, given_nodes.node)
    phases = plan_phases(recipe, given_nodes, speeds)
    hours = StageHours(recipe, profile, directory)
    stages, impossible = plan_stages(recipe, cluster, profile, hours)
    longest = _longest(recipe, phases)
    node, request = given_nodes.node, given_nodes.request
    return Plan(
        title=recipe.title,
        cluster=name,
        partition=request.partition if node else "",
        nodes=request.nodes,
        processes_per_node=given_nodes.processes,
        minutes=given_nodes.minutes,
        device=(node and node.device) or "process",
        submits=profile.submits,
        unit=billing_unit(cluster, request.partition),
        phases=phases,
        stages=stages,
        longest=longest,
        totals=make_totals(
            recipe,
            given_nodes,
            phases,
            longest[1] if longest else None,
            stages,
            profile.submits,
            prices or {},
            hours.text_bytes(),
            now or datetime.now().astimezone(),
        ),
        impossible=given_nodes.impossible() + impossible,
    )


def _longest(recipe: Recipe, phases: list[Training]) -> tuple[str, float] | None:
    hours = {(phase.run, phase.phase): phase.hours for phase in phases if phase.hours is not None}
    if len(hours) < len(phases):
        return None
    runs = {
        run: sum(hours[branched_from(recipe, *step) or step] for step in lineage(recipe, run)) for run in recipe.runs
    }
    return max(runs.items(), key=lambda pair: pair[1])
