"""`alasin publish`: what it refuses before anything is sent. What it sends is tested in `tests/workflow/publish`."""

from pathlib import Path

import pytest

from tests.workflow.cli.typed import alasin
from tests.workflow.finished import finish


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finish(tmp_path_factory.mktemp("work")).parent


def test_a_run_that_is_not_there_is_told_with_those_that_are(directory: Path) -> None:
    told = alasin("publish", "smal", "--to", "org/name", "--directory", str(directory))
    assert (told.returncode, told.stdout) == (1, "")
    assert "has no finished model smal; did you mean small" in told.stderr


def test_a_run_of_which_something_is_missing_is_refused_with_what_would_come_first(directory: Path) -> None:
    told = alasin("publish", "small", "--to", "org/name", "--dry-run", "--directory", str(directory))
    assert (told.returncode, told.stdout) == (1, "")
    assert "small is not finished as" in told.stderr
    assert "alasin explain results/models/small/README.md --configfile" in told.stderr


def test_where_there_are_no_results_that_is_told(tmp_path: Path) -> None:
    told = alasin("publish", "small", "--to", "org/name", "--directory", str(tmp_path))
    assert (told.returncode, told.stderr.count("\n")) == (1, 1)
    assert "holds no finished model" in told.stderr
