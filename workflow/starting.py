"""What the starts of models are made from, for the rules, and what is wrong with it before any job."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from common.errors import UserError
from common.files import read_json
from model.starts.origin import TOKENIZER, TOKENIZER_SETTINGS, misfit, named_files, read_origin
from recipe.needs import start_of
from recipe.schema import Recipe, adopted_tokenizers
from recipe.slices.making import adopted_tokenizer_slice, start_slice
from recipe.types import Strict


class Starts:
    """Answers the rules' questions about starts. Methods with `wildcards` serve as input functions."""

    def __init__(self, recipe: Recipe) -> None:
        """Look at a checked recipe."""
        self.recipe = recipe
        self.adopted = adopted_tokenizers(recipe)
        self._slices = {name: start_slice(recipe, name) for name, model in recipe.models.items() if model.start}

    def slices(self) -> dict[str, Strict]:
        """Return name -> slice of every start, and of every tokenizer that is taken from a directory."""
        starts: dict[str, Strict] = {f"start/{name}": content for name, content in self._slices.items()}
        return starts | {f"tokenizer/{name}": adopted_tokenizer_slice(self.recipe, name) for name in self.adopted}

    def tokenizer_files(self, wildcards: Any) -> list[str]:
        """Return the files that a tokenizer is taken from, as far as they are there."""
        directory = Path(self.recipe.tokenizers[wildcards.tokenizer].from_directory or "")
        return [str(path) for name in (TOKENIZER, *TOKENIZER_SETTINGS) if (path := directory / name).is_file()]

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
        """Return a sentence for each directory that a model cannot begin with or a tokenizer cannot be taken from."""
        found = list(filter(None, map(self._tokenizer_problem, self.adopted)))
        for name, content in self._slices.items():
            if content.directory is None:
                continue
            try:
                problem = misfit(read_origin(Path(content.directory)), content)
            except UserError as error:
                problem = str(error)
            found += [f"models.{name}.start.directory: {problem}"] if problem else []
        return found

    def _tokenizer_problem(self, name: str) -> str | None:
        """Return what is wrong with the directory of a tokenizer; what only reading all of it tells, its job will."""
        tokenizer = self.recipe.tokenizers[name]
        path = Path(tokenizer.from_directory or "") / TOKENIZER
        if not path.is_file():
            return f"tokenizers.{name}.from: {path.parent} has no {TOKENIZER}; put it there or mend the path."
        content = read_json(path)
        with suppress(KeyError, TypeError):
            entries = len({*content["model"]["vocab"], *(token["content"] for token in content["added_tokens"])})
            if entries != tokenizer.vocabulary:
                return f"tokenizers.{name}.vocabulary: {path} has {entries} entries; write {entries}."
        return None
