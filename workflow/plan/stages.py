"""How many jobs the stages before and after training are, and what they take as far as that is known."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from recipe.needs import (
    compared,
    euroeval_datasets,
    euroeval_encoders,
    foreign_tokenizers,
    looked_for,
    retrieval_encoders,
    speed_encoders,
    started_models,
    understanding_encoders,
    whole_recipe,
)
from recipe.schema import Recipe, adopted_tokenizers
from recipe.slices.making import sample_name, tokenizer_slice
from slurm.cluster.cost import Resources, billed_per_hour, billing_unit, broken_limits
from slurm.cluster.description import Cluster
from workflow.plan.profile import Profile
from workflow.plan.stage_hours import StageHours, StageTime


@dataclass(frozen=True)
class StageJobs:
    """The jobs of one rule."""

    rule: str
    jobs: int
    asked: Resources
    """By each; no minutes if they are not limited."""
    unit: str = ""
    """What they are billed in; empty if they are no jobs of a partition that the cluster's description has."""
    time: StageTime | None = None
    """None if no job of the rule has been measured."""
    billed: float | None = None
    """By the time that they take."""


def count_jobs(recipe: Recipe) -> dict[str, int]:
    """Return how many jobs each rule but `train` is, if nothing is there yet.

    Text from packages is left out, and so is what is fetched where Snakemake runs.
    """
    needs = whole_recipe(recipe)
    trained = set(needs.tokenizers) - set(adopted_tokenizers(recipe))
    measured = [{"mlm": "masked_language_modelling"}.get(name, name) for name in recipe.evaluation.of_each_run()]
    each_run = ("export", *measured, "model_card")
    retrieval = recipe.evaluation.retrieval
    encoders = retrieval_encoders(recipe) if retrieval.tasks else []
    return {
        "sample": len(needs.sources),
        "held_out_text": int(looked_for(recipe, needs.sources)),
        "fingerprints": len(needs.sources) * compared(recipe, needs.sources),
        "survivors": 1,
        "words": len({sample_name(tokenizer_slice(recipe, name)) for name in trained}),
        "tokenizer": len(trained),
        "adopted_tokenizer": len(needs.tokenizers) - len(trained),
        "shards": len(needs.shards),
        "start": len(started_models(recipe)),
        "rows": len(needs.phases),
        "statistics": 1,
        "overlap": len({one.tokenizer for one in needs.shards}),
        "context_lengths": len(needs.phases) * bool(recipe.evaluation.context_documents),
        "held_out_rows": len(recipe.runs),
        **dict.fromkeys(each_run, len(recipe.runs)),
        **dict.fromkeys(("test_rows", "final_test"), len(set(recipe.evaluation.test))),
        "speed": len(speed_encoders(recipe)),
        "fertility": len(needs.tokenizers),
        "foreign_fertility": len(foreign_tokenizers(recipe)),
        "fine_tune": len(encoders) * len(retrieval.learning_rates),
        "retrieval": len(encoders) * len(retrieval.tasks),
        "retrieval_bm25": len(retrieval.tasks),
        "made_questions": sum(task.made is not None for task in recipe.evaluation.understanding.tasks.values()),
        "understanding": len(understanding_encoders(recipe)) * len(recipe.evaluation.understanding.tasks),
        "euroeval": len(euroeval_encoders(recipe)) * len(euroeval_datasets(recipe)),
        "comparison": 1,
        "report": 1,
    }


def plan_stages(
    recipe: Recipe, cluster: Cluster, profile: Profile, hours: StageHours
) -> tuple[list[StageJobs], list[str]]:
    """Return the jobs of each rule, and a sentence for each limit that they break.

    Under a profile that submits no rules, they run where Snakemake runs, and no partition limits them.
    """
    stages, impossible = [], []
    for rule, jobs in count_jobs(recipe).items():
        asked = Resources(
            partition=profile.text(rule, "slurm_partition", ""),
            nodes=1,
            cores=profile.cores(rule),
            minutes=profile.minutes(rule) or 0.0,
            memory_mb=profile.memory_mb(rule),
            devices=profile.devices(rule),
        )
        unit, billed, time = "", None, hours.of(rule, jobs)
        if profile.submits:
            impossible += [f"{rule}: {sentence}" for sentence in broken_limits(cluster, asked)]
            if unit := billing_unit(cluster, asked.partition):
                billed = time.hours * billed_per_hour(cluster, asked) if time else None
        stages.append(StageJobs(rule, jobs, asked, unit, time, billed))
    return stages, impossible + _too_many(stages, cluster, profile)


def _too_many(stages: list[StageJobs], cluster: Cluster, profile: Profile) -> list[str]:
    """Return a sentence for each partition that would get more jobs at once than a user may have in it."""
    in_partition: Counter[str] = Counter()
    for stage in stages:
        in_partition[stage.asked.partition if stage.unit else ""] += stage.jobs
    told = []
    for partition, jobs in in_partition.items():
        limits = cluster.partitions.get(partition)
        at_once = jobs if profile.jobs is None else min(jobs, profile.jobs)
        if limits and limits.max_jobs is not None and at_once > limits.max_jobs:
            told.append(
                f"{partition} takes at most {limits.max_jobs} jobs of a user, but {at_once} would be in it at once; "
                f"set `jobs` in the profile to {limits.max_jobs} or less."
            )
    return told
