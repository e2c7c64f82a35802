"""Time whole training steps in fp32 on the CPU, ours against transformers' ModernBertForMaskedLM.

    ours            rows packed, flat, attention inside each piece
    packed          transformers, rows packed: a boolean mask for each kind of layer, and position_ids
    longest         transformers, a piece a row, padded to the longest of the batch
    full            transformers, a piece a row, padded to the row length

All have the same weights, text and masked positions in every step, and logits at masked positions only
(`sparse_prediction` in transformers); the first losses are compared. A step is forward, backward and AdamW; tensors and
masks of a batch are made beforehand, our attention plan within the step. Tokens are real ones, padding does not count.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import cycle
from statistics import median

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import ModernBertConfig, ModernBertForMaskedLM

from benchmarks.measure import (
    PackedRow,
    conditions,
    packed_rows,
    parser,
    print_table,
    ratio,
    read_text,
    take_turns,
    train_encoder,
)
from common.errors import run_command
from corpus.tokens.special import PAD
from model.batch import flatten
from model.export import transformers_config
from model.masking import MaskedRow, mask_row
from model.modernbert import ModernBert, Shape

VOCABULARY = 8192
MASKING_RATE = 0.3
IGNORED = -100
BATCHES = 3
"""Different batches, used in turn."""
Loss = Callable[[], Tensor]


@dataclass(frozen=True)
class Case:
    """An encoder, and the rows of a step."""

    layers: int
    hidden: int
    heads: int
    rows: int
    length: int

    def __str__(self) -> str:
        """Layers x hidden, rows x length."""
        return f"{self.layers} x {self.hidden}, {self.rows} x {self.length:,}"


CASES = (Case(4, 128, 4, 64, 128), Case(4, 128, 4, 4, 1024), Case(6, 256, 4, 2, 1024))


@dataclass(frozen=True)
class Batch:
    """Packed rows with the tokens that are masked."""

    rows: list[PackedRow]
    """As drawn."""
    masked: list[MaskedRow]

    @property
    def tokens(self) -> int:
        """Tokens that are not padding."""
        return sum(len(row.inputs) for row in self.masked)

    def inputs(self) -> list[Tensor]:
        """Return int64[n] for each row."""
        return [torch.from_numpy(row.inputs) for row in self.masked]

    def labels(self) -> list[Tensor]:
        """Return int64[n] for each row, `IGNORED` where nothing is to predict."""
        labels = [torch.full((len(row.inputs),), IGNORED) for row in self.masked]
        for label, row in zip(labels, self.masked, strict=True):
            label[torch.from_numpy(row.positions)] = torch.from_numpy(row.labels)
        return labels


def draw_batches(rows: list[PackedRow], size: int, vocabulary: int) -> list[Batch]:
    """Mask rows and put `size` together to a batch."""
    masked = [
        mask_row(row.tokens.astype(np.uint32), number, bytes(16), MASKING_RATE, vocabulary)
        for number, row in enumerate(rows)
    ]
    return [Batch(rows[first : first + size], masked[first : first + size]) for first in range(0, len(rows), size)]


def packed_flat(model: ModernBert, batch: Batch) -> Loss:
    """Return the loss of our encoder."""
    flat = flatten(batch.masked, [np.array(row.lengths) for row in batch.rows], model.lay_out)
    return lambda: F.cross_entropy(model(flat.tokens, flat.layout, flat.positions), flat.labels)


def packed_with_masks(model: nn.Module, batch: Batch, length: int, reach: int) -> Loss:
    """Return the loss of transformers' encoder on packed rows; padding is a piece of its own."""
    pieces, positions = [], []
    for row in batch.rows:
        lengths = torch.tensor([*row.lengths, length - sum(row.lengths)])
        pieces.append(torch.repeat_interleave(torch.arange(len(lengths)), lengths))
        positions.append(torch.cat([torch.arange(int(size)) for size in lengths]))
    piece, position = torch.stack(pieces), torch.stack(positions)
    full = (piece[:, :, None] == piece[:, None, :])[:, None]
    sliding = full & ((position[:, :, None] - position[:, None, :]).abs() <= reach)[:, None]
    inputs = {
        "input_ids": _padded(batch.inputs(), length, PAD),
        "attention_mask": {"full_attention": full, "sliding_attention": sliding},
        "position_ids": position,
        "labels": _padded(batch.labels(), length, IGNORED),
    }
    return lambda: model(**inputs).loss


