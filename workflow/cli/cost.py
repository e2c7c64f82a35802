"""`alasin cost`: `workflow.cost`, which also takes the recipe as first argument, and Alasin's own profiles by name."""

from __future__ import annotations

import sys

from workflow.cli.plan import spelt_out, with_local
from workflow.cost.__main__ import main as cost


def main() -> None:
    """Spell the arguments out and hand over; without a profile they are those of this machine."""
    sys.argv[1:] = with_local(spelt_out(sys.argv[1:]))
    cost()
