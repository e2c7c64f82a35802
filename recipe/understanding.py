"""What a recipe may say of classification, tagging and questions: types only, as in `recipe.schema`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from recipe.types import Count, Language, Name, Positive, Share, Strict, Text

TaskKind = Literal["classification", "pairs", "multilabel", "tagging", "qa"]
TREEBANK = (".conllu", ".conllu.gz", ".conllu.zst", ".conllu.xz", ".conllu.bz2")
"""How the name of a treebank ends."""
COLUMNS: dict[TaskKind, list[str]] = {
    "classification": ["text", "label"],
    "pairs": ["sentence1", "sentence2", "label"],
    "multilabel": ["text", "labels"],
    "tagging": ["words", "labels"],
    "qa": ["question", "context", "answers"],
}
"""Kind -> fields of a record where the recipe names no others."""


class LabelledExamples(Strict):
    """Examples with the right answer: local files, or splits of a data set of the hub."""

    kind: TaskKind
    """A label of a text or of two, all labels of a text, a label of each word, or a question's answer in a text."""
    language: Language
    """Which language it is measured in."""
    hub: Text = ""
    """Name of a data set on the hub; none where files are named."""
    subset: Text = ""
    """Which part of that data set, where it has several."""
    train: Text = ""
    """File or split to learn from: JSON Lines, Parquet or, for tagging, CoNLL-U."""
    dev: Text = ""
    """File or split that the learning rate is chosen by; none for a tenth of `train`, drawn at random."""
    test: Text = ""
    """File or split that is measured."""
    given: list[Count] = Field(default_factory=list)
    """Tokens from the beginning of a text that are given in the test, each measured; none for all that are read."""
    columns: list[Text] = Field(default_factory=list)
    """Fields that hold one or two texts and label or labels, words and labels, or question, context and answers."""


class MadeQuestions(Strict):
    """How many questions are made from the text of a source."""

    source: Name
    """Source whose training text is learnt from, and whose held-out text is measured."""
    train: Count = 1000
    """Questions to learn from."""
    dev: Count = 100
    """Questions that the learning rate is chosen by."""
    test: Count = 500
    """Questions that are measured."""


class UnderstandingTask(LabelledExamples):
    """Examples, and what of the fine-tuning is otherwise than in other tasks."""

    made: MadeQuestions | None = None
    """Questions that are made from a source, in place of files or a data set."""
    epochs: Count | None = None
    """Times that the examples are shown."""
    batch: Count | None = None
    """Texts of a step."""
    length: Count | None = None
    """Tokens of a text that are read at once."""


class Understanding(Strict):
    """How encoders are fine-tuned for tasks, and on what; nothing where no task is named."""

    learning_rates: list[Positive] = Field(default_factory=lambda: [1e-5, 2e-5, 3e-5, 4e-5, 5e-5], min_length=1)
    """Peaks that are tried."""
    seeds: Count = 5
    """Fine-tunings at the rate that is best on `dev`."""
    epochs: Count = 5
    """Times that the examples are shown."""
    batch: Count = 32
    """Texts of a step."""
    length: Count = 512
    """Tokens of a text that are read at once."""
    warmup: Share = 0.1
    """Share of the steps in which the rate rises."""
    runs: list[Name] = Field(default_factory=list)
    """Runs that are measured; all where none is named."""
    tasks: dict[Name, UnderstandingTask] = Field(default_factory=dict)
    """Name -> task."""
