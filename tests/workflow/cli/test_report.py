"""`alasin report`: the summary and the path of the report, and the page itself in a browser."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.workflow.cli.typed import ROOT, alasin
from tests.workflow.finished import finish


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finish(tmp_path_factory.mktemp("work")).parent


def opened(directory: Path, browser: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "workflow.cli", "report", "--directory", str(directory), "--open"]
    environment = {**os.environ, "BROWSER": browser, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)


def test_models_and_losses_are_told_and_where_the_report_is(directory: Path) -> None:
    told = alasin("report", "--directory", str(directory))
    assert told.returncode == 0, told.stderr
    assert "Held-out loss, nats per masked token:" in told.stdout
    assert str(directory / "results/report.html") in told.stdout


def test_it_opens_the_report_once_it_is_there(directory: Path, tmp_path: Path) -> None:
    report = directory / "results/report.html"
    told = opened(directory, "true")
    assert (told.returncode, told.stderr) == (1, f"error: {report} is not made yet; alasin run makes it.\n")
    report.touch()
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/seen\n')
    browser.chmod(0o755)
    assert opened(directory, str(browser)).returncode == 0
    assert (tmp_path / "seen").read_text() == f"{report.as_uri()}\n"
    assert "copy" in opened(directory, "false").stderr


def test_where_nothing_is_finished_it_says_what_to_do(tmp_path: Path) -> None:
    told = alasin("report", "--directory", str(tmp_path))
    assert told.returncode == 1
    assert "holds no finished model; run Snakemake first" in told.stderr
