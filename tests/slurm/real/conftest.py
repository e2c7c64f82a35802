"""A Slurm of the tests' own: started once, and whole again after each test."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.slurm.real.real_cluster import SCRIPTS, RealCluster, run
from tests.slurm.real.small_phase import SmallPhase, make_data


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what is below this directory, unless a Slurm may be started.

    Five nodes and a phase share the cores of one machine, so that a scenario may come out of step: one that fails is
    run once more, and the summary tells both outcomes.
    """
    skip = pytest.mark.skip(reason="needs a Slurm of its own: make test-slurm")
    mark = pytest.mark.flaky(reruns=1) if os.environ.get("ALASIN_TEST_SLURM_RUN") == "1" else skip
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(mark)


@pytest.fixture(scope="session")
def slurm_cluster(request: pytest.FixtureRequest) -> Iterator[RealCluster]:
    """The cluster. It is taken down at the end, unless ALASIN_TEST_SLURM_KEEP=1."""
    # There is one Slurm on a machine, and tests let its nodes crash. The file is one that up.sh changes.
    with Path("/etc/hosts").open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            terminal = request.config.pluginmanager.getplugin("terminalreporter")
            if terminal:  # Workers of pytest-xdist have none.
                terminal.write_line("waiting for other tests that use Slurm on this machine")
            fcntl.flock(lock, fcntl.LOCK_EX)
        cluster = RealCluster()
        cluster.heal()
        yield cluster
        if os.environ.get("ALASIN_TEST_SLURM_KEEP") != "1":
            run(SCRIPTS / "down.sh", "--purge")


@pytest.fixture(autouse=True)
def whole_cluster(slurm_cluster: RealCluster) -> Iterator[None]:
    """Every test leaves an empty queue and healthy nodes; what cannot be cleared away makes it fail."""
    yield
    slurm_cluster.heal()


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_data(tmp_path_factory.mktemp("it's data"), steps=60)


@pytest.fixture
def phase(slurm_cluster: RealCluster, data: Path, tmp_path: Path) -> Iterator[SmallPhase]:
    made = SmallPhase(slurm_cluster, data, tmp_path / "results" / "runs" / "r" / "one")
    yield made
    made.clean_up()


@pytest.fixture(scope="session")
def whole(slurm_cluster: RealCluster, data: Path, tmp_path_factory: pytest.TempPathFactory) -> SmallPhase:
    """The phase, trained without interruption, by a rank on each of two nodes."""
    made = SmallPhase(slurm_cluster, data, tmp_path_factory.mktemp("whole") / "one")
    made.finish(made.launch())
    made.check_rows()
    return made
