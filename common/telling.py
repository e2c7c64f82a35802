"""What launch tells the person who started it: on standard error, for what its job prints goes to standard output."""

from __future__ import annotations

import sys


class StoppedError(Exception):
    """A person or Snakemake asked for the end; the argument says how far it got."""


def say(text: str) -> None:
    """Print a line about what launch does, at once."""
    print(f"launch: {text}", file=sys.stderr, flush=True)
