"""What a recipe took: hours of steps and of jobs, what first steps foretold, bills and energy, and all other rules."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from base64 import urlsafe_b64encode
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from recipe.reading import load_recipe
from slurm.records.history import Run, append_run
from slurm.records.job import Job, write_job
from tests.recipe.test_sweeps import ONE, SMALL
from workflow.cost.energy import measured_kwh
from workflow.cost.rules import rules_took
from workflow.cost.text import render
from workflow.cost.training import phases_took
from workflow.cost.whole import make_cost

ROOT = Path(__file__).parents[3]
RECIPE = load_recipe(SMALL | {"runs": {"one": ONE, "two": ONE}}, "here")
PARTITION = "standard-g"
STEPS = 59
"""Of the phase: 30,208 slots in batches of 512."""


def write_phase(directory: Path, seconds: list[float], cluster: str = "local", jobs: int = 1) -> Path:
    """Write what a phase leaves: steps of 8 rows of 64 in some seconds each, and jobs of 2 nodes for half an hour."""
    folder = directory / "results" / "runs" / "one" / "stable"
    folder.mkdir(parents=True)
    rows = [{"stage": 0, "length": 64, "batch_rows": 8, "step_seconds": one} for one in seconds]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows) + '{"stage": 0, "len')
    write_job(folder, Job(cluster, "12", 4, "here", "2026-01-31T12:00:00+00:00", ["train"], 0, 0, PARTITION, 2))
    for number in range(jobs):
        begin = 1e9 + 5000 * number
        append_run(folder, Run(f"1{number}", 0, "standard-g", 2, begin, begin + 1800, "finished", "", 0, STEPS))
    return folder


def test_hours_are_those_of_the_steps_and_of_the_jobs_and_only_of_phases_that_have_begun(tmp_path: Path) -> None:
    write_phase(tmp_path, [9.0] * 5 + [2.0] * (STEPS - 5), jobs=2)
    (took,) = phases_took(RECIPE, tmp_path / "results" / "runs")
    assert (took.run, took.phase, took.steps, took.all_steps, len(took.jobs)) == ("one", "stable", STEPS, STEPS, 2)
    assert took.training_hours == pytest.approx((5 * 9 + 54 * 2) / 3600)
    assert (took.held_hours, took.job and took.job.processes) == (1.0, 4)
    # The slow first steps, in which kernels are compiled, foretell nothing.
    assert took.foretold_hours == pytest.approx(STEPS * 2 / 3600)


def test_what_is_foretold_is_of_the_whole_phase_by_its_first_hundred_steps(tmp_path: Path) -> None:
    write_phase(tmp_path, [1.0] * 20)
    (took,) = phases_took(RECIPE, tmp_path / "results" / "runs")
    assert took.steps == 20
    assert took.foretold_hours == pytest.approx(STEPS / 3600)
    write_phase(tmp_path / "few", [1.0] * 5)
    (took,) = phases_took(RECIPE, tmp_path / "few" / "results" / "runs")
    assert took.foretold_hours is None


def test_bills_follow_from_the_nodes_and_energy_from_the_accounting_or_else_from_their_power(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_phase(tmp_path, [2.0] * STEPS, "lumi", jobs=2)
    programs = tmp_path / "programs"
    monkeypatch.setenv("PATH", str(programs), prepend=os.pathsep)
    (guessed,) = make_cost(RECIPE, tmp_path).phases
    assert guessed.billed == pytest.approx(2.0 * 4), "an hour of a node of standard-g is four GPU-hours"
    assert guessed.process_hours == pytest.approx(2.0 * 2), "two processes on each of two nodes"
    assert guessed.energy is not None
    assert (guessed.energy.how, guessed.energy.kilowatt_hours) == ("power", pytest.approx(2.0 * 2.5))
    assert "2500 W a node, as the description of lumi says" in guessed.energy.source
    assert guessed.planned_hours
    assert guessed.planned_deviation == pytest.approx(guessed.training_hours / guessed.planned_hours - 1)
    shown = render(make_cost(RECIPE, tmp_path))
    assert f"one/stable     {STEPS}     2" in shown
    assert " e\n" in shown
    programs.mkdir()
    (programs / "sacct").write_text("#!/bin/sh\nprintf '10|3600000\\n11|1800000\\n11|1800000\\n12|\\n'\n")
    (programs / "sacct").chmod(0o755)
    (measured,) = make_cost(RECIPE, tmp_path).phases
    assert measured.energy is not None
    assert (measured.energy.kilowatt_hours, measured.energy.how) == (2.0, "slurm")
    assert measured_kwh(["10", "11", "12", "no; job"]) == {"10": 1.0, "11": 1.0}


def test_slurm_is_not_asked_about_processes_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_phase(tmp_path, [2.0] * STEPS)
    monkeypatch.setattr("workflow.cost.whole.measured_kwh", lambda ids: dict.fromkeys(ids, 1.0))
    (phase,) = make_cost(RECIPE, tmp_path).phases
    assert phase.energy is None
    assert phase.process_hours == pytest.approx(0.5 * 4)


def test_other_rules_are_counted_by_job_not_by_output_and_what_is_no_record_is_passed_over(tmp_path: Path) -> None:
    folder = tmp_path / ".snakemake" / "metadata"
    folder.mkdir(parents=True)
    times: list[tuple[str, Any, Any]] = [("rows", 0.0, 3600.0), ("rows", 0.0, 3600.0), ("rows", 10.0, 1810.0)]
    times += [("words", 0.0, 9000.0), ("train", 0.0, 1.0), ("words", 5.0, None)]
    for number, (rule, begin, end) in enumerate(times):
        (folder / urlsafe_b64encode(f"results/{number}.json".encode()).decode()).write_text(
            json.dumps({"rule": rule, "starttime": begin, "endtime": end})
        )
    (folder / "half").write_text('{"rule": "wo')
    found = [asdict(one) for one in rules_took(tmp_path)]
    assert found == [
        {"rule": "words", "jobs": 1, "hours": 2.5, "longest_hours": 2.5},
        {"rule": "rows", "jobs": 2, "hours": 1.5, "longest_hours": 1.0},
    ]
    assert rules_took(tmp_path / "nowhere") == []


def test_the_command_tells_a_person_and_a_program(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(SMALL | {"runs": {"one": ONE}}))
    command = [sys.executable, "-m", "workflow.cli", "cost", recipe, "--directory", tmp_path]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}

    def said(*more: str) -> str:
        return subprocess.run([*command, *more], env=environment, capture_output=True, text=True, check=True).stdout

    assert "No phase has begun yet." in said()
    write_phase(tmp_path, [2.0] * STEPS)
    shown = said()
    assert "+0%" in shown
    assert "kWh" not in shown
    (phase,) = json.loads(said("--json"))["phases"]
    assert (phase["jobs"], phase["held_hours"], phase["billed"]) == (1, 0.5, None)