def padded(model: nn.Module, batch: Batch, length: int | None) -> Loss:
    """Return the loss of transformers' encoder with a piece in each row, padded to `length` or to the longest."""
    ids, labels = (
        [piece for row, part in zip(batch.rows, parts, strict=True) for piece in torch.split(part, row.lengths)]
        for parts in (batch.inputs(), batch.labels())
    )
    width = length or max(map(len, ids))
    inputs = {
        "input_ids": _padded(ids, width, PAD),
        "attention_mask": _padded([torch.ones_like(piece) for piece in ids], width, 0),
        "labels": _padded(labels, width, IGNORED),
    }
    return lambda: model(**inputs).loss


def _padded(parts: list[Tensor], length: int, value: int) -> Tensor:
    return torch.stack([F.pad(part, (0, length - len(part)), value=value) for part in parts])


def theirs(model: ModernBert) -> nn.Module:
    """Return transformers' encoder with the weights of ours."""
    # A config is one for rows of some length; nothing here depends on it.
    content = {**transformers_config(model.shape, length=8192), "sparse_prediction": True}
    encoder: nn.Module = ModernBertForMaskedLM(ModernBertConfig.from_dict(content))
    encoder.load_state_dict(model.state_dict(), strict=False)  # the tied decoder.weight is not in ours
    return encoder.train()


def stepper(model: nn.Module, losses: list[Loss]) -> Callable[[], float]:
    """Return a training step that takes the next batch each time and returns the loss."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    batches: Iterator[Loss] = cycle(losses)

    def step() -> float:
        loss = next(batches)()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()
        return loss.item()

    return step


def measure(case: Case, batches: list[Batch], padded_vocabulary: int, rounds: int) -> list[str]:
    """Time a case; return its row of the table.

    Raises:
        AssertionError: if the first losses differ.
    """
    shape = Shape(
        padded_vocabulary=padded_vocabulary,
        layers=case.layers,
        hidden=case.hidden,
        heads=case.heads,
        intermediate=3 * case.hidden // 2,
        global_rope_theta=160e3,
    )
    ours = ModernBert(shape, seed=0)
    packed, longest, full = (theirs(ours) for _ in range(3))
    ways: dict[str, tuple[nn.Module, list[Loss]]] = {
        "ours": (ours, [packed_flat(ours, batch) for batch in batches]),
        "packed": (packed, [packed_with_masks(packed, batch, case.length, 64) for batch in batches]),
        "longest": (longest, [padded(longest, batch, None) for batch in batches]),
        "full": (full, [padded(full, batch, case.length) for batch in batches]),
    }
    expected = ways["ours"][1][0]()
    for _, losses in ways.values():
        torch.testing.assert_close(losses[0](), expected, atol=1e-4, rtol=1e-4)
    seconds = take_turns({name: stepper(*way) for name, way in ways.items()}, rounds)
    # The unmeasured round takes batch 0, so round i takes batch i + 1.
    tokens = [batches[(number + 1) % len(batches)].tokens for number in range(rounds)]
    speeds = {
        name: median(many / time for many, time in zip(tokens, times, strict=True)) for name, times in seconds.items()
    }
    pieces = sum(len(row.lengths) for batch in batches for row in batch.rows) / len(batches)
    cells = [f"{speeds[name]:,.0f} ({ratio(seconds[name], seconds['ours']):.2f})" for name in ways if name != "ours"]
    return [str(case), f"{pieces:.0f}", f"{speeds['ours']:,.0f}", *cells]


def main(arguments: argparse.Namespace) -> None:
    """Measure all cases and print the table."""
    text = read_text(arguments.data)
    encoder = train_encoder(text, VOCABULARY)
    table = []
    for case in CASES:
        rows = packed_rows(text, encoder, case.length, BATCHES * case.rows)
        batches = draw_batches(rows, case.rows, encoder.vocabulary)
        table.append(measure(case, batches, encoder.padded_vocabulary, arguments.rounds))
    print_table(["layers x hidden, rows x length", "pieces", "ours", "packed", "longest", "full"], table)
    print("\nReal tokens per processor second; in brackets how many times as long as ours.")
    print(conditions(text, arguments.rounds))


if __name__ == "__main__":
    made = parser(__doc__, rounds=6)
    run_command(lambda: main(made.parse_args()))
