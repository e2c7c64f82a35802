"""What the phases of a recipe take on the nodes that a profile gives them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from common.errors import UserError
from model.cost import padded_vocabulary, parameters, training_flops
from recipe.needs import trained_phases
from recipe.schema import Recipe
from recipe.slices.making import keeping_slice, phase_slice
from recipe.slices.types import KeepingSlice, PhaseSlice
from slurm.cluster.cost import Resources, billed_per_hour, broken_limits, node_of, training_request, watts
from slurm.cluster.description import Cluster
from slurm.node.local_ranks import local_ranks
from slurm.records.job import Job
from workflow.plan.estimate import (
    BYTES_PER_PARAMETER,
    START_UP_MINUTES,
    jobs_needed,
    saves,
    stage_work,
)
from workflow.plan.profile import Profile
from workflow.plan.throughput import Speed, Speeds

CHECKPOINT_SECONDS = 900
"""Between checkpoints, where a profile says nothing."""


@dataclass(frozen=True)
class Training:
    """A phase, planned. None is what cannot be known."""

    run: str
    phase: str
    slots: int
    """Of packed rows: rows x length."""
    steps: int
    gigaflops: float
    """10^9 floating-point operations of one token, the mean over the phase."""
    idle: float
    """Share of the ranks' time in which they wait, where the rows of a batch do not divide evenly."""
    kept_bytes: int
    """Most that its checkpoints take at once."""
    slots_per_second: float | None = None
    """Of one device, the mean over the phase."""
    how: str = ""
    """Whether that is given, measured or assumed."""
    source: str = ""
    hours: float | None = None
    """For which nodes are held: training, and the start of each job."""
    jobs: int | None = None
    billed: float | None = None
    written_bytes: int | None = None
    kilowatt_hours: float | None = None


class Nodes:
    """The nodes that a phase gets, and what they allow."""

    def __init__(
        self, cluster: Cluster, request: Resources, processes: int, minutes: float | None, checkpoint_seconds: int
    ) -> None:
        """Keep what a job asks for, with so many processes on each node and at most so many minutes."""
        self.cluster, self.request, self.processes, self.minutes = cluster, request, processes, minutes
        self.checkpoint_seconds = checkpoint_seconds
        self.ranks = request.nodes * processes
        self.node = node_of(cluster, request.partition)

    @classmethod
    def of_profile(cls, cluster: Cluster, profile: Profile, partition: str | None, nodes: int | None) -> Nodes:
        """Read the profile's resources of rule train; `partition` and `nodes` come before them."""
        minutes = profile.minutes("train")
        # 0 is as many as fit, which is found out where it trains; on this machine that is known.
        processes = profile.count("train", "processes_per_node", 1, least=0) or (
            local_ranks() if cluster.scheduler == "local" else 1
        )
        request = training_request(
            cluster,
            partition or profile.text("train", "partition", ""),
            nodes or profile.count("train", "nodes", 1),
            processes,
            minutes or 0.0,
            profile.count("train", "devices", 0, least=0),
            profile.count("train", "memory_gib", 0, least=0),
        )
        return cls(
            cluster, request, processes, minutes, profile.count("train", "checkpoint_seconds", CHECKPOINT_SECONDS)
        )

    @classmethod
    def of_job(cls, cluster: Cluster, job: Job) -> Nodes:
        """Return those of a job that is on record."""
        processes = max(1, job.processes // job.nodes)
        request = training_request(cluster, job.partition, job.nodes, processes, job.minutes)
        return cls(cluster, request, processes, job.minutes or None, CHECKPOINT_SECONDS)

    def impossible(self) -> list[str]:
        """Return what keeps a phase's job from running there, a sentence each."""
        broken = broken_limits(self.cluster, self.request)
        if self.minutes is not None:
            try:
                jobs_needed(0.0, self.minutes)
            except UserError as error:
                broken.append(str(error))
        elif self.cluster.partitions:
            broken.append("no runtime is given; set the minutes of a job in the profile.")
        return [f"train: {sentence}" for sentence in broken]


def plan_phases(recipe: Recipe, nodes: Nodes, speeds: Speeds) -> list[Training]:
    """Return every phase of every run, each once, planned."""
    possible = not nodes.impossible()
    planned = []
    for run, phase in trained_phases(recipe):
        content = phase_slice(recipe, run, phase)
        tokenizer = recipe.tokenizers[content.tokenizer]
        embeddings = padded_vocabulary(tokenizer)
        planned.append(_plan_phase(content, keeping_slice(recipe, run, phase), embeddings, nodes, speeds, possible))
    return planned


def _plan_phase(
    content: PhaseSlice, keeping: KeepingSlice, embeddings: int, nodes: Nodes, speeds: Speeds, possible: bool
) -> Training:
    """Return a phase, planned; without a walltime, or where no job is `possible`, nothing is known of jobs' starts."""
    slots = steps = busiest = 0
    operations = seconds = 0.0
    speed: Speed | None = None
    for stage in content.stages:

        def flops(length: int, masking_rate: float = stage.masking_rate) -> float:
            return training_flops(content.model, embeddings, length, masking_rate)

        work = stage_work(stage, nodes.ranks)
        slots, steps, busiest = slots + work.slots, steps + work.steps, busiest + work.slots_of_a_rank
        operations += work.slots * flops(stage.length)
        speed = speeds.speed(content.run, stage.length, flops)
        if speed:
            seconds += work.slots_of_a_rank * flops(stage.length) / speed.flops
    checkpoint, stages = BYTES_PER_PARAMETER * parameters(content.model, embeddings), len(content.stages)
    training = Training(
        run=content.run,
        phase=content.phase,
        slots=slots,
        steps=steps,
        gigaflops=operations / slots / 1e9,
        idle=1 - slots / (nodes.ranks * busiest),
        # The newest two, those at the ends of stages, and those that the recipe asks for.
        kept_bytes=(stages + 2 + len(keeping.at_tokens) + slots // (keeping.every_tokens or slots + 1)) * checkpoint,
    )
    if speed is None:
        return training
    hours = seconds / 3600
    jobs = jobs_needed(hours, nodes.minutes) if possible and nodes.minutes else None
    held, described = hours + (jobs or 0) * START_UP_MINUTES / 60, nodes.node is not None
    return replace(
        training,
        slots_per_second=busiest / seconds,
        how=speed.how,
        source=speed.source,
        hours=held,
        jobs=jobs,
        billed=held * billed_per_hour(nodes.cluster, nodes.request) if described else None,
        written_bytes=checkpoint * saves(hours, nodes.checkpoint_seconds, stages, jobs or 1),
        kilowatt_hours=held * watts(nodes.cluster, nodes.request) / 1000 if described else None,
    )
