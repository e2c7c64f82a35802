"""Held-out masked-language-modelling loss and accuracy, per language and row length, beside a unigram baseline.

The way of a measurement: the validation rows of a language's sources at one length -> rows taken from the sources in
turn, at most as many as the recipe says -> masked, as a function of (seed, source, length, row) -> the exported encoder
-> the loss of every masked token -> their mean, the share guessed right, and the spread over rows.

Losses are in nats per masked token, every masked token counting the same. They compare between models of one tokenizer
only; between tokenizers compare how far each is below its own baseline, the loss of guessing by frequency alone.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from tokenizers import Tokenizer

from common.errors import UserError, run_command
from common.files import sha256_of, write_json
from corpus.rows.permutation import derive_key
from corpus.rows.store import RowReader, read_index, read_list, verify
from corpus.tokens.ids import count_unigrams, read_shards
from corpus.tokens.special import FIRST_ORDINARY
from model.batch import flatten
from model.export import load_encoder
from model.masking import MaskedRow, mask_row
from model.modernbert import ModernBert
from recipe.slices import EvaluationSlice, read_slice

COMMAND = "python -m evaluation.masked.mlm"
FORMAT = 1
TOKENS_PER_FORWARD = 8192
"""Rows are computed together up to about this many tokens; bounds the memory that logits take."""


class HeldOutRow(NamedTuple):
    """A validation row as the encoder sees it."""

    masked: MaskedRow
    lengths: NDArray[np.int64]
    """int64[p], tokens of each piece."""


class RowScores(NamedTuple):
    """What an encoder made of rows, one entry a row."""

    tokens: NDArray[np.int64]
    masked: NDArray[np.int64]
    loss: NDArray[np.float64]
    """Sum over the row's masked tokens, nats."""
    correct: NDArray[np.int64]
    unigram_loss: NDArray[np.float64]
    """Sum over the row's masked tokens, nats."""


@dataclass(frozen=True)
class Score:
    """One line of mlm.json."""

    language: str
    length: int
    rows: int
    tokens: int
    masked: int
    loss: float
    """Nats per masked token."""
    loss_stderr: float | None
    """Standard error of `loss` over rows; none for a single row."""
    accuracy: float
    unigram_loss: float


@dataclass(frozen=True)
class Unmeasured:
    """A language and length of the recipe that could not be measured."""

    language: str
    length: int
    reason: str


def held_out_rows(
    readers: Mapping[str, RowReader], limit: int, length: int, seed: int, rate: float, vocabulary: int
) -> list[HeldOutRow]:
    """Take rows from the sources in turn, sources in the order of their names, and mask them.

    Args:
        readers: source -> its validation rows.
        limit: at most so many rows in all.
        length: tokens of the rows; with seed and source it chooses the masks.
        seed: of the recipe.
        rate: share of ordinary tokens to mask.
        vocabulary: entries of the tokenizer.
    """
    turns = itertools.zip_longest(*([(source, i) for i in range(readers[source].rows)] for source in sorted(readers)))
    taken = itertools.islice((place for turn in turns for place in turn if place), limit)
    rows = []
    for source, number in taken:
        tokens, lengths = readers[source].row(number)
        key = derive_key(seed, "evaluation", source, length)
        rows.append(HeldOutRow(mask_row(tokens, number, key, rate, vocabulary), lengths.astype(np.int64)))
    return rows


