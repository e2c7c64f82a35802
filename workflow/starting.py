"""What the starts of models are made from, for the rules, and what is wrong with it before any job."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from common.errors import UserError
from model.starts.origin import misfit, named_files, read_origin
from recipe.needs import start_of
from recipe.schema import Recipe
from recipe.slices.making import start_slice
from recipe.slices.types import StartSlice


class Starts:
    """Answers the rules' questions about starts. Methods with `wildcards` serve as input functions."""

    def __init__(self, recipe: Recipe) -> None:
        """Look at a checked recipe."""
        self.recipe = recipe
        self._slices = {name: start_slice(recipe, name) for name, model in recipe.models.items() if model.start}

    def slices(self) -> dict[str, StartSlice]:
        """Return name -> slice of every start."""
        return {f"start/{name}": content for name, content in self._slices.items()}

    def manifest(self, wildcards: Any) -> list[str]:
        """Return the manifest of the weights that a phase begins with, or nothing where they are others."""
        model = start_of(self.recipe, wildcards.run, wildcards.phase)
        return [f"results/starts/{model}/manifest.json"] if model else []

    def tokenizer(self, wildcards: Any) -> str:
        """Return the manifest of the tokenizer of a model."""
        return f"results/tokenizers/{self.recipe.models[wildcards.model].tokenizer}/manifest.json"

    def files(self, wildcards: Any) -> list[str]:
        """Return the files that a start is made from: those of a directory that are there, or the model of a run."""
        content = self._slices[wildcards.model]
        if content.run is not None:
            return [f"results/models/{content.run}/config.json"]
        return list(map(str, named_files(Path(content.directory or ""))))

    def problems(self) -> list[str]:
        """Return a sentence for each directory that a model cannot begin with: absent, or of another kind or shape."""
        found = []
        for name, content in self._slices.items():
            if content.directory is None:
                continue
            try:
                problem = misfit(read_origin(Path(content.directory)), content)
            except UserError as error:
                problem = str(error)
            found += [f"models.{name}.start.directory: {problem}"] if problem else []
        return found
