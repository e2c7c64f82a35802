"""Slices of the recipe: small JSON files that hold exactly what changes one stage's result.

A rule writes each slice anew whenever the recipe changes, and a stage depends on its slice, not on the recipe. So what
was made stays valid for as long as its own slice stays the same: a new run, another mixture or a reworded title leaves
a finished phase alone. They are of a source, a sample of sources, a tokenizer trained on one, rows, a phase of a run,
the weights that a model begins with, validation while a run trains, the evaluation of a run, fertility, retrieval,
understanding, and EuroEval.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from recipe.duplicates import Duplicates, EvaluationSet
from recipe.euroeval import LocalDataset
from recipe.evaluation import Pairs, RetrievalTask
from recipe.schema import Batch, Documents, LearningRate, ModelShape, Optimizer
from recipe.types import Objective, Strict
from recipe.understanding import LabelledExamples


class SourceSlice(Documents):
    """What decides which documents of a source are kept, and in which split each lies."""

    name: str
    seed: int
    held_out_anywhere: float = 0.0
    """The largest `held_out` of all sources of the recipe: no source trains on what another one holds out."""


class ContaminationSlice(Strict):
    """What no source may train on, besides the held-out documents themselves."""

    sources: list[str]
    """Whose held-out documents are looked for."""
    words: int
    sets: dict[str, EvaluationSet]
    """Fields as in `recipe.cleaning.Contamination`."""


class FingerprintSlice(Strict):
    """What is compared of a source's documents."""

    exact: bool
    near: bool
    lines: bool
    words: int
    bands: int
    hashes: int
    """Fields as in `recipe.cleaning.NearDuplicates`."""


class DuplicatesSlice(Strict):
    """Which documents are given up for others, and what is cut out of them."""

    order: list[str]
    """Sources: of two copies that of the earlier one stays."""
    sources: dict[str, Duplicates]
    keep: dict[int, int]
    """Documents in a cluster -> how many are kept, from so many documents on."""
    remove: bool
    max_share: float
    """Fields as in `recipe.cleaning.Contamination`."""


class HubSlice(Strict):
    """Which files are fetched from the hub for a source."""

    files: list[str]
    """Addresses."""


class SampleSlice(Strict):
    """What decides the words that tokenizers are trained on, and their counts; one for all that share a sample."""

    seed: int
    sample_bytes: int
    word_bytes: int = 100_000_000
    factors: dict[str, float]
    """Source -> factor; a source's share of the sample goes with factor x bytes."""
    languages: dict[str, str]
    """Source -> language."""


class TokenizerSlice(SampleSlice):
    """What decides a tokenizer: its size, its objective, and the sample it is trained on."""

    name: str
    vocabulary: int
    multiple: int
    objective: Objective = "classical"


class AdoptedTokenizerSlice(Strict):
    """What decides a tokenizer that is taken from a directory, besides what lies there."""

    name: str
    directory: str
    vocabulary: int
    multiple: int


class RowsSlice(Strict):
    """Which sets of packed rows a phase or an evaluation reads."""

    tokenizer: str
    split: str
    rowsets: dict[str, list[str]]
    """Source -> names of its sets of rows, `recipe.slices.rowsets`."""


class Component(Strict):
    """Rows of one source, or of one word bin of it, and how strongly they are drawn."""

    source: str
    language: str
    rowset: str
    """Directory below `results/rows/{tokenizer}/{source}/train/`."""
    factor: float
    bin: int | None
    """Index of the word bin; none where the mixture has no bins."""
    bin_share: float | None
    """Wanted share of that bin in all tokens drawn, relative to the sum of the bins' shares."""
    language_share: float | None = Field(default=None, exclude_if=lambda share: share is None)
    """Wanted share of its language, relative to the sum of the languages' shares; left out where none is wanted."""


class StageSlice(Strict):
    """A stage with its mixture spelt out. Fields as in `recipe.schema.Stage`."""

    length: int
    tokens: int
    batch: Batch
    learning_rate: LearningRate
    rope_theta: float
    masking_rate: float
    until: int | None = None
    skip_rows: list[tuple[int, int]] = Field(default_factory=list)
    components: list[Component]


class StartSlice(Strict):
    """What decides the weights that a model begins with, besides those that they are made from and the tokenizer."""

    model: str
    shape: ModelShape
    directory: str | None = None
    run: str | None = None
    """Fields as in `recipe.schema.Start`."""


class PhaseSlice(Strict):
    """What decides the result of a phase, besides the checkpoint it begins with and the shards it reads."""

    run: str
    phase: str
    seed: int
    model: ModelShape
    tokenizer: str
    optimizer: Optimizer
    stages: Annotated[list[StageSlice], Field(min_length=1)]


