"""The files of a finished workflow, read for the people who come after it: report, model card, closing summary.

Nothing is measured here and nothing is kept: every number comes from a file below `results/`, and a file that lacks one
is named in the error. Reading needs neither torch nor matplotlib.

    recipe/evaluation/{run}.json    the lineage of a run             runs/{run}/{phase}/    checkpoint.json, metrics
    recipe/notes.json               what each source is              evaluation/{run}/      mlm, fill_mask
    recipe/publish.json             the licence of the weights
    corpus/{source}/manifest.json   documents read, kept, dropped    models/{run}/          weights and configuration
    tokenizers/, rows/              vocabulary; rows and their fill
    statistics.json                 what each step of cleaning took, how often runs read the rest

Fertility and retrieval, of which a file may tell that it was not measured, are read beside (`workflow.report`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open

from common.errors import UserError
from common.files import read_json
from recipe.hub import address_of, is_on_hub
from recipe.publish import Publish
from recipe.reading import read_recipe
from recipe.schema import Recipe
from recipe.slices.files import read_slice
from recipe.slices.types import EvaluationSlice, PhaseSlice, SourceSlice
from workflow.report.metrics import Metrics, read_metrics

MANIFEST = (
    "language",
    "splits",
    "read",
    "dropped",
    "dropped_bytes",
    "changed",
    "cut_bytes",
    "removed",
    "rejected",
)
"""What is read of a manifest of documents."""
CLEAR = 2.0
"""Standard errors by which a loss must lie below the baseline to be clearly below it."""


@dataclass(frozen=True)
class PhaseResult:
    """A finished phase."""

    run: str
    """The run that owns it; others may branch off after it."""
    phase: str
    slice: PhaseSlice
    metrics: Metrics
    drawn: dict[str, int]
    """Source -> real tokens trained on."""
    step: int
    """Optimizer steps of the lineage at its end; `slots` likewise."""
    slots: int
    world_size: int
    versions: dict[str, str]
    stretches: list[dict[str, Any]]
    """What led to it from the first step of the run on, as `model.history.stretches` tells it."""
    checkpoint: str
    """Directory of the last checkpoint below `results`."""
    history: str
    """What led to that checkpoint, whoever trained it and on how many processes: docs/formats.md, "A phase"."""
    manifest_sha256: str

    @property
    def name(self) -> str:
        """The directory below `results/runs`."""
        return f"{self.run}/{self.phase}"

    def drawn_shares(self) -> dict[str, float]:
        """Return source -> share of the real tokens trained on."""
        total = sum(self.drawn.values())
        return {source: tokens / total for source, tokens in self.drawn.items()}


@dataclass(frozen=True)
class HeldOut:
    """A row of mlm.json: one language at one length."""

    language: str
    length: int
    rows: int
    masked: int
    loss: float
    """Nats per masked token; so is `unigram_loss`."""
    loss_stderr: float | None
    accuracy: float
    unigram_loss: float
    sources: list[dict[str, Any]]
    """The same for each source, by `source`."""
    positions: list[dict[str, Any]]
    """The same for the masked tokens at `begin` to `end` of their piece."""

    @property
    def interval(self) -> tuple[float, float]:
        """The loss less and plus `CLEAR` standard errors."""
        error = CLEAR * (self.loss_stderr or 0.0)
        return self.loss - error, self.loss + error

    @property
    def verdict(self) -> str:
        """Whether the loss is below the baseline: `yes`, `no`, or `unclear` within `CLEAR` standard errors of it."""
        margin = self.unigram_loss - self.loss
        if self.loss_stderr is None or abs(margin) <= CLEAR * self.loss_stderr:
            return "unclear"
        return "yes" if margin > 0 else "no"


@dataclass(frozen=True)
class PseudoPerplexity:
    """A row of pseudo_perplexity.json: a language, or one of its sources."""

    language: str
    source: str | None
    tokens: int
    loss: float
    """Nats per token."""
    loss_stderr: float | None
    pseudo_perplexity: float
    bits_per_byte: float


@dataclass(frozen=True)
class FillMask:
    """A row of fill_mask.json."""

    language: str
    prompt: str
    predictions: list[dict[str, Any]]
    """{"token", "probability"}, likeliest first."""

    def parts(self) -> tuple[str, str, str]:
        """Return what stands before the likeliest token, the token, and what follows.

        The mask takes the space before it, so that a token without one continues the word before.
        """
        before, _, after = self.prompt.partition("[MASK]")
        token = self.predictions[0]["token"]
        return before if token[:1].isspace() else before.rstrip(), shown(token), after


@dataclass(frozen=True)
class ModelFiles:
    """An exported model."""

    parameters: int
    bytes: int
    """Of all its files."""
    config: dict[str, Any]


@dataclass(frozen=True)
class Source:
    """What became of the documents of a source."""

    name: str
    language: str
    note: str
    made: bool
    """Whether a program made the text, as the recipe says."""
    manifest: dict[str, Any]

    @property
    def lost(self) -> dict[str, int]:
        """Reason -> documents dropped or records rejected."""
        return {**self.manifest["dropped"], **self.manifest["rejected"]}

    def total(self, what: str) -> int:
        """Return `documents`, `bytes` or `words` over all splits."""
        return sum(int(split[what]) for split in self.manifest["splits"].values())


Row = TypeVar("Row", HeldOut, PseudoPerplexity, FillMask)


def shown(token: str) -> str:
    """Return a token as it can be read: without white space around it, or a sign for a space if it is nothing else."""
    return " ".join(token.split()) or "␣"


class Results:
    """What lies below a directory `results`."""

    def __init__(self, folder: Path) -> None:
        """Look below `folder`; nothing is read yet."""
        self.folder = folder
        self._phases: dict[tuple[str, str], PhaseResult] = {}

    def finished_runs(self) -> list[str]:
        """Return the runs of the recipe that have a model, sorted by name; `UserError` if there are none."""
        slices = sorted(path.stem for path in (self.folder / "recipe" / "evaluation").glob("*.json"))
        runs = [run for run in slices if (self.folder / "models" / run / "config.json").is_file()]
        if not runs:
            raise UserError(f"{self.folder} holds no finished model; run Snakemake first, or look elsewhere.")
        return runs

    def lineage(self, run: str) -> EvaluationSlice:
        """Return the slice that says how a run was trained and measured."""
        return read_slice(self.folder / "recipe" / "evaluation" / f"{run}.json", EvaluationSlice)

    def phases(self, run: str) -> list[PhaseResult]:
        """Return the phases of a run's lineage, the first one first; each is read once, however many runs share it."""
        for place in (way := self.lineage(run).lineage):
            if place not in self._phases:
                self._phases[place] = self._phase(*place)
        return [self._phases[place] for place in way]

    def held_out(self, run: str) -> list[HeldOut]:
        """Return held-out losses per language and length."""
        return self._rows(run, "mlm", HeldOut)

    def recipe(self) -> Recipe:
        """Return the recipe."""
        return read_recipe(self.folder / "recipe" / "recipe.json")

    def tested(self) -> list[str]:
        """Return the runs that the recipe names to be measured on the test split."""
        return list(dict.fromkeys(self.recipe().evaluation.test))

    def test(self, run: str) -> tuple[list[HeldOut], int]:
        """Return the losses of a run on the test split, and how many models had been measured on it by then."""
        measured_on = self._json(f"evaluation/{run}/test.json", "measured_on")["measured_on"]
        return self._rows(run, "test", HeldOut), int(measured_on["uses"])

    def unmeasured(self, run: str) -> list[str]:
        """Return which languages and lengths have no held-out loss, in words."""
        places = self._json(f"evaluation/{run}/mlm.json").get("unmeasured", [])
        return [f"{place['language']} at {place['length']} tokens ({place['reason']})" for place in places]

    def pseudo_perplexity(self, run: str) -> list[PseudoPerplexity]:
        """Return pseudo-perplexities per language, and per source of it; none if none are asked for."""
        asked = self.lineage(run).pseudo_perplexity_tokens
        return self._rows(run, "pseudo_perplexity", PseudoPerplexity) if asked else []

    def overlap(self, run: str) -> list[dict[str, Any]]:
        """Return how much of the held-out text of a run's sources stands in training text, by source and split."""
        own = self.lineage(run)
        content = self._json(f"evaluation/overlap/{own.tokenizer}.json", "rows")
        return [row for row in content["rows"] if row["source"] in own.sources]

    def fill_mask(self, run: str) -> list[FillMask]:
        """Return what the model puts into the prompts' blanks, if there are any."""
        return self._rows(run, "fill_mask", FillMask) if self.lineage(run).prompts else []

    def measured_on(self, run: str) -> dict[str, Any]:
        """Return what the held-out losses were measured on."""
        return dict(self._json(f"evaluation/{run}/mlm.json", "measured_on")["measured_on"])

    def model(self, run: str) -> ModelFiles:
        """Return the size of an exported model; a matrix that is used twice is counted once."""
        folder = self.folder / "models" / run
        path = folder / "model.safetensors"
        try:
            with safe_open(path, framework="numpy") as tensors:
                shapes = [tensors.get_slice(name).get_shape() for name in tensors.keys()]  # noqa: SIM118 (no mapping)
        except (OSError, SafetensorError):
            raise UserError(f"{path} is missing or damaged; delete {folder} and run Snakemake again.") from None
        size = sum(file.stat().st_size for file in folder.iterdir() if file.is_file())
        return ModelFiles(sum(int(np.prod(shape)) for shape in shapes), size, read_json(folder / "config.json"))

    def sources(self, runs: Sequence[str]) -> list[Source]:
        """Return the sources that the runs were trained on, by language and name."""
        notes = read_json(self.folder / "recipe" / "notes.json")
        names = {name for run in runs for name in self.lineage(run).sources}
        manifests = {name: self._json(f"corpus/{name}/manifest.json", *MANIFEST) for name in names}
        told = {name: notes.get(name, {"note": "", "made": False}) for name in manifests}
        found = [
            Source(name, content["language"], told[name]["note"], told[name]["made"], content)
            for name, content in manifests.items()
        ]
        return sorted(found, key=lambda source: (source.language, source.name))

    def publish(self) -> Publish:
        """Return what the recipe says of the licence."""
        return read_slice(self.folder / "recipe" / "publish.json", Publish)

    def hub_datasets(self, run: str) -> list[str]:
        """Return the data sets on the hub that a run's sources are of, sorted."""
        names = self.lineage(run).sources
        slices = [read_slice(self.folder / "recipe" / "source" / f"{name}.json", SourceSlice) for name in names]
        return sorted({address_of(file).repository for one in slices for file in one.files if is_on_hub(file)})

    def statistics(self) -> dict[str, Any]:
        """Return what was removed of the text, and how often runs read what is left."""
        keys = ("sources", "languages", "contamination", "phases", "runs", "max_epochs", "warning")
        return self._json("statistics.json", *keys)

    def tokenizer(self, name: str) -> dict[str, Any]:
        """Return the manifest of a tokenizer."""
        return self._json(f"tokenizers/{name}/manifest.json", "vocabulary", "padded_vocabulary", "fingerprint")

    def entries_missing(self, name: str) -> str:
        """Return in words how many entries of a tokenizer the recipe asked for and did not get; empty if it got all."""
        asked = self._json(f"recipe/tokenizer/{name}.json", "vocabulary")["vocabulary"]
        got = self.tokenizer(name)["vocabulary"]
        return f"{asked:,} were asked for, but its sample yields no more merges" if got < asked else ""

    def rows(self, tokenizer: str, source: str, rowset: str) -> dict[str, Any]:
        """Return the index of a set of packed training rows."""
        place = f"rows/{tokenizer}/{source}/train/{rowset}/index.json"
        return self._json(place, "rows", "tokens", "length", "documents", "cut_documents")

    def _json(self, place: str, *keys: str) -> dict[str, Any]:
        """Read an object below the folder that has at least these keys."""
        path = self.folder / place
        content = read_json(path)
        missing = [key for key in keys if not isinstance(content, dict) or key not in content]
        if missing:
            raise UserError(f"{path} has no {missing[0]}; delete it and run Snakemake again to remake it.")
        return dict(content)

    def _rows(self, run: str, kind: str, row_type: type[Row]) -> list[Row]:
        place = f"evaluation/{run}/{kind}.json"
        names = [field.name for field in fields(row_type)]
        try:
            return [row_type(**{name: row[name] for name in names}) for row in self._json(place, "rows")["rows"]]
        except KeyError as error:
            path = self.folder / place
            raise UserError(f"{path}: a row has no {error.args[0]}; delete it and run Snakemake again.") from None

    def _phase(self, run: str, phase: str) -> PhaseResult:
        place = f"runs/{run}/{phase}"
        pointer = self._json(f"{place}/checkpoint.json", "checkpoint", "manifest_sha256", "slots")
        checkpoint = f"{place}/{pointer['checkpoint']}"
        state = self._json(f"{checkpoint}/state.json", "position", "slice", "world_size", "versions", "stretches")
        try:
            content = PhaseSlice.model_validate(state["slice"])
        except ValidationError:
            raise UserError(
                f"{self.folder / checkpoint}/state.json holds no slice of a phase; train it again."
            ) from None
        return PhaseResult(
            run=run,
            phase=phase,
            slice=content,
            metrics=read_metrics(self.folder / place / "metrics.jsonl"),
            drawn=state["position"]["drawn"],
            step=state["position"]["step"],
            slots=state["position"]["slots"],
            world_size=state["world_size"],
            versions=state["versions"],
            stretches=state["stretches"],
            checkpoint=checkpoint,
            history=state["position"]["history"],
            manifest_sha256=pointer["manifest_sha256"],
        )


def unique_phases(lineages: Iterable[Sequence[PhaseResult]]) -> list[PhaseResult]:
    """Return every phase once, in the order in which lineages first show it."""
    return list({phase.name: phase for phases in lineages for phase in phases}.values())
