"""Where and when it was made: times of jobs, commits, packages, shapes, and the way back to the sources."""

from __future__ import annotations

import json
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from slurm.records.history import Run, append_run
from slurm.records.job import Job, write_job
from tests.workflow.finished import RUNS, STEPS
from tests.workflow.report.page import Element, tree
from workflow.provenance.invocations import LOG
from workflow.report.html import render
from workflow.report.origin import calls, shapes, steps, trained
from workflow.report.results import Results, unique_phases

NOON = 1767182400.0
"""2025-12-31 12:00 UTC."""


def section(page: str, name: str) -> Element:
    return next(one for one in tree(page).all("section") if one.attributes["id"] == name)


def call(started: float, **facts: Any) -> str:
    machine = {"system": "Linux", "kind": "x86_64", "cores": 8}
    content = {"started": started, "commit": "ab" * 20, "dirty": False, "python": "3.11.9", "machine": machine}
    return (
        json.dumps(content | {"packages": {"torch": "2.9.9", "<b>": "1"}, "names": {"host": "secret"}} | facts) + "\n"
    )


@pytest.fixture
def known(results: Path) -> Path:
    """Results of which a job and two calls of Snakemake are on record."""
    folder = results / "runs" / "small" / "stable"
    for number, outcome in enumerate(("stopped", "finished")):
        began = NOON + 3600 * number
        append_run(folder, Run("7", number, "standard-g", 2, began, began + 1800, outcome, "", 0, 20))
    write_job(folder, Job("lumi", "7", 16, "secret", "2025-12-31T11:59:00+00:00", [], partition="standard-g", nodes=2))
    log = results.parent / LOG
    log.parent.mkdir(parents=True)
    log.write_text(call(NOON - 60) + call(NOON + 60, commit="cd" * 20, dirty=True))
    return results


def test_each_phase_has_its_times_its_cluster_and_the_commit_of_the_call_that_began_it(known: Path) -> None:
    results = Results(known)
    first, other, *_ = trained(results, unique_phases(results.phases(run) for run in RUNS))
    assert (first["began"], first["ended"], first["jobs"]) == ("2025-12-31 12:00", "2025-12-31 13:30", 2)
    assert first["where"] == "lumi, standard-g, 2 nodes"
    assert first["call"]["commit"] == "ab" * 20
    assert (other["began"], other["jobs"], other["where"], other["call"]) == ("", 0, "", {})


def test_calls_of_one_code_and_one_set_of_packages_share_a_row(known: Path) -> None:
    log = known.parent / LOG
    log.write_text(log.read_text() + call(NOON + 7200, commit="cd" * 20, dirty=True))
    one, two = calls(Results(known))
    assert (one["calls"], two["calls"]) == (1, 2)
    assert (two["first"], two["last"]) == ("2025-12-31 12:01", "2025-12-31 14:00")
    assert one["machine"] == "Linux, x86_64, 8 cores"


def test_the_page_names_commits_and_packages_and_neither_hosts_nor_people(known: Path) -> None:
    page = render(Results(known), "t", RUNS)
    text = section(page, "versions").text
    for part in (
        "2025-12-31 12:00",
        "abababababab",
        "cdcdcdcdcdcd with changes",
        "Python 3.11.9, torch 2.9.9",
        "All 2",
    ):
        assert part in text
    assert "<b> 1" in text
    assert "secret" not in page


def test_without_records_the_page_says_what_the_checkpoints_know(page: str) -> None:
    text = section(page, "versions").text
    assert "python 3.11.2, torch 2.13.0+cpu" in text
    assert "Calls of Snakemake" not in text


def test_runs_of_one_shape_share_a_row(finished: Path) -> None:
    (row,) = shapes(Results(finished), RUNS)
    assert row["runs"] == list(RUNS)
    assert row["beginning"] == "from scratch"
    assert row["vocabulary"] == 4032


def test_learning_rates_are_those_of_the_first_and_the_last_step_of_a_stretch(finished: Path) -> None:
    results = Results(finished)
    found = steps({"small": results.phases("small")})["small"]
    assert [one["rates"] for one in found] == [(1e-3, 1e-3)] * 3
    assert found[0]["last_step"] == STEPS
    alone = steps({"small": results.phases("small")[-1:]})["small"]
    assert [one["rates"] for one in alone] == [None, None, (1e-3, 1e-3)], "who trained the first is not shown"


def test_each_run_leads_back_to_its_sources(page: str) -> None:
    ways = [unescape(way.text) for way in section(page, "lineage").all("ol")]
    assert len(ways) == len(RUNS)
    assert ways[1].startswith("annealing-fi ")
    assert (
        ways[1].index("extension of small") < ways[1].index("stable of small") < ways[1].index("before that, trained")
    )
    assert 'href="#source-udhr-fi"' in page
    assert '<tr id="source-udhr-fi">' in page
