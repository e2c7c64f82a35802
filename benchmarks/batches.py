"""Masked rows of a text, and the product's own training step of them, in this one process."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from benchmarks.measure import PackedRow
from benchmarks.ranks import free_port, place
from model.batch import flatten
from model.history.plan import Batch as Planned
from model.masking import MaskedRow, mask_row
from model.modernbert import ModernBert, Shape
from model.training.acceleration import accelerate
from model.training.data import MicroBatch, RankBatch
from model.training.engine import Engine, start_process_group
from model.training.metrics import Tally
from model.training.step import accumulate
from recipe.schema import Optimizer

MASKING_RATE = 0.3


@dataclass(frozen=True)
class Batch:
    """Rows with the tokens that are masked."""

    rows: Sequence[PackedRow]
    """As drawn."""
    masked: Sequence[MaskedRow]

    @property
    def tokens(self) -> int:
        """Tokens that are not padding."""
        return sum(len(row.tokens) for row in self.rows)

    @property
    def lengths(self) -> list[int]:
        """Tokens of each piece."""
        return [length for row in self.rows for length in row.lengths]

    @property
    def predicted(self) -> int:
        """Tokens that are masked."""
        return sum(len(row.labels) for row in self.masked)


def masked_batches(rows: Sequence[PackedRow], size: int, vocabulary: int) -> list[Batch]:
    """Mask rows and put `size` of them together to a batch."""
    masked = [
        mask_row(row.tokens.astype(np.uint32), number, bytes(16), MASKING_RATE, vocabulary)
        for number, row in enumerate(rows)
    ]
    return [Batch(rows[first : first + size], masked[first : first + size]) for first in range(0, len(rows), size)]


def alone() -> torch.device:
    """Let this process be the only rank; return its device."""
    os.environ |= place(0, 1, free_port())
    return start_process_group()


def quiet(_: str) -> None:
    """Say nothing."""


class OurStep:
    """A step as `model.training.trainer` makes it: forward and backward of micro-batches, then the optimizer."""

    def __init__(
        self, shape: Shape, device: torch.device, micro_rows: int, length: int, say: Callable[[str], None] = quiet
    ) -> None:
        """Make an encoder and its optimizer.

        Args:
            shape: of the encoder.
            device: of this process.
            micro_rows: computed at once.
            length: slots of a row.
            say: told how the encoder was made ready for its device.
        """
        self.model = ModernBert(shape, seed=0).to(device)
        accelerate(self.model, micro_rows * length, device, 0, say)
        self.engine = Engine(self.model, Optimizer())
        self._device, self._micro_rows, self._length = device, micro_rows, length
        self._on_gpu = device.type == "cuda"

    def of(self, batch: Batch) -> RankBatch:
        """Return a batch as the trainer's data would."""
        micro_batches = []
        for first in range(0, len(batch.rows), self._micro_rows):
            part = slice(first, first + self._micro_rows)
            lengths = [np.array(row.lengths) for row in batch.rows[part]]
            slots = len(lengths) * self._length if self._on_gpu else 0
            flat = flatten(batch.masked[part], lengths, self.model.lay_out, slots, self._length)
            made = MicroBatch(flat, torch.zeros(len(flat.labels), dtype=torch.int64))
            micro_batches.append(made.moved(torch.Tensor.pin_memory) if self._on_gpu else made)
        planned = Planned(((0, len(batch.rows)),), learning_rate=0.0)
        return RankBatch(planned, micro_batches, batch.predicted, np.array([batch.tokens]))

    def accumulate(self, batch: RankBatch) -> float:
        """Add the gradients of a batch; return its mean loss."""
        tally = Tally(1, 1, self._device)
        accumulate(self.model, self.engine, batch, tally, self._device)
        tally.share(batch.drawn, stop=False, checkpoint_due=False, order=self.engine.order)
        return float(tally.summary(["all"])["loss"])

    def update(self) -> None:
        """Let the optimizer make a step of length nothing, so that the weights stay what they are."""
        self.engine.step(0.0, lambda norm: None)
