"""What a recipe has taken, beside what was planned: the phases, and all other rules."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from common.errors import UserError
from recipe.schema import Recipe
from slurm.cluster.cost import billed_per_hour, billing_unit, node_of, watts
from slurm.cluster.description import read_cluster
from slurm.records.history import Run
from workflow.cost.energy import Energy, Reading, measured_kwh, readings, told_kwh
from workflow.cost.meter import LOG
from workflow.cost.rules import RuleTook, rules_took
from workflow.cost.training import Took, phases_took
from workflow.plan.estimate import START_UP_MINUTES
from workflow.plan.phases import Nodes, plan_phases
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
    process_hours: float | None
    """The same times the processes of each job: GPU-hours where a process has a GPU."""
    unit: str
    """What it is billed in; empty if that is not known."""
    billed: float | None
    energy: Energy | None

    @property
    def deviation(self) -> float | None:
        """By what share training took longer than its first steps foretold; None before its last step."""
        return self._beyond(self.foretold_hours)

    @property
    def planned_deviation(self) -> float | None:
        """By what share it took longer than was planned before anything was measured."""
        return self._beyond(self.planned_hours)

    def _beyond(self, hours: float | None) -> float | None:
        return self.training_hours / hours - 1 if hours and self.steps >= self.all_steps else None


@dataclass(frozen=True)
class Cost:
    """What a recipe has taken."""

    title: str
    phases: list[PhaseCost]
    rules: list[RuleTook]


def make_cost(recipe: Recipe, directory: Path) -> Cost:
    """Return what a recipe has taken in Snakemake's working directory, by what is on record of its jobs there.

    Raises:
        UserError: the records of a phase's jobs cannot be read.
    """
    took = phases_took(recipe, directory / "results" / "runs")
    nodes = {(one.run, one.phase): _nodes(one) for one in took}
    # A local job's id is that of a process, which a Slurm on the same machine takes for a job of somebody else's.
    submitted = [one for one in took if (its := nodes[one.run, one.phase]) and its.cluster.scheduler == "slurm"]
    energy = measured_kwh(job.job_id for one in submitted for job in one.jobs)
    here = readings(directory / LOG)
    return Cost(
        title=recipe.title,
        phases=[_phase(recipe, one, nodes[one.run, one.phase], energy, here) for one in took],
        rules=rules_took(directory),
    )


def _nodes(took: Took) -> Nodes | None:
    """Return the nodes of a phase's last job; None if no job is on record, or its cluster is described nowhere."""
    try:
        return Nodes.of_job(read_cluster(took.job.cluster), took.job) if took.job else None
    except UserError:
        return None


def _planned(recipe: Recipe, took: Took, nodes: Nodes) -> float | None:
    """Return the hours of training as a plan has them where nothing is measured, if that is known."""
    assert took.job is not None
    unmeasured = Speeds(recipe, {}, Path("nowhere"), took.job.cluster, nodes.node)
    for one in plan_phases(recipe, nodes, unmeasured):
        if (one.run, one.phase) == (took.run, took.phase) and one.hours is not None:
            return one.hours - (one.jobs or 0) * START_UP_MINUTES / 60
    return None


def _phase(
    recipe: Recipe, took: Took, nodes: Nodes | None, measured: dict[str, float], here: list[Reading]
) -> PhaseCost:
    described = nodes is not None and nodes.node is not None
    return PhaseCost(
        run=took.run,
        phase=took.phase,
        steps=took.steps,
        all_steps=took.all_steps,
        jobs=len(took.jobs),
        planned_hours=_planned(recipe, took, nodes) if nodes and described else None,
        foretold_hours=took.foretold_hours,
        training_hours=took.training_hours,
        held_hours=took.held_hours,
        process_hours=sum(_hours(run) * run.nodes * nodes.processes for run in took.jobs) if nodes else None,
        unit=billing_unit(nodes.cluster, nodes.request.partition) if nodes else "",
        billed=sum(_hours(run) * _of_run(nodes, run)[0] for run in took.jobs) if nodes and described else None,
        energy=_energy(took, nodes, measured, here) if nodes and took.jobs else None,
    )


def _hours(run: Run) -> float:
    return (run.ended - run.started) / 3600


def _of_run(nodes: Nodes, run: Run) -> tuple[float, float]:
    """Return what an hour of a run was billed, and the watts of its nodes."""
    request = replace(nodes.request, partition=run.partition or nodes.request.partition, nodes=run.nodes)
    return billed_per_hour(nodes.cluster, request), watts(nodes.cluster, request)


def _energy(took: Took, nodes: Nodes, measured: dict[str, float], here: list[Reading]) -> Energy | None:
    if nodes.cluster.scheduler == "local":
        told = [told_kwh(here, run.started, run.ended) for run in took.jobs]
        known = [one for one in told if one]
        return Energy(sum(kwh for kwh, _ in known), "codecarbon", known[0][1]) if len(known) == len(told) else None
    job_ids = {run.job_id for run in took.jobs}
    if job_ids <= measured.keys():
        return Energy(sum(measured[job_id] for job_id in job_ids), "slurm", "Slurm's accounting")
    estimated = sum(_hours(run) * _of_run(nodes, run)[1] for run in took.jobs) / 1000
    node = node_of(nodes.cluster, nodes.request.partition)
    if not estimated or node is None or took.job is None:
        return None
    return Energy(estimated, "power", f"{node.watts:g} W a node, as the description of {took.job.cluster} says")
