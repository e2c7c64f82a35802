"""What a recipe has taken, beside what was planned: the phases, and all other rules."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from recipe.schema import Recipe
from slurm.cluster.cost import billed_per_hour, billing_unit, watts
from slurm.cluster.description import read_cluster
from workflow.cost.energy import measured_kwh
from workflow.cost.rules import RuleTook, rules_took
from workflow.cost.training import Took, phases_took
from workflow.plan.estimate import START_UP_MINUTES
from workflow.plan.phases import Nodes, plan_phases
from workflow.plan.profile import Profile
from workflow.plan.throughput import Speeds


@dataclass(frozen=True)
class PhaseCost:
    """What a phase took. None is what is not known."""

    run: str
    phase: str
    steps: int
    all_steps: int
    jobs: int
    """Runs of its jobs that have ended."""
    planned_hours: float | None
    """Of training, as a plan had it before anything was measured."""
    foretold_hours: float | None
    """Of training, by the speed of its first steps."""
    training_hours: float
    held_hours: float
    """For which nodes were held."""
    billed: float | None
    kilowatt_hours: float | None
    measured: bool
    """Whether the energy was measured; else it follows from the power of the nodes."""


@dataclass(frozen=True)
class Cost:
    """What a recipe has taken."""

    title: str
    unit: str
    """What phases are billed in; empty if that is not known."""
    phases: list[PhaseCost]
    rules: list[RuleTook]


def make_cost(recipe: Recipe, profile: Profile, directory: Path) -> Cost:
    """Return what a recipe has taken in Snakemake's working directory, on the cluster that the profile names.

    Raises:
        UserError: the profile, the cluster's description or the records of a phase's jobs cannot be read.
    """
    name = profile.text("train", "cluster", "local")
    # On this machine ranks are as many as fit, nothing is billed, and nobody knows the power of it.
    nodes = None if name == "local" else Nodes(read_cluster(name), profile, None, None)
    planned = _planned(recipe, nodes, name, directory) if nodes else {}
    took = phases_took(recipe, directory / "results" / "runs")
    energy = measured_kwh(job.job_id for one in took for job in one.jobs)
    return Cost(
        title=recipe.title,
        unit=billing_unit(nodes.cluster, nodes.request.partition) if nodes else "",
        phases=[_phase(one, planned.get((one.run, one.phase)), nodes, energy) for one in took],
        rules=rules_took(directory),
    )


def _planned(recipe: Recipe, nodes: Nodes, cluster: str, directory: Path) -> dict[tuple[str, str], float]:
    """Return (run, phase) -> hours of training as a plan has them where nothing is measured, if that is known."""
    unmeasured = Speeds(recipe, {}, directory / "nothing", cluster, nodes.node)
    return {
        (one.run, one.phase): one.hours - (one.jobs or 0) * START_UP_MINUTES / 60
        for one in plan_phases(recipe, nodes, unmeasured)
        if one.hours is not None
    }


def _phase(took: Took, planned: float | None, nodes: Nodes | None, energy: dict[str, float]) -> PhaseCost:
    job_ids = {job.job_id for job in took.jobs}
    measured = bool(job_ids) and job_ids <= energy.keys()
    billed = estimated = None
    if nodes and nodes.node:
        of_a_node = replace(nodes.request, nodes=1)
        billed = took.node_hours * billed_per_hour(nodes.cluster, of_a_node)
        estimated = took.node_hours * watts(nodes.cluster, of_a_node) / 1000 or None
    return PhaseCost(
        run=took.run,
        phase=took.phase,
        steps=took.steps,
        all_steps=took.all_steps,
        jobs=len(took.jobs),
        planned_hours=planned,
        foretold_hours=took.foretold_hours,
        training_hours=took.training_hours,
        held_hours=took.held_hours,
        billed=billed,
        kilowatt_hours=sum(energy[job_id] for job_id in job_ids) if measured else estimated,
        measured=measured,
    )
