"""What the rules need to know of EuroEval: its environment, its data sets, their slices, and the results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from recipe.needs import euroeval_datasets, euroeval_encoders
from recipe.schema import Recipe
from recipe.slices.making import euroeval_slice
from recipe.types import Strict

ENVIRONMENT = "results/euroeval/environment.json"
"""Names the interpreter that EuroEval runs in."""


class EuroEvalTasks:
    """Answers the rules' questions about EuroEval. Methods with `wildcards` serve as input functions."""

    def __init__(self, recipe: Recipe) -> None:
        """Look at a checked recipe."""
        self._recipe = recipe
        self._datasets = euroeval_datasets(recipe)

    def slices(self) -> dict[str, Strict]:
        """Return name -> slice of each data set."""
        return {f"euroeval/{name}": euroeval_slice(self._recipe, name) for name in self._datasets}

    def missing(self) -> list[str]:
        """Return a sentence for each local file that is not there."""
        files = sorted({file for name in self._datasets for file in self._files(name)})
        return [
            f"evaluation.euroeval: {file} does not exist; put it there or mend the path."
            for file in files
            if not Path(file).is_file()
        ]

    def files(self, wildcards: Any) -> list[str]:
        """Return the files of a local data set that are there; absent ones are told by `missing`, not by a dry run."""
        return [file for file in self._files(wildcards.task) if Path(file).is_file()]

    def results(self, run: str | None = None) -> list[str]:
        """Return what is measured on all data sets, of one run or of all encoders."""
        encoders = [one for one in euroeval_encoders(self._recipe) if run in (None, one)]
        return [f"results/evaluation/euroeval/{task}/{one}.json" for task in self._datasets for one in encoders]

    def of_run(self, wildcards: Any) -> list[str]:
        """Return what is measured of a run."""
        return self.results(wildcards.run)

    def by_hub(self) -> list[str]:
        """Return what says so where the hub or the package index was out of reach; the environment among it."""
        return [ENVIRONMENT, *self.results()] if self._datasets else []

    def _files(self, name: str) -> list[str]:
        local = self._recipe.evaluation.euroeval.local.get(name)
        return [file for file in (local.train, local.dev, local.test) if file] if local else []
