"""What it takes to find where a phase goes on: the plan of a long phase, and the checkpoints of many runs.

`python -m benchmarks.histories --recipe config/finnish.yaml --run large --work DIRECTORY`. Rows and checkpoints are
described, as their JSON tells them, and not there; nothing is trained. Processor seconds, medians.
"""

from __future__ import annotations

import argparse
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from statistics import median

from benchmarks.measure import print_table
from common.errors import run_command
from common.files import write_json
from corpus.rows.listing import FORMAT as ROWS_FORMAT
from model.history.candidates import candidates, matches
from model.history.plan import Plan, plan_of
from model.history.position import DataPosition, Position
from model.history.store import FORMAT, MANIFEST, STATE, directory_of
from recipe.reading import read_recipe
from recipe.schema import lineage
from recipe.slices.making import phase_slice
from recipe.slices.types import PhaseSlice

RUNS = 18
KEPT = 11
"""Checkpoints of each run."""
ROWS = 10_000_000
TOKENIZER = {"fingerprint": "none", "padded_vocabulary": 55_616}


def described_rows(content: PhaseSlice, folder: Path) -> dict[tuple[str, str], Path]:
    """Write an index for each set of rows that a phase reads; return where they are."""
    indexes = {}
    for part in (part for stage in content.stages for part in stage.components):
        path = folder / part.source / part.rowset / "index.json"
        index = {"format": ROWS_FORMAT, "rows": ROWS, "tokens": ROWS * 900, "split_ids": ROWS * 900}
        write_json(path, index | {"parts": [{"sha256": part.source}], "tokenizer": TOKENIZER["fingerprint"]})
        indexes[part.source, part.rowset] = path
    return indexes


def describe_checkpoints(plan: Plan, runs: Path) -> None:
    """Write the states of checkpoints spread over the plan, the same for each of many runs."""
    points = list(plan.points())
    for point in points[len(points) // KEPT - 1 :: len(points) // KEPT]:
        place = DataPosition(0, plan.blends[point.stage].digest, point.batch.ranges[-1][1])
        state = asdict(Position(point.step, point.slots, point.history, data=place))
        for run in range(RUNS):
            directory = directory_of(runs / f"run-{run}" / plan.content.phase / "checkpoints", point.step)
            write_json(directory / STATE, {"format": FORMAT, "position": state})
            write_json(directory / MANIFEST, {"format": FORMAT, "files": []})


def seconds(work: Callable[[], object], rounds: int) -> float:
    """Return the median processor time of some work."""
    taken = []
    for _ in range(rounds):
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    return median(taken)


def main() -> None:
    """Measure and print the table."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--recipe", type=Path, required=True, help="YAML file of a recipe")
    made.add_argument("--run", required=True, help="run whose first phase is planned")
    made.add_argument("--work", type=Path, required=True, help="directory for what is described")
    made.add_argument("--rounds", type=int, default=5, help="times each is done (default: %(default)s)")
    given = made.parse_args()
    recipe = read_recipe(given.recipe)
    content = phase_slice(recipe, *lineage(recipe, given.run)[0])
    indexes = described_rows(content, given.work / "rows")
    plan = plan_of(content, indexes, TOKENIZER, None)
    describe_checkpoints(plan, given.work / "runs")
    folder = given.work / "runs" / "run-0" / content.phase
    found = candidates(folder, given.work / "runs")
    steps = sum(1 for _ in plan.points())

    def fresh() -> Plan:
        return plan_of(content, indexes, TOKENIZER, None)

    works: dict[str, Callable[[], object]] = {
        f"the plan of {steps:,} steps": lambda: deque(fresh().points(), maxlen=0),
        "the same again": lambda: deque(plan.points(), maxlen=0),
        f"the mixture of {len(indexes)} sets of rows": fresh,
        f"reading the states of {len(found)} checkpoints": lambda: candidates(folder, given.work / "runs"),
        "the newest of them that agrees": lambda: matches(fresh(), found),
    }
    rows = [[name, f"{seconds(work, given.rounds):.3f}"] for name, work in works.items()]
    print_table(["what", "seconds"], rows)


if __name__ == "__main__":
    run_command(main)
