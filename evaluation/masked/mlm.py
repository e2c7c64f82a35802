"""Held-out masked-language-modelling loss and accuracy, by language, length, source, position, beside a baseline.

The way of a measurement: the validation rows of a language's sources at one length -> rows taken from the sources in
turn, at most as many as the recipe says -> masked, as a function of (seed, source, length, row) -> the exported encoder
-> the loss of every masked token -> their mean, the share guessed right, and the spread over rows.

Losses are in nats per masked token, every masked token counting the same. They compare between models of one tokenizer
only; between tokenizers compare how far each is below its own baseline, the loss of guessing by frequency alone.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from common.errors import UserError, run_command
from common.files import sha256_of
from corpus.rows.store import RowReader, read_index, read_list, verify
from corpus.tokens.ids import count_unigrams, read_shards
from evaluation.masked.scoring import Score, score_rows, summary, unigram_losses
from evaluation.results import write_result
from model.export import load_encoder
from model.held_out import held_out_rows
from model.modernbert import ModernBert
from recipe.slices.files import read_slice
from recipe.slices.types import EvaluationSlice

COMMAND = "python -m evaluation.masked.mlm"


@dataclass(frozen=True)
class Unmeasured:
    """A language and length of the recipe that could not be measured."""

    language: str
    length: int
    reason: str


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
            yield summary(language, length, rows, score_rows(encoder, rows, data.unigram(language), device))


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
    write_result(
        arguments.output,
        content.run,
        [asdict(score) for score in scores],
        unmeasured=[asdict(place) for place in unmeasured],
        measured_on=measured_on,
    )


if __name__ == "__main__":
    run_command(main)
