"""What a recipe may say of evaluation: types only, as in `recipe.schema`."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from recipe.euroeval import EuroEval
from recipe.types import Count, Name, Positive, Rate, Share, Size, Strict, Text, TokenizerName
from recipe.understanding import Understanding


class RetrievalTask(Strict):
    """Documents, queries and judgements: a folder of local files, or a task of the package `mteb`."""

    folder: Text = ""
    """Folder of corpus.jsonl, queries.jsonl and qrels/test.tsv, as BEIR's."""
    mteb: Text = ""
    """Name of a task that `mteb` fetches from the hub."""
    subset: Text = ""
    """Which part of that task, where it has several."""
    length: Count | None = None
    """Tokens of a text that are read; none for as many as in training."""


class Pairs(Strict):
    """Pairs of a query and its answer, with a wrong answer or without: a local file, or a data set of the hub."""

    file: Text = ""
    """File in any format of sources."""
    hub: Text = ""
    """Name of a data set on the hub."""
    subset: Text = ""
    """Which part of that data set, where it has several."""
    split: Text = "train"
    """Split of that data set."""
    columns: list[Text] = Field(default_factory=lambda: ["query", "positive", "negative"], min_length=2, max_length=3)
    """Fields that hold query, answer and wrong answer; the last may be absent."""
    limit: Count | None = None
    """Draw so many pairs at random; none for all."""


def _as_mapping(key: str, kind: type[Strict]) -> BeforeValidator:
    """Let a part be written as the one value of `key`."""

    def mapping(value: Any) -> Any:
        return {key: value} if isinstance(value, str) else value

    return BeforeValidator(mapping, json_schema_input_type=str | kind)


class Retrieval(Strict):
    """How encoders learn to retrieve, and on what they are measured then; nothing where no task is named."""

    train: list[Annotated[Pairs, _as_mapping("file", Pairs)]] = Field(default_factory=list)
    """Pairs to learn from: files, or data sets of the hub. Either all have wrong answers or none."""
    dev: Annotated[RetrievalTask, _as_mapping("folder", RetrievalTask)] = RetrievalTask()
    """Task whose score chooses the learning rate: a folder with qrels/dev.tsv, or a task of the package `mteb`."""
    learning_rates: list[Positive] = Field(default_factory=lambda: [2e-5, 5e-5, 1e-4])
    """Peaks that are tried, each in a job of its own."""
    epochs: Count = 1
    """Times that all pairs are shown."""
    batch: Count = 128
    """Pairs of a step; all answers but its own are wrong for a query."""
    length: Count = 512
    """Tokens of a text that are read; the rest is cut off."""
    warmup: Share = 0.05
    """Share of the steps in which the rate rises."""
    runs: list[Name] = Field(default_factory=list)
    """Runs that are measured; all where none is named."""
    tasks: dict[Name, RetrievalTask] = Field(default_factory=dict)
    """Name -> task."""


class Validation(Strict):
    """Held-out loss while training, at the shortest of the row lengths."""

    every_tokens: Count
    """Slots of training between two measurements."""
    rows: Count = 100
    """At most so many held-out rows per language."""


class Evaluation(Strict):
    """What is measured on each finished model."""

    lengths: Annotated[list[Count], Field(min_length=1)]
    """Row lengths in tokens at which held-out loss and accuracy are measured."""
    rows: Count = 1000
    """At most so many held-out rows per language and length."""
    masking_rate: Rate = 0.3
    """Share of the held-out tokens to be predicted, whatever the runs were trained with."""
    context_documents: Size = 100
    """At most so many long held-out documents per language, on which every kept checkpoint is given more context."""
    pseudo_perplexity_tokens: Size = 1000
    """About so many held-out tokens per language are hidden one at a time, for the pseudo-perplexity."""
    validation: Validation | None = None
    """Held-out loss while training; none unless asked for."""
    prompts: dict[Text, Text] = Field(default_factory=dict)
    """Language -> a sentence with one [MASK], filled in by each model for the report."""
    test: list[Name] = Field(default_factory=list)
    """Runs that are measured on the test split, when all is decided. It is counted how often this is done."""
    tokenizers: list[TokenizerName] = Field(default_factory=list)
    """Tokenizers from elsewhere to compare with: directories, files as tokenizer.json, or names on the hub."""
    models: dict[Name, TokenizerName] = Field(default_factory=dict)
    """Name -> encoder from elsewhere to compare with, its tokenizer too: a directory, or a name on the hub."""
    retrieval: Retrieval = Retrieval()
    """What retrieval is measured on."""
    understanding: Understanding = Understanding()
    """What classification, tagging and questions are measured on."""
    euroeval: EuroEval = EuroEval()
    """What is measured by the benchmark of that name."""
    speed_lengths: list[Count] = Field(default_factory=list)
    """Tokens of the longest documents at which each shape's speed and memory are measured; none unless asked for."""

    def of_each_run(self) -> list[str]:
        """Return what is measured of every run, by the names of its files; nothing where nothing is asked for."""
        asked = {"mlm": True, "pseudo_perplexity": self.pseudo_perplexity_tokens, "fill_mask": self.prompts}
        return [name for name, wanted in asked.items() if wanted]


def file_name(tokenizer: str) -> str:
    """Return a tokenizer's path or hub name as one part of a path; `/` becomes `--`, as in the hub's own cache."""
    return tokenizer.replace("/", "--")
