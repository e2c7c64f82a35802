"""What the rules need to know of the comparison of all runs: its slice, and the results that it reads."""

from __future__ import annotations

from recipe.schema import Recipe, lineage
from recipe.slices.making import comparison_slice


class RunComparison:
    """Answers the rules' questions about the comparison of the runs of a recipe."""

    def __init__(self, recipe: Recipe) -> None:
        """Look at a checked recipe."""
        self._recipe = recipe
        self.slice = comparison_slice(recipe)

    def losses(self) -> list[str]:
        """Return the held-out losses of all runs, and their pseudo-perplexities if these are asked for."""
        kinds = [kind for kind in self._recipe.evaluation.of_each_run() if kind != "fill_mask"]
        return [f"results/evaluation/{run}/{kind}.json" for run in self.slice.runs for kind in kinds]

    def phases(self) -> list[str]:
        """Return the checkpoints of every phase behind them, which tell what was computed."""
        steps = dict.fromkeys(step for run in self.slice.runs for step in lineage(self._recipe, run))
        return [f"results/runs/{owner}/{phase}/checkpoint.json" for owner, phase in steps]

    def tasks(self) -> list[str]:
        """Return the results of runs on all tasks."""
        return [
            f"results/evaluation/{kind}/{task}/{run}.json"
            for kind, asked in self.slice.tasks().items()
            for task, runs in asked.items()
            for run in runs
        ]