def unigram_losses(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return -log p of each ordinary token, float64[vocabulary - FIRST_ORDINARY], by add-one-smoothed frequency.

    Args:
        counts: int64[vocabulary], how often each id occurs; those of special ids do not count.
    """
    smoothed = counts[FIRST_ORDINARY:].astype(np.float64) + 1
    losses: NDArray[np.float64] = np.log(smoothed.sum()) - np.log(smoothed)
    return losses


@torch.inference_mode()
def score_rows(
    encoder: ModernBert, rows: Sequence[HeldOutRow], unigram: NDArray[np.float64], device: torch.device
) -> RowScores:
    """Measure an encoder, already on `device`, on masked rows; `unigram` as `unigram_losses` returns it."""
    parts = []
    for batch in _batches(rows):
        sizes = np.array([len(row.masked.inputs) for row in batch])
        counts = np.array([len(row.masked.labels) for row in batch])
        flat = flatten([row.masked for row in batch], [row.lengths for row in batch])
        baseline = unigram[flat.labels.numpy() - FIRST_ORDINARY]
        here = flat.to(device)
        logits = encoder(here.tokens, here.cu_seqlens, here.positions)
        loss = F.cross_entropy(logits.float(), here.labels, reduction="none").double().cpu().numpy()
        correct = (logits.argmax(-1) == here.labels).cpu().numpy()
        row_of = np.repeat(np.arange(len(batch)), counts)
        parts.append((sizes, counts, *(np.bincount(row_of, x, len(batch)) for x in (loss, correct, baseline))))
    tokens_, masked, loss, correct, baseline = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return RowScores(tokens_, masked, loss, correct.astype(np.int64), baseline)


def ratio_stderr(sums: NDArray[np.float64], counts: NDArray[np.int64]) -> float | None:
    """Return the standard error of sum(sums) / sum(counts) over rows drawn at random; None for a single row.

    The ratio estimator's, for both vary from row to row (Cochran 1977, Sampling Techniques, section 2.11).
    """
    if len(sums) < 2:
        return None
    residuals = sums - sums.sum() / counts.sum() * counts
    return float(np.sqrt(len(sums) / (len(sums) - 1) * (residuals**2).sum()) / counts.sum())


def summary(language: str, length: int, scores: RowScores) -> Score:
    """Return the score of a language at one length; at least one token must be masked."""
    masked = int(scores.masked.sum())
    return Score(
        language=language,
        length=length,
        rows=len(scores.masked),
        tokens=int(scores.tokens.sum()),
        masked=masked,
        loss=float(scores.loss.sum() / masked),
        loss_stderr=ratio_stderr(scores.loss, scores.masked),
        accuracy=float(scores.correct.sum() / masked),
        unigram_loss=float(scores.unigram_loss.sum() / masked),
    )


class EvaluationRows:
    """The rows that a model is measured on, and the token counts it is compared with, checked against its tokenizer."""

    def __init__(self, rows: Path, baseline: Sequence[Path], tokenizer: Path) -> None:
        """Open validation rows and count the baseline's tokens.

        Args:
            rows: rows.json of the evaluation.
            baseline: manifest.json of the token shards whose train split the baseline counts.
            tokenizer: tokenizer.json of the model.

        Raises:
            UserError: if rows or shards are of another split or tokenizer, or damaged.
        """
        self.fingerprint = sha256_of(tokenizer)
        self.vocabulary: int = Tokenizer.from_file(str(tokenizer)).get_vocab_size()
        self._readers: dict[tuple[str, int], dict[str, RowReader]] = {}
        self._counts: dict[str, NDArray[np.int64]] = {}
        for path in read_list(rows).values():
            index = self._checked(path, read_index(path))
            if index["split"] != "validation":
                raise UserError(f"{path} holds rows of the {index['split']} split; give a list of validation rows.")
            verify(path)
            place = (index["language"], index["length"])
            self._readers.setdefault(place, {})[index["source"]] = RowReader(path)
        for path in baseline:
            manifest = self._checked(path, read_shards(path))
            counts = self._counts.setdefault(manifest["language"], np.zeros(self.vocabulary, dtype=np.int64))
            counts += count_unigrams(path, "train")[: self.vocabulary]

    def readers(self, language: str, length: int) -> dict[str, RowReader]:
        """Return source -> validation rows, which may all be empty."""
        return self._readers.get((language, length), {})

    def unigram(self, language: str) -> NDArray[np.float64]:
        """Return the baseline of a language; uniform if the train split holds none of it."""
        return unigram_losses(self._counts.get(language, np.zeros(self.vocabulary, dtype=np.int64)))

    def _checked(self, path: Path, content: dict[str, Any]) -> dict[str, Any]:
        if content["tokenizer"] != self.fingerprint:
            raise UserError(f"{path} was made with another tokenizer than the model; give those of its tokenizer.")
        return content


def evaluate(
    content: EvaluationSlice, encoder: ModernBert, data: EvaluationRows, device: torch.device
) -> Iterator[Score | Unmeasured]:
    """Yield the score of every language at every length of the slice, languages in the order of their names.

    A language without a held-out row is no error: weeks of training must not fail for the want of one small source.
    """
    encoder = encoder.to(device).eval()
    for language, length in itertools.product(sorted(content.languages), content.lengths):
        rows = held_out_rows(
            data.readers(language, length),
            content.rows,
            length,
            content.seed,
            content.masking_rate,
            data.vocabulary,
        )
        if not rows:
            yield Unmeasured(language, length, "no held-out document")
        elif not sum(len(row.masked.labels) for row in rows):
            yield Unmeasured(language, length, "held-out documents so short that nothing is masked in them")
        else:
            yield summary(language, length, score_rows(encoder, rows, data.unigram(language), device))


def _batches(rows: Sequence[HeldOutRow]) -> Iterator[list[HeldOutRow]]:
    batch: list[HeldOutRow] = []
    tokens = 0
    for row in rows:
        batch.append(row)
        tokens += len(row.masked.inputs)
        if tokens >= TOKENS_PER_FORWARD:
            yield batch
            batch, tokens = [], 0
    if batch:
        yield batch


def main() -> None:
    """Run the stage from the command line."""
    parser = argparse.ArgumentParser(
        prog=COMMAND, description="Measure a model's loss and accuracy on held-out text, per language and row length."
    )
    parser.add_argument("--slice", type=Path, required=True, help="JSON slice of the evaluation, from the recipe")
    parser.add_argument("--model", type=Path, required=True, help="config.json of the exported model")
    parser.add_argument("--rows", type=Path, required=True, help="rows.json of the evaluation")
    parser.add_argument(
        "--shards",
        type=Path,
        nargs="+",
        required=True,
        metavar="MANIFEST",
        help="manifest.json of token shards; those of the first stage's sources are the baseline",
    )
    parser.add_argument("--output", type=Path, required=True, help="mlm.json to write")
    arguments = parser.parse_args()
    content = read_slice(arguments.slice, EvaluationSlice)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    counted = {part.source for part in content.components}
    baseline = [path for path in arguments.shards if read_shards(path)["source"] in counted]
    data = EvaluationRows(arguments.rows, baseline, arguments.model.with_name("tokenizer.json"))
    scores: list[Score] = []
    unmeasured: list[Unmeasured] = []
    for score in evaluate(content, load_encoder(arguments.model), data, device):
        if isinstance(score, Unmeasured):
            unmeasured.append(score)
            sources = ", ".join(content.languages[score.language])
            print(
                f"warning: {score.language} at {score.length:,} tokens is not measured: {score.reason}; raise held_out "
                f"of {sources} in the recipe to measure it.",
                flush=True,
            )
            continue
        scores.append(score)
        print(
            f"{score.language} at {score.length:,} tokens: loss {score.loss:.3f} (unigram {score.unigram_loss:.3f}), "
            f"accuracy {score.accuracy:.1%}, {score.rows:,} rows, {score.masked:,} masked",
            flush=True,
        )
    measured_on = {
        "split": "validation",
        "sources": content.languages,
        "rows_at_most": content.rows,
        "seed": content.seed,
        "masking_rate": content.masking_rate,
        "tokenizer": data.fingerprint,
        "device": device.type,
        "torch": torch.__version__,
    }
    result = {
        "format": FORMAT,
        "run": content.run,
        "rows": [asdict(score) for score in scores],
        "unmeasured": [asdict(place) for place in unmeasured],
        "measured_on": measured_on,
    }
    write_json(arguments.output, result)


if __name__ == "__main__":
    run_command(main)
