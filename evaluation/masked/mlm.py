"""Held-out masked-language-modelling loss and accuracy, by language, length, source, position, beside a baseline.

The way of a measurement: the held-out rows of a language's sources at one length -> rows taken from the sources in
turn, at most as many as the recipe says -> masked, as a function of (seed, source, length, row) -> the exported encoder
-> the loss of every masked token -> their mean, the share guessed right, and the spread over rows.

Losses are in nats per masked token, every masked token counting the same. They compare between models of one tokenizer
only; between tokenizers compare how far each is below its own baseline, the loss of guessing by frequency alone.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from common.errors import run_command
from common.files import sha256_of
from evaluation.masked.each import Each, each_row
from evaluation.masked.rows import EvaluationRows, add_options, open_rows
from evaluation.masked.scoring import Score, score_rows, summary
from evaluation.results import write_result
from model.export import WEIGHTS, load_encoder
from model.held_out import held_out_rows
from model.modernbert import ModernBert
from recipe.slices.files import read_slice
from recipe.slices.types import EvaluationSlice

COMMAND = "python -m evaluation.masked.mlm"


@dataclass(frozen=True)
class ScoreOfRows(Score):
    """One line of mlm.json."""

    each: dict[str, Each]
    """Source -> its rows one by one."""


@dataclass(frozen=True)
class Unmeasured:
    """A language and length of the recipe that could not be measured."""

    language: str
    length: int
    reason: str


def evaluate(
    content: EvaluationSlice, encoder: ModernBert, data: EvaluationRows, device: torch.device
) -> Iterator[ScoreOfRows | Unmeasured]:
    """Yield the score of every language at every length of the slice, languages in the order of their names.

    A language without a held-out row is no error: weeks of training must not fail for the want of one small source.
    """
    encoder = encoder.to(device).eval()
    for language, length in itertools.product(sorted(content.languages), content.lengths):
        rows = list(
            held_out_rows(
                data.readers(language, length),
                content.rows,
                length,
                content.seed,
                content.masking_rate,
                data.vocabulary,
            )
        )
        if not rows:
            yield Unmeasured(language, length, "no held-out document")
        elif not sum(len(row.masked.labels) for row in rows):
            yield Unmeasured(language, length, "held-out documents so short that nothing is masked in them")
        else:
            scores = score_rows(encoder, rows, data.unigram(language), device)
            yield ScoreOfRows(**vars(summary(language, length, rows, scores)), each=each_row(rows, scores))


def note_use(log: Path, run: str, model: Path) -> int:
    """Note in a log of JSON lines that a model is measured on the test split; return how many models have been.

    The same weights measured again count once: they tell nothing that was not known.
    """
    known = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()] if log.exists() else []
    weights = sha256_of(model.with_name(WEIGHTS))
    uses = {line["weights_sha256"] for line in known}
    if weights not in uses:
        line = {"run": run, "weights_sha256": weights, "at": datetime.now(UTC).isoformat(timespec="seconds")}
        with open(log, "a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")
    return len(uses | {weights})


def main() -> None:
    """Run the stage from the command line."""
    parser = argparse.ArgumentParser(
        prog=COMMAND, description="Measure a model's loss and accuracy on held-out text, per language and row length."
    )
    parser.add_argument("--slice", type=Path, required=True, help="JSON slice of the evaluation, from the recipe")
    parser.add_argument("--model", type=Path, required=True, help="config.json of the exported model")
    add_options(parser)
    parser.add_argument("--split", default="validation", choices=("validation", "test"), help="which the rows are of")
    parser.add_argument("--uses", type=Path, help="log of the models that were measured on the test split")
    parser.add_argument("--output", type=Path, required=True, help="mlm.json to write")
    arguments = parser.parse_args()
    content = read_slice(arguments.slice, EvaluationSlice)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    data = open_rows(content, arguments, arguments.model.with_name("tokenizer.json"), arguments.split)
    scores: list[ScoreOfRows] = []
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
    measured_on: dict[str, Any] = {
        "split": arguments.split,
        "sources": content.languages,
        "rows_at_most": content.rows,
        "seed": content.seed,
        "masking_rate": content.masking_rate,
        "tokenizer": data.fingerprint,
        "device": device.type,
        "torch": torch.__version__,
    }
    if arguments.uses:
        measured_on["uses"] = note_use(arguments.uses, content.run, arguments.model)
    write_result(
        arguments.output,
        content.run,
        [asdict(score) for score in scores],
        unmeasured=[asdict(place) for place in unmeasured],
        measured_on=measured_on,
    )


if __name__ == "__main__":
    run_command(main)
