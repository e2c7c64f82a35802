"""Reading the resources in Snakemake's profiles."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from common.errors import UserError
from workflow.plan.profile import Profile

MakeProfile = Callable[[str], Profile]


@pytest.fixture
def profile(tmp_path: Path) -> MakeProfile:
    def write(text: str) -> Profile:
        (tmp_path / "profile.yaml").write_text(text, encoding="utf-8")
        return Profile(tmp_path)

    return write


@pytest.mark.parametrize(
    ("written", "minutes"),
    [("90", 90), ("'90'", 90), ("48h", 2880), ("2d", 2880), ("30m", 30), ("1.5h", 90)],
)
def test_a_runtime_is_minutes_or_a_time(profile: MakeProfile, written: str, minutes: float) -> None:
    assert profile(f"set-resources: {{train: {{runtime: {written}}}}}").minutes("train") == minutes


def test_a_rules_own_value_comes_before_the_default(profile: MakeProfile) -> None:
    read = profile("default-resources: {mem_mb: 4000, runtime: 60}\nset-resources: {shards: {mem_mb: 32000}}")
    assert (read.memory_mb("shards"), read.memory_mb("sample")) == (32_000, 4_000)
    assert read.minutes("shards") == 60


def test_cores_are_cpus_per_task_else_threads_else_one(profile: MakeProfile) -> None:
    read = profile("set-threads: {sample: 8, shards: 4}\nset-resources: {shards: {cpus_per_task: 16}}")
    assert [read.cores(rule) for rule in ("shards", "sample", "export")] == [16, 8, 1]


def test_memory_may_be_written_as_a_size(profile: MakeProfile) -> None:
    assert profile("set-resources: {sample: {mem: 64GB}}").memory_mb("sample") == 64_000


def test_gpus_are_found_in_what_sbatch_is_given(profile: MakeProfile) -> None:
    read = profile('set-resources: {a: {slurm_extra: "--gpus-per-node=2 --nice"}, b: {gpu: 3}}')
    assert [read.devices(rule) for rule in "abc"] == [2, 3, 0]


def test_what_is_not_given_is_not_known(profile: MakeProfile) -> None:
    read = profile("cores: 2")
    assert (read.minutes("train"), read.jobs, read.submits, read.memory_mb("sample")) == (None, None, False, 0)
    assert profile("executor: slurm\njobs: unlimited").jobs is None


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("set-resources: {sample: {mem_mb: attempt * 8000}}", "sample: mem_mb is 'attempt \\* 8000'"),
        ("set-resources: {sample: {runtime: 60 * attempt}}", "sample: runtime is '60 \\* attempt'"),
        ("set-resources: {sample: {cpus_per_task: true}}", "sample: cpus_per_task is True"),
        ("set-resources: {sample: {mem_mb: 0}}", "sample: mem_mb is 0"),
        ("set-threads: {sample: many}", "set-threads: sample is 'many'"),
        ("jobs: many", "jobs is 'many'"),
    ],
)
def test_a_value_that_is_no_number_is_told_with_its_place(profile: MakeProfile, text: str, named: str) -> None:
    read = profile(text)
    with pytest.raises(UserError, match=f"profile.yaml: {named}, but a plan needs .*; write the value itself"):
        print(read.memory_mb("sample"), read.minutes("sample"), read.cores("sample"), read.jobs)


@pytest.mark.parametrize("text", ["set-resources: [sample:mem_mb=3]", "default-resources: mem_mb=3", "- cores"])
def test_resources_of_another_form_are_an_error(profile: MakeProfile, text: str) -> None:
    with pytest.raises(UserError, match="needs keys with values below it"):
        profile(text)


def test_a_folder_without_a_profile_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"is no profile: it holds no profile\.yaml"):
        Profile(tmp_path)
