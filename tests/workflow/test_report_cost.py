"""The report's section on cost: what phases and rules took, from the records of their jobs."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from slurm.records.history import Run, append_run
from slurm.records.job import Job, write_job
from tests.workflow.finished import finish
from tests.workflow.plan.test_totals import ran
from workflow.report.cost import told
from workflow.report.html import environment


def section(directory: Path) -> str:
    """Return the section of a report."""
    template = environment().get_template("cost.html.j2")
    return template.render(cost=told(directory / "results"), table_number=itertools.count(1).__next__)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A working directory of the demo's recipe, finished."""
    finish(tmp_path)
    return tmp_path


def test_cost_is_told_of_phases_whose_jobs_are_on_record_and_of_rules(directory: Path) -> None:
    assert "Nothing is on record of the jobs that trained." in section(directory)
    folder = directory / "results" / "runs" / "small" / "stable"
    write_job(folder, Job("lumi", "7", 16, "here", "2026-01-31T12:00:00+00:00", ["train"], 0, 0, "standard-g", 2))
    append_run(folder, Run("7", 0, "standard-g", 2, 1e9, 1e9 + 7200, "finished", "", 0, 40))
    ran(directory, "results/statistics.json", "statistics", 600.0)
    shown = section(directory)
    assert '<th scope="row">small/stable</th>' in shown
    assert shown.count("<caption>") == 2
    # Two hours of two nodes: 4 GPU-hours and 2.5 kW each, 8 processes on each.
    for cell in ("<td>2 h</td>", "<td>32</td>", "<td>16</td>", "<td>10</td>"):
        assert cell in shown
    assert "an estimate, not a measurement: 2500 W a node, as the description of lumi says" in shown
    assert '<th scope="row">statistics</th><td>1</td><td>10 min</td>' in shown
    assert "GPU-hours" in shown


def test_energy_that_slurm_has_measured_is_told_as_such(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = directory / "results" / "runs" / "small" / "stable"
    write_job(folder, Job("lumi", "7", 16, "here", "2026-01-31T12:00:00+00:00", ["train"], 0, 0, "standard-g", 2))
    append_run(folder, Run("7", 0, "standard-g", 2, 1e9, 1e9 + 7200, "finished", "", 0, 40))
    programs = directory / "programs"
    programs.mkdir()
    (programs / "sacct").write_text("#!/bin/sh\necho '7|36000000'\n")
    (programs / "sacct").chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=":")
    shown = section(directory)
    assert "Energy is measured by Slurm" in shown
    assert "estimate" not in shown
