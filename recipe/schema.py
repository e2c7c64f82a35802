"""What a recipe is made of: its parts, their keys, and the way of a run through phases.

These are types only. `recipe.reading` reads them from YAML, `recipe.checks` holds the rules that span several parts.
A budget of training is written in tokens and met in slots of packed rows, of which some in a thousand stay empty. What
stands below a key also describes it in the JSON Schema that editors read.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from recipe.cleaning import Cleaning
from recipe.comparison import Comparison
from recipe.duplicates import AcrossSources, Contamination, Duplicates
from recipe.evaluation import Evaluation
from recipe.hub import checked
from recipe.publish import Publish
from recipe.types import (
    Beta,
    Count,
    Engine,
    GridValue,
    Language,
    Name,
    NotNegative,
    Objective,
    Positive,
    PositiveShare,
    Rate,
    Share,
    Size,
    Strict,
    Text,
    number,
)
from recipe.warning import Warnings


def _one_or_more(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


TextFields = Annotated[
    list[Text], Field(min_length=1), BeforeValidator(_one_or_more, json_schema_input_type=Text | list[Text])
]


class Filters(Strict):
    """Which documents of a source are kept; what is dropped is counted by reason."""

    min_characters: Count = 1
    """Characters of the shortest document kept."""
    max_characters: Count | None = None
    """Characters of the longest document kept."""
    min_words: Count = 1
    """The shortest in words between spaces."""
    max_words: Count | None = None
    """The longest in words between spaces."""
    min_scores: dict[str, Annotated[float, BeforeValidator(number)]] = Field(default_factory=dict)
    """Score field, by name or path (`doc_scores.0`) -> smallest value kept; without a number, documents are dropped."""
    allowed_values: dict[str, list[Text]] = Field(default_factory=dict)
    """Field, by name or path (`metadata.lid`) -> the values of documents that are kept, such as names of a language."""


class Documents(Strict):
    """Which documents are read and kept: what of a source changes what is made from it."""

    language: Language
    """ISO 639 code, a pair such as `en-fi` for translations, or `code`."""
    files: Annotated[list[Annotated[Text, AfterValidator(checked)]], Field(min_length=1)]
    """Paths or patterns below the working directory, or `hf://datasets/…` on the hub: JSON, text, Parquet, Arrow."""
    plain_text: Literal["line", "blank-line", "file"] = "line"
    """What a document of plain text is: a `line`, what stands between `blank-line`s, or a whole `file`."""
    text_field: TextFields = Field(default_factory=lambda: ["text"])
    """Field that holds the text: its name, or a path to it, as `translation.fi`. Of several, their texts are joined."""
    id_field: Text = "id"
    """Field that holds what a document is called, by name or path; where it is missing, file and line are taken."""
    fraction: PositiveShare = 1.0
    """Share of the documents kept, by a hash of the document."""
    held_out: Annotated[float, Field(ge=0.0, lt=0.5), BeforeValidator(number)] = 0.01
    """Share of the documents kept for validation, and again the same for test, by a hash of the document."""
    cleaning: Cleaning = Cleaning()
    """What is done to each document before."""
    filters: Filters = Filters()
    """Which documents are dropped."""
    max_rejected: Share = 0.01
    """Share of malformed records (bad JSON, bad UTF-8, no text) above which the stage fails."""


class Source(Documents):
    """Documents of one language from one origin."""

    duplicates: Duplicates = Duplicates()
    """Which documents are given up for others, of this source or another one."""
    note: Text = ""
    """What this text is and its licence, for the report and the model card."""
    made: bool = False
    """Whether a program made the text: report and card mark its numbers, which say nothing about the language."""


class Tokenizer(Strict):
    """A byte-level BPE and the sample it is trained on, or the tokenizer of a model that is there."""

    from_directory: Text | None = Field(default=None, alias="from")
    """Directory whose tokenizer.json it is; what a tokenizer is trained by is left out then."""

    vocabulary: Annotated[int, Field(ge=300, lt=2**31), BeforeValidator(number)]
    """Entries to train, the five special tokens and the runs of spaces among them."""
    multiple: Count = 64
    """The model's embedding has `vocabulary` rows, rounded up to a multiple of this."""
    sample_bytes: Count | None = None
    """Bytes of UTF-8 text it is trained on."""
    word_bytes: Annotated[int, Field(gt=0, lt=2**30), BeforeValidator(number)] = 100_000_000
    """Bytes of distinct words held at most, each some 30 bytes of memory; beyond, the rarest are left out and told."""
    mixture: Text | None = None
    """Mixture the sample is drawn by, factor x bytes of each source."""
    objective: Objective = "classical"
    """Whose best pair each merge is: all text's together, or the language's with the most tokens a byte (`parity`)."""
    engine: Engine = "tokie"
    """What turns text into ids. All give the same ids, which is checked on a sample; `tokenizers` is the reference."""


