"""EuroEval itself, in its own environment: `make test-euroeval`. Nothing here is collected otherwise.

It takes 2.3 GB of packages, which continuous integration has no time to install.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from evaluation.euroeval.environment import given, made, pins

ROOT = Path(__file__).parents[3]
collect_ignore_glob = [] if os.environ.get("ALASIN_TEST_EUROEVAL_RUN") == "1" else ["test_*.py"]


@pytest.fixture(scope="session")
def euroevals_python() -> Path:
    """The interpreter of EuroEval's environment, which `make test-euroeval` has made."""
    listed = ROOT / "envs" / "euroeval.txt"
    return given(pins(listed)) or made(listed, Path(sys.prefix))
