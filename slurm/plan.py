"""Tell what a recipe takes on a cluster before anything is submitted, and what cannot run there.

Reads the recipe, the profile, the description of its cluster and the metrics of what was trained before. It asks no
scheduler, and needs neither torch nor the data.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from corpus.files import UserError, run_command
from slurm.cluster import read_cluster
from slurm.cost import billing_unit
from slurm.phase_plan import Nodes, Speeds, Training, plan_phases
from slurm.plan_text import render
from slurm.profile import Profile
from slurm.stage_plan import StageJobs, plan_stages
from slurm.throughput import Measured, measure, parse_given
from workflow.recipe import read_recipe
from workflow.schema import Recipe, lineage


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
    unit: str
    """What phases are billed in; empty if that is not known."""
    phases: list[Training]
    stages: list[StageJobs]
    longest: tuple[str, float] | None
    """The run whose phases take longest, one after the other, and their hours."""
    refusals: list[str]
    """What cannot run, a sentence each."""


def make_plan(
    recipe: Recipe,
    profile: Profile,
    given: dict[str, float],
    directory: Path,
    partition: str | None = None,
    nodes: int | None = None,
) -> Plan:
    """Return what a recipe takes.

    Args:
        recipe: the recipe.
        profile: the profile, which names the cluster.
        given: run or model -> tokens a second of one device.
        directory: Snakemake's working directory, where earlier metrics are looked for.
        partition: phases run there, instead of where the profile says.
        nodes: nodes of a phase's jobs, instead of what the profile says.

    Raises:
        UserError: if the profile or the cluster's description cannot be read. What they cannot run is in `refusals`.
    """
    name = profile.text("train", "cluster", "local")
    cluster = read_cluster(name)
    given_nodes = Nodes(cluster, profile, partition, nodes)

    def measure_phase(run: str, phase: str) -> Measured | None:
        return measure(directory / "results" / "runs" / run / phase, name)

    phases = plan_phases(recipe, given_nodes, Speeds(recipe, given_nodes, given, measure_phase))
    stages, refusals = plan_stages(recipe, cluster, profile)
    node, request = given_nodes.node, given_nodes.request
    return Plan(
        title=recipe.title,
        cluster=name,
        partition=request.partition if node else "",
        nodes=request.nodes,
        processes_per_node=given_nodes.processes,
        minutes=given_nodes.minutes,
        device=(node and node.device) or "process",
        unit=billing_unit(cluster, request.partition),
        phases=phases,
        stages=stages,
        longest=_longest(recipe, phases),
        refusals=given_nodes.refusals() + refusals,
    )


def _longest(recipe: Recipe, phases: list[Training]) -> tuple[str, float] | None:
    hours = {(phase.run, phase.phase): phase.hours for phase in phases}
    known = {step: one for step, one in hours.items() if one is not None}
    if len(known) < len(hours):
        return None
    runs = {run: sum(known[step] for step in lineage(recipe, run)) for run in recipe.runs}
    return max(runs.items(), key=lambda pair: pair[1])


def main() -> None:
    """Read the command line, print the plan, and refuse what cannot run."""
    parser = argparse.ArgumentParser(
        prog="python -m slurm.plan",
        description="Tell what a recipe takes under a profile: steps, hours, jobs, billed hours, bytes and energy of "
        "each phase, and the most that the other stages may take. Submits nothing, and needs no Slurm, GPU or data. "
        "Exit status 1 if a partition cannot run what the profile asks of it.",
    )
    parser.add_argument("--profile", type=Path, required=True, help="Snakemake's profile, such as profiles/lumi")
    parser.add_argument("--configfile", type=Path, required=True, help="the recipe, such as config/finnish.yaml")
    parser.add_argument(
        "--tokens-per-second",
        nargs="+",
        default=[],
        metavar="NAME=N",
        help="what one device trains of a run or model at the row length that it begins with; other lengths follow by "
        "their operations. Comes before what was measured, and before the assumption made where nothing was",
    )
    parser.add_argument("--partition", help="partition of the phases, instead of the profile's")
    parser.add_argument("--nodes", type=int, help="nodes of a phase's jobs, instead of the profile's")
    parser.add_argument(
        "--directory",
        type=Path,
        default=Path(),
        help="Snakemake's working directory; metrics below its results/runs tell how fast devices are (default: here)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON; hours, bytes, kWh, null where not known")
    options = parser.parse_args()
    if options.nodes is not None and options.nodes < 1:
        raise UserError(f"--nodes {options.nodes}: a job needs at least one node.")
    recipe = read_recipe(options.configfile)
    profile = Profile(options.profile)
    given = parse_given(options.tokens_per_second, {*recipe.runs, *recipe.models})
    plan = make_plan(recipe, profile, given, options.directory, options.partition, options.nodes)
    if options.json:
        print(json.dumps(asdict(plan), indent=1, ensure_ascii=False))
    else:
        print(render(plan))
    if plan.refusals:
        raise UserError("this cannot run:\n" + "\n".join(f"  {sentence}" for sentence in plan.refusals))


if __name__ == "__main__":
    run_command(main)