class ModelShape(Strict):
    """Shape of a ModernBERT encoder, but for its vocabulary, of the tokenizer, and its global theta, of the stage."""

    layers: Count
    """Transformer layers."""
    hidden: Count
    """Dimensions of a token between layers."""
    heads: Count
    """Attention heads; `hidden` must divide by them into an even number, 64 is usual."""
    intermediate: Count
    """Dimensions inside a feed-forward layer, after its gate; 1.5 to 2.6 times `hidden` is usual."""
    global_every: Count = 3
    """Every n-th layer attends to the whole document, beginning with layer 0."""
    local_attention: Count = 128
    """Window of the other layers: half of it to either side."""
    local_rope_theta: Positive = 10_000.0
    """RoPE theta of those layers."""
    norm_eps: Positive = 1e-5
    """Added to the variance in LayerNorm."""


class Start(Strict):
    """Weights to begin training with, in place of random ones: of one of the two."""

    directory: Text | None = None
    """A ModernBERT of the same shape, as transformers keeps it: configuration, safetensors and tokenizer.json."""
    run: Text | None = None
    """Run of this recipe whose exported model, smaller or of the same shape, is tiled into this shape."""


class Model(ModelShape):
    """Shape of a ModernBERT encoder, with its tokenizer."""

    tokenizer: Text
    """Tokenizer whose vocabulary the model has."""
    start: Start | None = None
    """Weights that its runs begin with; random ones if not given."""


class WordBin(Strict):
    """Documents of a range of whitespace-separated words, and the share of all drawn that they should be."""

    min_words: Size = 0
    """Fewest words between spaces."""
    max_words: Count | None = None
    """Exclusive; none means no upper end."""
    share: PositiveShare
    """Wanted share of all tokens drawn, relative to the sum of the shares."""


class Mixture(Strict):
    """Weights over sources. A source is drawn in proportion to factor x its tokens."""

    factors: Annotated[dict[Text, Positive], Field(min_length=1)]
    """Source -> how often it is read, relative to the others."""
    word_bins: list[WordBin] = Field(default_factory=list)
    """Draw documents by their length in words: the shares count relative to their sum."""
    language_shares: dict[Language, PositiveShare] = Field(default_factory=dict)
    """Language -> share of all tokens drawn, whatever its sources hold; factors count within a language then."""


class Batch(Strict):
    """Global batch, with an optional warm-up that is linear in steps."""

    tokens: Count
    """Slots in one optimizer step."""
    start_tokens: Count | None = None
    """Slots in the first step, where there is a warm-up."""
    warmup_steps: Size = 0
    """Steps over which the batch grows from `start_tokens`; the step after them is the first of `tokens`."""


def _each_once(changes: Any) -> Any:
    """Tell a number that is a key twice, as 1e9 and 1_000_000_000: one of the two would be lost without a word."""
    if isinstance(changes, dict) and len({number(key) for key in changes}) < len(changes):
        raise ValueError("names the same slots twice; keep one of them")
    return changes


