"""The first lines of a plan: billed hours, money, time, disk; what of other rules is known from jobs that have run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from common.files import write_json
from recipe.needs import whole_recipe
from tests.workflow.plan.test_plan import DEMO, FINNISH, ROOT, plan
from tests.workflow.plan.test_throughput import trained
from tests.workflow.provenance.test_records import note
from workflow.plan.text import render
from workflow.plan.totals import Price
from workflow.plan.whole import Plan

NOW = datetime(2031, 5, 1, 12, tzinfo=UTC)


def called(directory: Path, profile: str) -> None:
    """Note a call of Snakemake that began before all jobs."""
    path = directory / "results" / "provenance" / "invocations.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"started": 1.0, "command": f"snakemake --profile {profile} -n"}) + "\n")


def ran(directory: Path, output: str, rule: str, seconds: float, inputs: Any = ()) -> None:
    """Note an output as Snakemake does."""
    note(directory, output, rule=rule, starttime=100.0, endtime=100.0 + seconds, input=list(inputs), shellcmd=output)


def sampled(directory: Path, sizes: dict[str, int]) -> None:
    """Write what sources were sampled from."""
    for source, size in sizes.items():
        write_json(directory / "results" / "corpus" / source / "origins.json", {"files": [{"bytes": size}]})


def row(made: Plan, rule: str) -> list[str]:
    """Return the cells of a rule in the table."""
    return next(line.split() for line in render(made).splitlines() if line.startswith(f"{rule} "))


def test_the_first_lines_tell_hours_money_and_when_it_ends(tmp_path: Path) -> None:
    made = plan(tmp_path, FINNISH, prices={"GPU-hours": Price(0.5, "EUR", "as a contract says")}, now=NOW)
    (gpu, core) = made.totals.bills
    assert gpu.training == pytest.approx(sum(one.billed or 0 for one in made.phases))
    assert (gpu.unit, gpu.stages, core.unit, core.all) == ("GPU-hours", None, "core-hours", 0)
    assert made.totals.device_hours == pytest.approx(2 * (gpu.training or 0)), "a GCD is half a GPU-hour an hour"
    shown = " ".join(render(made).split())
    known = f"{(gpu.training or 0) / 2:,.0f} EUR for the {gpu.training:,.0f} GPU-hours that are known, at 0.5 EUR each"
    assert known in shown
    dear = render(plan(tmp_path, FINNISH, prices={"core-hours": Price(0.01, "EUR", "as a contract says")}))
    assert "not known for core-hours, at 0.01 EUR each" in " ".join(dear.split())
    assert made.longest is not None
    assert made.totals.training_hours == made.longest[1]
    assert made.totals.ends is not None
    assert (datetime.fromisoformat(made.totals.ends) - NOW).total_seconds() == pytest.approx(
        made.longest[1] * 3600, abs=60
    )
    assert "at most" not in render(made)
    assert "time in the queue, which nobody knows" in " ".join(render(made).split())


def test_disk_is_that_of_kept_checkpoints_and_models(tmp_path: Path) -> None:
    totals = plan(tmp_path, FINNISH).totals
    large = 12 * 395_831_000
    # Of each of 24 phases at least the end of each stage and the one before; at most one more each.
    assert 18 * large < totals.kept_bytes < totals.most_bytes
    assert totals.text_bytes is None


def test_rules_take_what_jobs_of_theirs_took_under_the_same_profile(tmp_path: Path) -> None:
    called(tmp_path, "profiles/other")
    ran(tmp_path, "results/models/small/config.json", "export", 3600)
    ran(tmp_path, "results/models/small-fi/config.json", "export", 7200)
    profile = tmp_path.name  # the tests' profile lies in the working directory
    assert {one.rule: one.time for one in plan(tmp_path).stages}["export"] is None
    called(tmp_path, f"somewhere/{profile}")
    made = plan(tmp_path, now=NOW)
    export = {one.rule: one for one in made.stages}["export"]
    assert export.time is not None
    assert (export.time.hours, export.time.longest_hours, export.time.measured) == (4.5, 2.0, 2)
    assert export.billed == pytest.approx(4.5 * 2), "an hour of one core with 4 GB is two core-hours"
    assert " ".join(row(made, "export")).endswith("4 h 30 of 2 9.0 core-hours")
    assert made.totals.stage_hours == 2.0
    assert "export" not in made.totals.unknown
    assert "sample" in made.totals.unknown


def test_rules_that_read_text_take_time_by_its_size_but_none_is_told_from_far_smaller_jobs(tmp_path: Path) -> None:
    called(tmp_path, tmp_path.name)
    sources = whole_recipe(DEMO).sources
    sizes = {name: 1000 * (1 + place) for place, name in enumerate(sources)}
    sampled(tmp_path, sizes)
    for name, seconds in ((sources[0], 36 + 1), (sources[1], 36 + 2)):
        ran(tmp_path, f"results/corpus/{name}/sampled.json", "sample", seconds)
    (tmp_path / "results" / "corpus" / sources[0] / "train-00000.parquet").write_bytes(b"x" * 500)
    stages = {one.rule: one for one in plan(tmp_path).stages}
    sample = stages["sample"].time
    assert sample is not None
    expected = sum(36 + size / 1000 for size in sizes.values()) / 3600
    assert (sample.by_text, sample.hours) == (True, pytest.approx(expected))
    made = sum(path.stat().st_size for path in (tmp_path / "results" / "corpus").rglob("*") if path.is_file())
    assert plan(tmp_path).totals.text_bytes == made, "all sources are sampled"
    sampled(tmp_path, {sources[-1]: 10**9})
    assert {one.rule: one.time for one in plan(tmp_path).stages}["sample"] is None


def test_on_one_machine_phases_follow_one_another_and_the_profile_is_its_own(tmp_path: Path) -> None:
    for run, name in (("small", "stable"), ("small", "extension")):
        trained(tmp_path / "results" / "runs" / run / name, [(32, 128, 1.0)] * 5, ranks=2, cluster="local")
    command = [sys.executable, "-m", "workflow.cli", "plan", ROOT / "config/demo.yaml", "--directory", tmp_path]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}

    def said(*more: str) -> str:
        return subprocess.run([*command, *more], env=environment, capture_output=True, text=True, check=True).stdout

    shown = said()
    assert "for the phases of all runs, one after the other" in shown
    assert "queue" not in shown
    totals = json.loads(said("--json"))["totals"]
    assert (totals["bills"], totals["device_hours"]) == ([], None)
    assert totals["training_hours"] > 0
