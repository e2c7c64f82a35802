"""What a recipe takes on a cluster: `python -m workflow.plan --profile profiles/lumi --configfile RECIPE.yaml`."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from common.errors import UserError, run_command
from recipe.reading import read_recipe
from workflow.plan.profile import Profile
from workflow.plan.text import render
from workflow.plan.throughput import parse_given
from workflow.plan.totals import parse_prices
from workflow.plan.whole import make_plan


def main() -> None:
    """Read the command line, print the plan, and fail if some of it cannot run."""
    parser = argparse.ArgumentParser(
        prog="python -m workflow.plan",
        description="Tell what a recipe takes under a profile: steps, hours, jobs, billed hours, bytes and energy of "
        "each phase, and what other stages take as far as that was measured. Submits nothing, and needs no Slurm, GPU "
        "or data. Exit status 1 if a partition cannot run what the profile asks of it.",
    )
    parser.add_argument("--profile", type=Path, required=True, help="Snakemake's profile, such as profiles/lumi")
    parser.add_argument("--configfile", type=Path, required=True, help="the recipe, such as config/finnish.yaml")
    parser.add_argument(
        "--tokens-per-second",
        nargs="+",
        default=[],
        metavar="NAME=N",
        help="what one device trains of a run or model at the row length that it begins with, empty slots counted as "
        "tokens; other lengths follow by their operations. Comes before what was measured, and before the assumption "
        "made where nothing was",
    )
    parser.add_argument("--partition", help="partition of the phases, instead of the profile's")
    parser.add_argument("--nodes", type=int, help="nodes of a phase's jobs, instead of the profile's")
    parser.add_argument(
        "--price",
        nargs="+",
        default=[],
        metavar="UNIT=AMOUNT",
        help='what a billed unit costs, such as "GPU-hours=0.50 EUR", instead of what the cluster\'s description says',
    )
    parser.add_argument(
        "--directory",
        type=Path,
        default=Path(),
        help="Snakemake's working directory; metrics below its results/runs tell how fast devices are, and its "
        "records what other rules took (default: here)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON; hours, bytes, kWh, null where not known")
    options = parser.parse_args()
    if options.nodes is not None and options.nodes < 1:
        raise UserError(f"--nodes {options.nodes}: a job needs at least one node.")
    recipe = read_recipe(options.configfile)
    profile = Profile(options.profile)
    given = parse_given(options.tokens_per_second, {*recipe.runs, *recipe.models})
    prices = parse_prices(options.price)
    plan = make_plan(recipe, profile, given, options.directory, options.partition, options.nodes, prices)
    if options.json:
        print(json.dumps(asdict(plan), indent=1, ensure_ascii=False))
    else:
        print(render(plan))
    if plan.impossible:
        raise UserError("this cannot run:\n" + "\n".join(f"  {sentence}" for sentence in plan.impossible))


if __name__ == "__main__":
    run_command(main)
