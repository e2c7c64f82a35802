"""`alasin plan`: `workflow.plan`, which also takes the recipe as first argument and Alasin's own profiles by name."""

from __future__ import annotations

import sys

from workflow.cli.run import with_profiles
from workflow.plan.__main__ import main as plan


def main() -> None:
    """Spell the arguments out and hand over."""
    arguments = with_profiles(sys.argv[1:])
    if arguments and not arguments[0].startswith("-"):
        arguments = ["--configfile", *arguments]
    sys.argv[1:] = arguments
    plan()
