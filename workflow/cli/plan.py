"""`alasin plan`: `workflow.plan`, which also takes the recipe as first argument and Alasin's own profiles by name."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from common.errors import UserError
from workflow.cli.run import with_profiles
from workflow.plan.__main__ import main as plan


def main() -> None:
    """Spell the arguments out and hand over; without a profile they are those of this machine."""
    sys.argv[1:] = with_local(spelt_out(sys.argv[1:]))
    plan()


def with_local(arguments: list[str]) -> list[str]:
    """Return arguments with the profile of this machine where they name none."""
    if any(word.partition("=")[0] in ("--profile", "-h", "--help") for word in arguments):
        return arguments
    return spelt_out([*arguments, "--profile", "local"])


def spelt_out(words: Sequence[str]) -> list[str]:
    """Return arguments with the recipe, if it comes first, after its option, and profiles as directories.

    Raises:
        UserError: there is no recipe, or it comes later.
    """
    arguments = with_profiles(list(words))
    if any(word.partition("=")[0] in ("--configfile", "-h", "--help") for word in arguments):
        return arguments
    if not arguments or arguments[0].startswith("-"):
        raise UserError(f"{sys.argv[0]} takes the recipe first: {sys.argv[0]} RECIPE, then the options.")
    return ["--configfile", *arguments]
