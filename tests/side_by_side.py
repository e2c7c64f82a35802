"""A plugin of pytest-xdist: tests of a file run in one process, and so do all that share a Slurm, which start first.

A file's tests share what they have made. The scenarios on a real Slurm mostly wait, for longer than anything else; the
other files that take minutes follow them, so that none is left when all else is done.
"""

from __future__ import annotations

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

SLURM = "tests/slurm/real/"
LONG = ("tests/model/training/test_trainer.py", "tests/workflow/test_experiments.py", "tests/workflow/test_starts.py")
"""Files that take minutes."""


class ByFile(LoadScopeScheduling):
    """Hands out the tests of a file together, in the order of the files."""

    def __init__(self, config: pytest.Config, log: Producer | None = None) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False

    def _split_scope(self, nodeid: str) -> str:
        return SLURM if nodeid.startswith(SLURM) else nodeid.partition("::")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFile:
    """Distribute by file, whatever `--dist` says."""
    return ByFile(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put what needs a Slurm first, then the long files."""
    items.sort(key=lambda item: (not item.nodeid.startswith(SLURM), not item.nodeid.startswith(LONG)))
