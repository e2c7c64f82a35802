"""The typed recipe: the only reader of the YAML in `config/`.

A recipe says what is trained and from what; it never names a partition, a path of the cluster, or a number of devices.
Everything a stage needs of the recipe reaches it as a *slice*: a small JSON file that holds exactly what changes that
stage's result. A slice that stays the same keeps what was made from it.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[float, Field(gt=0.0)]
Count = Annotated[int, Field(gt=0)]


class Strict(BaseModel):
    """A part of the recipe: unknown keys are errors, and it does not change once read."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Filters(Strict):
    """Which documents of a source are kept; what is dropped is counted by reason."""

    min_characters: int = Field(default=1, ge=1)
    max_characters: Count | None = None
    min_words: int = Field(default=1, ge=1)
    max_words: Count | None = None
    min_scores: dict[str, float] = Field(default_factory=dict)
    """Score field -> smallest value kept. A document without the field is dropped and counted."""


class Source(Strict):
    """Documents of one language from one origin."""

    language: Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[a-z]{2,3})?$|^code$")]
    """ISO 639 code, a pair such as `en-fi` for translations, or `code`."""
    files: Annotated[list[str], Field(min_length=1)]
    """Paths or glob patterns below the working directory: .jsonl, .jsonl.gz, .jsonl.zst, .parquet."""
    text_field: str = "text"
    fraction: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    """Share of the documents kept, by a hash of the document."""
    held_out: Annotated[float, Field(ge=0.0, lt=0.5)] = 0.01
    """Share of the documents kept for validation, and again the same for test, by a hash of the document."""
    filters: Filters = Filters()
    max_rejected: Share = 0.01
    """Share of malformed records (bad JSON, bad UTF-8, no text) above which the stage fails."""
    note: str = ""
    """What this text is and its licence, for the report and the model card."""


class Tokenizer(Strict):
    """A byte-level BPE and the sample it is trained on."""

    vocabulary: Annotated[int, Field(ge=300)]
    """Entries to train, the five special tokens and the runs of spaces among them."""
    multiple: Count = 64
    """The model's vocabulary is `vocabulary` rounded up to a multiple of this."""
    sample_bytes: Count
    mixture: str


class Model(Strict):
    """Shape of a ModernBERT encoder."""

    tokenizer: str
    layers: Count
    hidden: Count
    heads: Count
    intermediate: Count
    global_every: Count = 3
    """Every n-th layer attends to the whole document, beginning with layer 0."""
    local_attention: Count = 128
    """Window of the other layers: half of it to either side."""
    local_rope_theta: Positive = 10_000.0
    norm_eps: Positive = 1e-5


class WordBin(Strict):
    """Documents of a range of whitespace-separated words, and the share of all drawn that they should be."""

    min_words: int = Field(default=0, ge=0)
    max_words: Count | None = None
    """Exclusive; none means no upper end."""
    share: Annotated[float, Field(gt=0.0, le=1.0)]


class Mixture(Strict):
    """Weights over sources. A source is drawn in proportion to factor x its tokens."""

    factors: Annotated[dict[str, Positive], Field(min_length=1)]
    word_bins: list[WordBin] = Field(default_factory=list)


class Batch(Strict):
    """Global batch in tokens (slots of packed rows), with an optional linear warm-up."""

    tokens: Count
    start_tokens: Count | None = None
    warmup_tokens: int = Field(default=0, ge=0)


class LearningRate(Strict):
    """Learning rate over the tokens of a stage."""

    peak: Positive
    warmup_tokens: int = Field(default=0, ge=0)
    shape: Literal["constant", "1-sqrt"] = "constant"
    final: Annotated[float, Field(ge=0.0)] = 0.0
    """What `1-sqrt` decays to."""


class Stage(Strict):
    """A stretch of training at one row length."""

    length: Annotated[int, Field(ge=8, le=65_535)]
    tokens: Count
    batch: Batch
    learning_rate: LearningRate
    rope_theta: Positive
    """RoPE theta of the layers that attend to the whole document."""
    mixture: str
    masking_rate: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.3


class Phase(Strict):
    """Stages trained one after the other; each stage's last checkpoint is kept."""

    stages: Annotated[list[Stage], Field(min_length=1)]


class Run(Strict):
    """A way through phases that ends in a model."""

    model: str | None = None
    phases: list[Name] = Field(default_factory=list)
    from_run: str | None = Field(default=None, alias="from")
    """Run whose training this one continues."""
    after: str | None = None
    """Phase of that run after which this one branches off."""


class Optimizer(Strict):
    """AdamW."""

    beta1: Share = 0.9
    beta2: Share = 0.98
    eps: Positive = 1e-6
    weight_decay: Annotated[float, Field(ge=0.0)] = 1e-6
    """Not applied to one-dimensional parameters."""
    gradient_clip: Positive = 1.0


class Evaluation(Strict):
    """What is measured on each finished model."""

    lengths: Annotated[list[Count], Field(min_length=1)]
    """Row lengths in tokens at which held-out loss and accuracy are measured."""
    rows: Count = 1000
    """At most so many held-out rows per language and length."""
    prompts: dict[str, str] = Field(default_factory=dict)
    """Language -> a sentence with one [MASK], filled in by each model for the report."""


class Recipe(Strict):
    """The whole recipe."""

    title: str
    seed: int = Field(default=42, ge=0, lt=2**63)
    sources: Annotated[dict[Name, Source], Field(min_length=1)]
    tokenizers: Annotated[dict[Name, Tokenizer], Field(min_length=1)]
    models: Annotated[dict[Name, Model], Field(min_length=1)]
    mixtures: Annotated[dict[Name, Mixture], Field(min_length=1)]
    phases: Annotated[dict[Name, Phase], Field(min_length=1)]
    runs: Annotated[dict[Name, Run], Field(min_length=1)]
    optimizer: Optimizer = Optimizer()
    evaluation: Evaluation