class KeepingSlice(Strict):
    """Which checkpoints of a phase are kept. It decides nothing of the result; a change of it trains nothing again."""

    every_tokens: int | None = None
    """The first after every so many slots of the run; none for no such."""
    at_tokens: list[int] = Field(default_factory=list)
    """And the first after so many slots of the phase each: where other runs branch off."""


class AverageSlice(Strict):
    """What decides which checkpoints of a phase a model is the mean of."""

    at_tokens: list[int]
    """The first after so many slots of the phase each, rising; the last is where the phase ends."""


class EvaluationSlice(Strict):
    """What decides the measurements on a finished run, besides its checkpoint and the held-out shards."""

    run: str
    seed: int
    model: ModelShape
    tokenizer: str
    lengths: list[int]
    rows: int
    masking_rate: float
    context_documents: int
    pseudo_perplexity_tokens: int
    rope_theta: float
    """RoPE theta of the global layers in the last stage; the local layers' is in `model`."""
    languages: dict[str, list[str]]
    """Language -> sources of all mixtures in the run's lineage, sorted."""
    sources: dict[str, str]
    """The same turned round: source -> language."""
    prompts: dict[str, str]
    components: list[Component]
    """Components of the first stage, for the unigram baseline."""
    lineage: list[tuple[str, str]]
    """(run that owns the phase, phase), from the first phase on."""


class ValidationSlice(Strict):
    """What is measured while a run trains. It decides nothing of the result; a change of it trains nothing again."""

    every_tokens: int | None = None
    """Slots of training between two measurements; none for never."""
    rows: int = 0
    """At most so many rows of each language."""
    length: int = 0
    """Slots of a row."""
    seed: int = 0
    masking_rate: float = 0.0
    languages: dict[str, list[str]] = Field(default_factory=dict)
    """Language -> sources of the run."""


class StatisticsSlice(Strict):
    """What statistics of the text are told of, besides the slices of phases and the text. It decides nothing else."""

    sources: dict[str, list[str]]
    """Source -> tokenizers that turn it into ids."""
    runs: dict[str, list[tuple[str, str]]]
    """Run -> (run that owns the phase, phase), from the first phase on."""
    words: int
    remove: bool
    sets: list[str]
    """Fields as in `recipe.duplicates.Contamination`; of sets, their names."""
    max_epochs: float | None
    """Fields as in `recipe.duplicates.Warnings`."""


class FertilitySlice(Strict):
    """What decides a tokenizer's fertility, besides the tokenizer and the held-out documents."""

    seed: int
    sources: dict[str, str]
    """Source -> language; all that a run is trained on."""


class RetrievalSlice(Strict):
    """What decides how an encoder learns to retrieve, besides its learning rate. Fields as in `Retrieval`."""

    seed: int
    train: list[Pairs]
    dev: RetrievalTask
    epochs: int
    batch: int
    length: int
    warmup: float


class RetrievalTaskSlice(RetrievalTask):
    """What decides a measurement of retrieval, besides the system."""

    name: str
    seed: int


class QuestionsSlice(Strict):
    """What decides the questions that are made from a source, besides its documents and the tokenizer."""

    source: str
    seed: int
    train: int
    dev: int
    test: int
    edges: list[int]
    """Tokens, rising, that part the stretches in which evidence stands, besides 0; contexts are as long as the last."""


class UnderstandingSlice(LabelledExamples):
    """What decides a measurement of understanding, besides the encoder. Fields as in `Understanding`."""

    name: str
    seed: int
    learning_rates: list[float]
    seeds: int
    epochs: int
    batch: int
    length: int
    warmup: float


class EuroEvalSlice(Strict):
    """What decides a measurement by EuroEval, besides the encoder. Fields as in `EuroEval`."""

    name: str
    seed: int
    iterations: int
    local: LocalDataset | None = None
    """Files of the data set; none for one of EuroEval's own."""


class ComparisonSlice(Strict):
    """What decides a comparison of runs, besides their results."""

    seed: int
    reference: str
    """Run that the others are compared with."""
    runs: dict[str, str]
    """Run -> the run that it is a seed of, itself where it is none; in the recipe's order."""
    retrieval: dict[str, list[str]]
    """Task -> runs that are measured on it."""
    understanding: dict[str, list[str]]
    """Likewise."""
    euroeval: dict[str, list[str]]
    """Data set -> likewise."""

    def tasks(self) -> dict[str, dict[str, list[str]]]:
        """Return kind of tasks -> task -> runs."""
        return {"retrieval": self.retrieval, "understanding": self.understanding, "euroeval": self.euroeval}
