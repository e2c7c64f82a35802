"""What the rules need to know of tasks of understanding: their files, their slices, and the results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from recipe.needs import understanding_encoders
from recipe.schema import Recipe
from recipe.slices.making import evaluation_slice, questions_slice, understanding_slice
from recipe.types import Strict
from workflow.sources import manifest

LABELLED = "text/understanding"
"""Folder of the demo's tasks."""
PARTS = ("train", "dev", "test")
DEMO_FILES = [f"{LABELLED}/{task}/{part}.jsonl" for task in ("topic", "word-language") for part in PARTS]
"""That a rule makes."""


class Understanding:
    """Answers the rules' questions about tasks of understanding. Methods with `wildcards` serve as input functions."""

    def __init__(self, recipe: Recipe) -> None:
        """Look at a checked recipe."""
        self._recipe = recipe
        self._tasks = recipe.evaluation.understanding.tasks

    def slices(self) -> dict[str, Strict]:
        """Return name -> slice of each task, and of the questions that are made for one."""
        found: dict[str, Strict] = {}
        for name in self._tasks:
            own = understanding_slice(self._recipe, name)
            if made := questions_slice(self._recipe, name):
                own = own.model_copy(update=dict(zip(PARTS, _made(name), strict=True)))
                found[f"questions/{name}"] = made
            found[f"understanding/{name}"] = own
        return found

    def missing(self) -> list[str]:
        """Return a sentence for each file of a task that is not there and that no rule makes."""
        files = sorted({file for name in self._tasks for file in self._files(name)} - set(DEMO_FILES))
        return [
            f"evaluation.understanding: {file} does not exist; put it there or mend the path."
            for file in files
            if not Path(file).is_file()
        ]

    def files(self, wildcards: Any) -> list[str]:
        """Return the files of a task; none for one of the hub. Absent ones are told by `missing`, not by a dry run."""
        if self._tasks[wildcards.task].made:
            return _made(wildcards.task)
        return [file for file in self._files(wildcards.task) if file in DEMO_FILES or Path(file).is_file()]

    def documents(self, wildcards: Any) -> str:
        """Return the manifest of the documents that questions for a task are made from."""
        made = self._tasks[wildcards.task].made
        assert made, f"no questions are made for {wildcards.task}"
        return manifest(made.source)

    def tokenizer(self, wildcards: Any) -> str:
        """Return the manifest of the tokenizer that counts how far away evidence stands: of the first run measured."""
        first = understanding_encoders(self._recipe)[0]
        return f"results/tokenizers/{evaluation_slice(self._recipe, first).tokenizer}/manifest.json"

    def results(self, run: str | None = None) -> list[str]:
        """Return what is measured on all tasks, of one run or of all encoders."""
        encoders = [one for one in understanding_encoders(self._recipe) if run in (None, one)]
        return [f"results/evaluation/understanding/{task}/{one}.json" for task in self._tasks for one in encoders]

    def of_run(self, wildcards: Any) -> list[str]:
        """Return what is measured of a run."""
        return self.results(wildcards.run)

    def _files(self, name: str) -> list[str]:
        task = self._tasks[name]
        return [] if task.hub else [file for file in (task.train, task.dev, task.test) if file]


def _made(task: str) -> list[str]:
    """Return the files of the questions that are made for a task."""
    return [f"results/questions/{task}/{part}.jsonl.zst" for part in PARTS]