class LearningRate(Strict):
    """Learning rate over a stage."""

    peak: Positive
    """The largest rate."""
    warmup_steps: Size = 0
    """Steps over which the rate rises linearly from 0; the step after them is the first at `peak`."""
    shape: Literal["constant", "1-sqrt"] = "constant"
    """After the warm-up: `constant`, or `1-sqrt`, which falls as 1 minus the square root of the share done."""
    final: NotNegative = 0.0
    """What `1-sqrt` decays to."""
    changes: Annotated[dict[Count, Positive], BeforeValidator(_each_once)] = Field(default_factory=dict)
    """Slots of the stage -> peak from the first step on that begins there or later; steps before stay as they are."""


class Stage(Strict):
    """A stretch of training at one row length."""

    length: Annotated[int, Field(ge=8, le=65_535), BeforeValidator(number)]
    """Slots in a packed row; longer documents are cut."""
    tokens: Count
    """How long the stage is, in slots; it ends with the whole batch that reaches them."""
    batch: Batch
    """Global batch; how many processes share it changes nothing."""
    learning_rate: LearningRate
    """Over the stage."""
    rope_theta: Positive
    """RoPE theta of the layers that attend to the whole document."""
    mixture: Text
    """Mixture it reads."""
    masking_rate: Rate = 0.3
    """Share of the tokens to be predicted."""
    until: Count | None = None
    """Ends the stage with the batch that reaches so many slots of it, in the middle of its schedule."""
    skip_rows: list[tuple[Size, Size]] = Field(default_factory=list)
    """First and last of global rows that are not trained on, numbered as metrics and messages number them."""


class Phase(Strict):
    """Stages trained one after the other; each stage's last checkpoint is kept."""

    stages: Annotated[list[Stage], Field(min_length=1)]
    """Stages in order."""


def _point(value: Any) -> Any:
    return {"phase": value} if isinstance(value, str) else value


class BranchPoint(Strict):
    """Where in the way of another run a run branches off."""

    phase: Text
    """Phase after which, or in which."""
    tokens: Count | None = None
    """Slots of that phase after which; its end if not given."""


class Optimizer(Strict):
    """How gradients become updates."""

    name: Literal["adamw", "stable_adamw", "muon"] = "adamw"
    """AdamW; AdamW with shorter steps where a gradient exceeds its average; or momentum made orthogonal."""
    beta1: Beta = 0.9
    """Decay of the average of the gradient."""
    beta2: Beta = 0.98
    """Decay of the average of its square."""
    eps: Positive = 1e-6
    """Added to the root of the latter."""
    weight_decay: NotNegative = 1e-6
    """Not applied to one-dimensional parameters."""
    gradient_clip: Positive | None = 1.0
    """Largest norm of the gradient over all parameters; None: it is not clipped."""
    momentum: Beta = 0.95
    """Of Muon, decay of the average of the gradient of a hidden matrix."""
    rest_rate_factor: Positive = 1.0
    """Of Muon, the rate at which AdamW trains embeddings, norms and biases, as a share of the stage's."""


class Average(Strict):
    """Checkpoints whose weights are averaged: those at the end of a run's last phase, at equal distances."""

    checkpoints: Annotated[int, Field(ge=2, lt=2**31), BeforeValidator(number)]
    """How many, the last one among them."""
    every_tokens: Count
    """Slots between two of them."""


class Run(Strict):
    """A way through phases that ends in a model."""

    model: Text | None = None
    """Shape to begin with; a run that continues another has that run's."""
    phases: list[Text] = Field(default_factory=list)
    """Phases in order; may be empty for a run that only names a point of another."""
    from_run: Text | None = Field(default=None, alias="from")
    """Run whose training this one continues."""
    after: Annotated[BranchPoint, BeforeValidator(_point, json_schema_input_type=Text | BranchPoint)] | None = None
    """Phase of that run after which this one branches off, or a point in it; its last phase if not given."""
    optimizer: Optimizer | None = None
    """The recipe's if not given; a run that continues another has that run's."""
    seed: Size | None = None
    """The recipe's if not given; a run that continues another has that run's."""
    seeds: Count | None = None
    """Stands for so many runs that differ in the seed alone, from this one's on."""
    grid: dict[Text, Annotated[list[GridValue], Field(min_length=1)]] = Field(default_factory=dict)
    """Stands for a run with each value of a stage's key, in all stages of its phases, of `model` or `optimizer.…`."""
    average: Average | None = None
    """Its model is the mean of some checkpoints of its last phase; the last one alone if not given."""
    seed_of: Name | None = None
    """Run that this one differs from in the seed alone."""


