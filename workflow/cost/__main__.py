"""What a recipe has taken: `python -m workflow.cost --configfile RECIPE.yaml`."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from common.errors import run_command
from recipe.reading import read_recipe
from workflow.cost.text import render
from workflow.cost.whole import make_cost


def main() -> None:
    """Read the command line and print the cost."""
    parser = argparse.ArgumentParser(
        prog="python -m workflow.cost",
        description="Tell what a recipe has taken up to now, beside what was planned: hours, billed hours and energy "
        "of each phase, hours of all other rules. Energy is what Slurm's accounting has measured, else an estimate.",
    )
    parser.add_argument("--configfile", type=Path, required=True, help="the recipe, such as config/finnish.yaml")
    parser.add_argument("--directory", type=Path, default=Path(), help="Snakemake's working directory (default: here)")
    parser.add_argument("--json", action="store_true", help="print JSON; hours, kWh, null where not known")
    options = parser.parse_args()
    cost = make_cost(read_recipe(options.configfile), options.directory)
    print(json.dumps(asdict(cost), indent=1, ensure_ascii=False) if options.json else render(cost))


if __name__ == "__main__":
    run_command(main)
