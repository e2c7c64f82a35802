"""What launch tells the person who started it."""

from __future__ import annotations


class StoppedError(Exception):
    """A person or Snakemake asked for the end; the argument says how far it got."""


def say(text: str) -> None:
    """Print a line about what launch does, at once."""
    print(f"launch: {text}", flush=True)