class Checkpoints(Strict):
    """Which checkpoints are kept, besides the newest two of a phase and the last of each stage."""

    keep_every_tokens: Count | None = None
    """The first after every so many slots of a run, to go back to or to branch off from; none if not given."""


class Recipe(Strict):
    """The whole recipe."""

    title: Text
    """Name of the whole, for the report and the model cards."""
    seed: Size = 42
    """Seed of the initial weights, the order of the data and the masks."""
    sources: Annotated[dict[Name, Source], Field(min_length=1)]
    """Name -> documents of one language from one origin."""
    duplicates: AcrossSources = AcrossSources()
    """How they are found in all sources together, and which copy stays."""
    contamination: Contamination = Contamination()
    """What is done about held-out text that stands in training text."""
    tokenizers: Annotated[dict[Name, Tokenizer], Field(min_length=1)]
    """Name -> tokenizer."""
    models: Annotated[dict[Name, Model], Field(min_length=1)]
    """Name -> shape of an encoder."""
    mixtures: Annotated[dict[Name, Mixture], Field(min_length=1)]
    """Name -> weights over sources."""
    phases: Annotated[dict[Name, Phase], Field(min_length=1)]
    """Name -> stages trained one after the other."""
    runs: Annotated[dict[Name, Run], Field(min_length=1)]
    """Name -> a way through phases that ends in one model."""
    optimizer: Optimizer = Optimizer()
    """Of all runs that do not say their own."""
    checkpoints: Checkpoints = Checkpoints()
    """Which are kept. It decides nothing of what is trained."""
    warnings: Warnings = Warnings()
    """What a person is warned of."""
    publish: Publish = Publish()
    """The licence that model cards name."""
    evaluation: Evaluation
    """What is measured on each model."""
    comparison: Comparison = Comparison()
    """What the runs are compared with."""


def adopted_tokenizers(recipe: Recipe) -> list[str]:
    """Return the tokenizers that are taken from a directory; the others are trained."""
    return [name for name, tokenizer in recipe.tokenizers.items() if tokenizer.from_directory is not None]


def lineage(recipe: Recipe, run: str) -> list[tuple[str, str]]:
    """Return the way of a run as (run that owns the phase's directory, phase), from the first phase on.

    Raises:
        ValueError: if the run's ancestors form a cycle or branch off after a phase that is not there.
        KeyError: if the run, or one it comes from, is not in the recipe.
    """
    way: list[tuple[str, str]] = []
    for owner in ancestry(recipe, run):
        branch = recipe.runs[owner]
        if (after := branch.after) is not None:
            place = [phase for _, phase in way].index(after.phase)
            # Up to a point within it, the phase is one of the branch's own.
            way = [*way[:place], way[place] if after.tokens is None else (owner, after.phase)]
        way += [(owner, phase) for phase in branch.phases]
    return way


def ancestry(recipe: Recipe, run: str) -> list[str]:
    """Return the runs that lead to `run`, the first ancestor first and `run` last.

    Raises:
        ValueError: if they form a cycle; the text shows it.
        KeyError: if one of them is not in the recipe.
    """
    chain = [run]
    while (parent := recipe.runs[chain[-1]].from_run) is not None:
        if parent in chain:
            raise ValueError(" -> ".join([*chain[chain.index(parent) :], parent]))
        chain.append(parent)
    return chain[::-1]
