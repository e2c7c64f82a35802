"""Where Alasin is, and how a person calls it."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
"""With Snakefile, config and profiles beside the packages: it is the installation."""


def program() -> str:
    """Return how this command was typed, for commands that a person may copy: `alasin` if the shell finds it so."""
    called = sys.orig_argv[1] if len(sys.orig_argv) > 1 else ""
    if Path(called).name != "alasin":
        return "python -m workflow.cli"
    return "alasin" if shutil.which("alasin") == called else called
