"""Finished results, and the report of them, for tests of what reads results."""

import shutil
from pathlib import Path

import pytest

from tests.workflow.finished import RUNS, finish
from workflow.report.html import render
from workflow.report.results import Results


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finish(tmp_path_factory.mktemp("finished"))


@pytest.fixture(scope="module")
def page(finished: Path) -> str:
    return render(Results(finished), "A <title> & more", RUNS)


@pytest.fixture
def results(finished: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copytree(finished, tmp_path / "results"))
