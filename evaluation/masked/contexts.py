"""Stage: held-out loss by how much context the encoder is given, for every checkpoint that a phase has kept.

The same masked tokens of the same long documents are guessed in pieces of 512 tokens, of 1,024 and so on to the longest
row length: what a longer context is worth to each checkpoint, and whether it has forgotten short ones. Nothing but the
context differs within a line of the results, and nothing but the weights within a column.

Documents longer than half the longest row length are taken, each once, at random. A piece is [CLS], tokens, [SEP].
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from common.errors import run_command
from common.files import read_json
from corpus.tokens.special import CLS, SEP
from evaluation.masked.rows import EvaluationRows, add_options, open_rows
from evaluation.masked.scoring import score_rows, summary
from evaluation.results import write_result
from model.held_out import HeldOutRow, held_out_rows
from model.history.position import Position
from model.history.store import stage_ends
from model.masking import MaskedRow
from model.modernbert import ModernBert, Shape
from model.training.checkpoint import load_weights
from recipe.slices.files import read_slice
from recipe.slices.types import EvaluationSlice, PhaseSlice

COMMAND = "python -m evaluation.masked.contexts"
LOOKED_AT = 100
"""Rows that are looked at for each document that is wanted; documents may be short."""
SPECIALS = 2
"""[CLS] and [SEP] of a piece."""


def long_documents(rows: Iterable[HeldOutRow], limit: int, longer_than: int) -> list[HeldOutRow]:
    """Return the first `limit` documents of more than `longer_than` tokens in masked rows, a row each."""
    documents = (document for row in rows for document in _documents(row) if document.lengths[0] > longer_than)
    return list(islice(documents, limit))


def _documents(row: HeldOutRow) -> Iterator[HeldOutRow]:
    masked, ends = row.masked, np.cumsum(row.lengths)
    for begin, end in zip(ends - row.lengths, ends, strict=True):
        first, last = np.searchsorted(masked.positions, (begin, end))
        own = MaskedRow(masked.inputs[begin:end], masked.positions[first:last] - begin, masked.labels[first:last])
        yield HeldOutRow(row.source, own, np.array([end - begin]))


def in_pieces(document: HeldOutRow, context: int) -> HeldOutRow:
    """Return a document cut into pieces of at most `context` tokens, with the same tokens masked.

    Each piece begins with [CLS] and ends with [SEP], which the whole document has already.
    """
    inside = document.masked.inputs[1:-1]
    step = context - SPECIALS
    parts = [inside[start : start + step] for start in range(0, len(inside), step)]
    inputs = np.concatenate([np.concatenate(([CLS], part, [SEP])) for part in parts])
    offsets = document.masked.positions - 1
    positions = offsets + 1 + SPECIALS * (offsets // step)
    lengths = np.array([len(part) + SPECIALS for part in parts], dtype=np.int64)
    return HeldOutRow(document.source, MaskedRow(inputs, positions, document.masked.labels), lengths)


class Column(NamedTuple):
    """The same masked tokens of a language at one context."""

    language: str
    context: int
    rows: list[HeldOutRow]


def columns(content: EvaluationSlice, data: EvaluationRows) -> list[Column]:
    """Return what is measured on each checkpoint; languages without a long held-out document are left out."""
    longest, found = max(content.lengths), []
    for language in sorted(content.languages):
        rows = held_out_rows(
            data.readers(language, longest),
            LOOKED_AT * content.context_documents,
            longest,
            content.seed,
            content.masking_rate,
            data.vocabulary,
        )
        documents = long_documents(rows, content.context_documents, longest // 2)
        if sum(len(document.masked.labels) for document in documents):
            found += [
                Column(language, context, [in_pieces(document, context) for document in documents])
                for context in sorted(content.lengths)
            ]
    return found


def kept_encoders(phase: PhaseSlice, pointer: Path, padded_vocabulary: int) -> Iterator[tuple[Position, ModernBert]]:
    """Yield where training stood at the end of each stage of a phase, and the encoder then, one after the other."""
    for position, directory in stage_ends(pointer):
        theta = phase.stages[position.stage].rope_theta
        shape = Shape(padded_vocabulary=padded_vocabulary, global_rope_theta=theta, **phase.model.model_dump())
        encoder = ModernBert(shape, None)
        encoder.load_state_dict(load_weights(directory))
        yield position, encoder.eval()


def scored(
    encoder: ModernBert, measured: Iterable[Column], data: EvaluationRows, device: torch.device
) -> Iterator[dict[str, Any]]:
    """Yield the score of each column: as `asdict` of a `Score`, with `context` and `documents` in its terms."""
    encoder.to(device)
    for language, context, rows in measured:
        score = summary(language, context, rows, score_rows(encoder, rows, data.unigram(language), device))
        fields = asdict(score)
        yield {"context": fields.pop("length"), "documents": fields.pop("rows")} | fields


def main() -> None:
    """Run the stage from the command line."""
    parser = argparse.ArgumentParser(
        prog=COMMAND, description="Measure each kept checkpoint of a phase on the same text, at several contexts."
    )
    parser.add_argument("--slice", type=Path, required=True, help="JSON slice of the run's evaluation, from the recipe")
    parser.add_argument("--phase", type=Path, required=True, help="JSON slice of the phase, from the recipe")
    parser.add_argument("--checkpoint", type=Path, required=True, help="checkpoint.json of the phase")
    parser.add_argument("--tokenizer", type=Path, required=True, help="manifest.json of the tokenizer")
    add_options(parser)
    parser.add_argument("--output", type=Path, required=True, help="JSON to write")
    arguments = parser.parse_args()
    content, phase = read_slice(arguments.slice, EvaluationSlice), read_slice(arguments.phase, PhaseSlice)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    data = open_rows(content, arguments, arguments.tokenizer.with_name("tokenizer.json"))
    measured = columns(content, data)
    padded_vocabulary = read_json(arguments.tokenizer)["padded_vocabulary"]
    lines = []
    for position, encoder in kept_encoders(phase, arguments.checkpoint, padded_vocabulary):
        trained = phase.stages[position.stage].length
        for score in scored(encoder, measured, data, device):
            print(
                f"after {position.slots:,} slots (rows of {trained:,}), {score['language']} with "
                f"{score['context']:,} tokens of context: loss {score['loss']:.3f}, {score['documents']:,} documents",
                flush=True,
            )
            where = {"stage": position.stage, "step": position.step, "slots": position.slots}
            lines.append({**where, "trained_length": trained, **score})
    absent = sorted(set(content.languages) - {column.language for column in measured})
    if absent:
        print(f"no held-out document of more than {max(content.lengths) // 2:,} tokens: {', '.join(absent)}.")
    write_result(arguments.output, content.run, lines, phase=phase.phase, absent=absent, seed=content.seed)


if __name__ == "__main__":
    run_command(main)
