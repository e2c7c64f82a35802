"""What the phases of a recipe take on the nodes that a profile gives them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import ceil

from common.errors import UserError
from recipe.needs import all_phases
from recipe.schema import Recipe, ancestry, lineage
from recipe.slices.making import phase_slice
from recipe.slices.types import PhaseSlice
from slurm.cluster.cost import Resources, billed_per_hour, broken_limits, node_of, training_request, watts
from slurm.cluster.description import Cluster
from slurm.cluster.profile import Profile
from slurm.plan.estimate import (
    ASSUMED_UTILISATION,
    checkpoint_bytes,
    jobs_needed,
    kept,
    occupied_hours,
    parameters,
    saves,
    stage_work,
    training_flops,
)
from slurm.plan.throughput import Measured, Speed, nearest

MeasurePhase = Callable[[str, str], Measured | None]
"""Gives what was measured of a run's phase."""


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
    """The nodes that every phase gets, and what they allow."""

    def __init__(self, cluster: Cluster, profile: Profile, partition: str | None, nodes: int | None) -> None:
        """Read the profile's resources of rule train; `partition` and `nodes` come before them."""
        self.cluster = cluster
        self.minutes = profile.minutes("train")
        self.processes = profile.count("train", "processes_per_node", 1)
        self.checkpoint_seconds = profile.count("train", "checkpoint_seconds", 900)
        self.request: Resources = training_request(
            cluster,
            partition or profile.text("train", "partition", ""),
            nodes or profile.count("train", "nodes", 1),
            self.processes,
            self.minutes or 0.0,
            profile.count("train", "devices", 0, least=0),
            profile.count("train", "memory_gib", 0, least=0),
        )
        self.ranks = self.request.nodes * self.processes
        self.node = node_of(cluster, self.request.partition)

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

    def cost(self, training: Training, hours: float, stages: int, checkpoint: int, possible: bool) -> Training:
        """Return the phase with what `hours` of training cost; `checkpoint` is the size of one.

        Without a walltime, or where no job is `possible`, nothing is known of jobs and their starts.
        """
        jobs = jobs_needed(hours, self.minutes) if possible and self.minutes else None
        held = occupied_hours(hours, jobs or 0)
        known = self.node is not None
        return replace(
            training,
            hours=held,
            jobs=jobs,
            billed=held * billed_per_hour(self.cluster, self.request) if known else None,
            written_bytes=checkpoint * saves(hours, self.checkpoint_seconds, stages, jobs or 1),
            kilowatt_hours=held * watts(self.cluster, self.request) / 1000 if known else None,
        )


class Speeds:
    """How fast a device is with the models of a recipe."""

    def __init__(self, recipe: Recipe, nodes: Nodes, given: dict[str, float], measure_phase: MeasurePhase) -> None:
        """Keep what is given, by run or model, and measure each phase."""
        self._recipe, self._given, self._node = recipe, given, nodes.node
        self._measured: dict[str, list[Measured]] = {}
        for run, phase in all_phases(recipe):
            if measured := measure_phase(run, phase):
                self._measured.setdefault(model_of(recipe, run), []).append(measured)

    def speed(self, run: str, length: int, flops: Callable[[int], float]) -> Speed | None:
        """Return the speed of a device at a row length; None if nothing tells it.

        `flops` gives the operations of one token at a row length. What is given counts at the length that the run
        begins with.
        """
        model = model_of(self._recipe, run)
        name = run if run in self._given else model
        if name in self._given:
            _, first = lineage(self._recipe, run)[0]
            begins = self._recipe.phases[first].stages[0].length
            return Speed(self._given[name] * flops(begins), "given", f"{name}: {self._given[name]:,.0f} at {begins}")
        if measured := nearest(self._measured.get(model, []), length):
            return Speed(measured.slots_per_second * flops(measured.length), "measured", measured.source)
        if self._node is None or not self._node.device_tflops:
            return None
        source = f"{ASSUMED_UTILISATION * 100:.0f} % of its peak of {self._node.device_tflops:g} TFLOP/s"
        return Speed(self._node.device_tflops * 1e12 * ASSUMED_UTILISATION, "assumed", source)


def model_of(recipe: Recipe, run: str) -> str:
    """Return the name of a run's model: that of its first ancestor."""
    return recipe.runs[ancestry(recipe, run)[0]].model or ""


def padded_vocabulary(recipe: Recipe, tokenizer: str) -> int:
    """Return the rows of the embedding: the tokenizer's entries, rounded up to its multiple."""
    wanted = recipe.tokenizers[tokenizer]
    return ceil(wanted.vocabulary / wanted.multiple) * wanted.multiple


def plan_phases(recipe: Recipe, nodes: Nodes, speeds: Speeds) -> list[Training]:
    """Return every phase of every run, each once, planned."""
    possible = not nodes.impossible()
    contents = (phase_slice(recipe, run, phase) for run, phase in all_phases(recipe))
    return [
        _plan_phase(content, padded_vocabulary(recipe, content.tokenizer), nodes, speeds, possible)
        for content in contents
    ]


def _plan_phase(content: PhaseSlice, padded_vocabulary: int, nodes: Nodes, speeds: Speeds, possible: bool) -> Training:
    slots = steps = busiest = 0
    operations = seconds = 0.0
    speed: Speed | None = None
    for stage in content.stages:

        def flops(length: int, masking_rate: float = stage.masking_rate) -> float:
            return training_flops(content.model, padded_vocabulary, length, masking_rate)

        work = stage_work(stage, nodes.ranks)
        slots, steps, busiest = slots + work.slots, steps + work.steps, busiest + work.slots_of_a_rank
        operations += work.slots * flops(stage.length)
        speed = speeds.speed(content.run, stage.length, flops)
        if speed:
            seconds += work.slots_of_a_rank * flops(stage.length) / speed.flops
    checkpoint = checkpoint_bytes(parameters(content.model, padded_vocabulary))
    stages = len(content.stages)
    training = Training(
        run=content.run,
        phase=content.phase,
        slots=slots,
        steps=steps,
        gigaflops=operations / slots / 1e9,
        idle=1 - slots / (nodes.ranks * busiest),
        kept_bytes=kept(stages) * checkpoint,
    )
    if speed is None:
        return training
    training = replace(training, slots_per_second=busiest / seconds, how=speed.how, source=speed.source)
    return nodes.cost(training, seconds / 3600, stages, checkpoint, possible)
