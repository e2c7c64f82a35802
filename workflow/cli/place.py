"""Where Alasin is, and how a person calls it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from common.errors import UserError

REPOSITORY = Path(__file__).resolve().parents[2]
"""With Snakefile, config and profiles beside the packages: it is the installation."""


def program() -> str:
    """Return how this command was typed, for commands that a person may copy: `alasin` if the shell finds it so."""
    called = sys.orig_argv[1] if len(sys.orig_argv) > 1 else ""
    if Path(called).name != "alasin":
        return "python -m workflow.cli"
    return "alasin" if shutil.which("alasin") == called else called


@contextmanager
def check_environment() -> Iterator[None]:
    """Tell of a package that this Python has not as a person needs it: a `UserError`. One of Alasin's own is a bug."""
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if (REPOSITORY / package / "__init__.py").is_file():
            raise
        raise lacking(package) from None


def lacking(package: str) -> UserError:
    """Return what to say where this Python has not what Alasin needs."""
    return UserError(
        f"{sys.executable} has no {package}, which Alasin needs. `make environment` in {REPOSITORY} makes the "
        f"environment that has it; then call {REPOSITORY}/.venv/bin/alasin."
    )
