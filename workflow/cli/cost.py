"""`alasin cost`: `workflow.cost`, which also takes the recipe as first argument."""

from __future__ import annotations

import sys

from workflow.cli.plan import spelt_out
from workflow.cost.__main__ import main as cost


def main() -> None:
    """Spell the arguments out and hand over."""
    sys.argv[1:] = spelt_out(sys.argv[1:])
    cost()
