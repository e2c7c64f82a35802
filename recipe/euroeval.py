"""What a recipe may say of EuroEval, a benchmark of European languages: types only, as in `recipe.schema`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from recipe.types import Count, Language, Name, Strict, Text

LocalKind = Literal["classification", "tagging", "qa"]


class LocalDataset(Strict):
    """Local files of examples that EuroEval measures as it does its own."""

    kind: LocalKind
    """A label of a text, entities among words, or a question's answer in a text."""
    language: Language
    """Which language it is measured in."""
    train: Text
    """File to learn from: JSON Lines or Parquet, or CSV for texts with a label."""
    dev: Text = ""
    """File by which the training is ended; none for a tenth of `train`, drawn at random."""
    test: Text
    """File that is measured."""
    columns: list[Text] = Field(default_factory=list)
    """Fields that hold text and label, words and labels, or question, context and answers."""


class EuroEval(Strict):
    """What EuroEval measures, in an environment of its own; nothing where no data set is named."""

    iterations: Count = 10
    """Trainings of an encoder on a data set, each on other samples of its examples."""
    runs: list[Name] = Field(default_factory=list)
    """Runs that are measured; all where none is named."""
    datasets: list[Name] = Field(default_factory=list)
    """Data sets by EuroEval's own names, which it fetches from the hub."""
    local: dict[Name, LocalDataset] = Field(default_factory=dict)
    """Name -> data set of local files."""
