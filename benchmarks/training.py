"""Time training steps of ModernBERT, ours against transformers' ModernBertForMaskedLM, packed and padded.

    ours            rows packed, flat: what `model.training.step` does of a batch, forward and backward
    optimizer       its AdamW step, through DeepSpeed
    packed          transformers, the same rows: a boolean mask for each kind of layer, and position_ids
    padded          transformers, as the paper trains: a document a row, or a piece of it, padded to the row length

On the CPU, in fp32 on one thread, at every row length in turn: an encoder as wide and deep as the Finnish recipe's
`tiny`, some 8,192 slots a step. All have the same weights, and the losses of ours and of packed are compared. Packed
rows are drawn from the whole text, packed by the product. Padded rows are drawn from the same pieces; how much of such
rows is padding is taken from all of them. *of the limit* is what our step computes in a second, by
`benchmarks/flops.py`, as a share of what a product of two 2048 x 2048 matrices does in the same round.

With --device cuda (or cpu, to try it): the recipe's shapes on that device, by `benchmarks/training_on_device.py`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from itertools import cycle, islice
from pathlib import Path
from statistics import median

import torch

from benchmarks.batches import Batch, OurStep, alone, masked_batches
from benchmarks.flops import step_flops
from benchmarks.measure import (
    PackedText,
    conditions,
    pack_text,
    parser,
    print_table,
    ratio,
    read_text,
    take_turns,
    train_encoder,
)
from benchmarks.training_on_device import measure_device
from benchmarks.transformers_steps import Loss, packed, padded, with_weights_of
from common.errors import run_command
from corpus.tokens.encoding import TextEncoder
from model.modernbert import Shape
from recipe.reading import read_recipe
from recipe.schema import ModelShape

RECIPE = Path(__file__).parents[1] / "config" / "finnish.yaml"
VOCABULARY = 8192
"""Entries of the tokenizer: so many, and no more, are learnt from a small text."""
LENGTHS = (128, 512, 1024, 4096, 8192)
DEVICE_LENGTHS = (1024, 8192)
SLOTS = 8192
"""Of a step."""
BATCHES = 3
"""Different batches, used in turn."""
MATRIX = 2048
PRODUCTS = 4
"""Of matrices, one after another."""


def recipe_shape(name: str, padded_vocabulary: int | None = None) -> Shape:
    """Return the shape of a model of the Finnish recipe, with its own vocabulary if no other is given."""
    recipe = read_recipe(RECIPE)
    model = recipe.models[name]
    own = -(-recipe.tokenizers[model.tokenizer].vocabulary // 64) * 64
    fields = {field: getattr(model, field) for field in ModelShape.model_fields}
    return Shape(padded_vocabulary=padded_vocabulary or own, global_rope_theta=10_000.0, **fields)


class Measurement:
    """All contestants at one row length."""

    def __init__(self, shape: Shape, text: PackedText, encoder: TextEncoder, slots: int) -> None:
        """Make batches and encoders."""
        self.text, self.shape = text, shape
        rows, length = max(1, slots // text.length), text.length
        self.batches = masked_batches(text.rows(BATCHES * rows), rows, encoder.vocabulary)
        self.ours = OurStep(shape, torch.device("cpu"), rows, length)
        self.theirs = with_weights_of(self.ours.model, torch.device("cpu"))
        device, reach = torch.device("cpu"), shape.local_attention // 2
        self.packed = [packed(self.theirs, batch, length, reach, device) for batch in self.batches]
        documents = masked_batches(text.pieces(BATCHES * rows), rows, encoder.vocabulary)
        self.padded = [padded(self.theirs, batch, length, device) for batch in documents]
        self.rows = rows
        self.losses: dict[str, list[float]] = {"ours": [], "packed": []}

    def contestants(self) -> dict[str, Callable[[], object]]:
        """Return what takes turns; each call takes the next batch."""
        factors = torch.randn(2, MATRIX, MATRIX).unbind()
        product = torch.empty(MATRIX, MATRIX)
        batches: Iterator[Batch] = cycle(self.batches)
        packed_losses, padded_losses = cycle(self.packed), cycle(self.padded)

        def multiply() -> None:
            for _ in range(PRODUCTS):
                torch.mm(*factors, out=product)

        return {
            "product": multiply,
            "ours": lambda: self.losses["ours"].append(self.ours.accumulate(self.ours.of(next(batches)))),
            "optimizer": self.ours.update,
            "packed": lambda: self.losses["packed"].append(self._backward(next(packed_losses))),
            "padded": lambda: self._backward(next(padded_losses)),
        }

    def _ours(self, batch: Batch) -> float:
        return self.ours.accumulate(self.ours.of(batch))

    def _backward(self, loss: Loss) -> float:
        found = loss()
        found.backward()  # type: ignore[no-untyped-call]
        self.theirs.zero_grad()
        return found.item()

    def row(self, rounds: int) -> list[str]:
        """Measure; return a row of the table.

        Raises:
            AssertionError: if losses differ.
        """
        seconds = take_turns(self.contestants(), rounds)
        torch.testing.assert_close(self.losses["ours"], self.losses["packed"], atol=1e-4, rtol=1e-4)
        # The unmeasured round takes batch 0, so round i takes batch i + 1.
        measured = list(islice(cycle(self.batches), 1, rounds + 1))
        ours = [time / batch.tokens for time, batch in zip(seconds["ours"], measured, strict=True)]
        packed = [time / batch.tokens for time, batch in zip(seconds["packed"], measured, strict=True)]
        padded = [time / (self.rows * self.text.tokens_per_piece) for time in seconds["padded"]]
        limit = [PRODUCTS * 2 * MATRIX**3 / time for time in seconds["product"]]
        computed = [step_flops(self.shape, batch.lengths, batch.predicted) / batch.tokens for batch in measured]
        shares = [flops / each / most for flops, each, most in zip(computed, ours, limit, strict=True)]
        return [
            f"{self.text.length:,}",
            f"{median(len(batch.lengths) for batch in measured):.0f}",
            f"{median(1 / each for each in ours):,.0f}",
            f"{100 * median(shares):.0f} %",
            f"{median(seconds['optimizer']):.2f}",
            f"{ratio(packed, ours):.2f}",
            f"{ratio(padded, ours):.1f}",
            f"{100 * self.text.tokens_per_piece / self.text.length:.1f} %",
            f"{median(limit) / 1e9:.0f}",
        ]


def main(arguments: argparse.Namespace) -> None:
    """Measure at all row lengths and print the table."""
    if arguments.device:
        lengths = arguments.lengths or DEVICE_LENGTHS
        measure_device(arguments, {name: recipe_shape(name) for name in arguments.shapes}, lengths, VOCABULARY)
        return
    alone()
    text = read_text(arguments.data)
    encoder = train_encoder(text, VOCABULARY)
    shape = recipe_shape("tiny", encoder.padded_vocabulary)
    header = ["row length", "pieces", "tokens/s", "of the limit", "optimizer, s", "packed", "padded"]
    rows = (
        Measurement(shape, pack_text(text, encoder, length), encoder, arguments.slots).row(arguments.rounds)
        for length in arguments.lengths or LENGTHS
    )
    print_table([*header, "padded rows hold tokens in", "limit, GFLOP/s"], rows)
    print(f"\n{shape.layers} layers x {shape.hidden}, vocabulary {shape.padded_vocabulary:,}.")
    print(f"A step has {arguments.slots:,} slots.")
    print("Real tokens per processor second; packed, padded: how many times as long as ours for a token.")
    print(conditions(text, arguments.rounds))


if __name__ == "__main__":
    made = parser(__doc__, rounds=3)
    lengths = f"row lengths (default: {LENGTHS} on the CPU, {DEVICE_LENGTHS} on a device)"
    made.add_argument("--lengths", type=int, nargs="+", help=lengths)
    made.add_argument("--device", help="measure the recipe's shapes on this device instead, such as cuda")
    same = "on a device: take kernels that give the same bits each time, as `deterministic` of a profile"
    made.add_argument("--deterministic", action="store_true", help=same)
    shapes = ["tiny", "base", "large"]
    made.add_argument("--shapes", nargs="+", default=shapes, help="models of the recipe (default: all three; --device)")
    at_once = "slots of a step, or on a device of a micro-batch (default: %(default)s)"
    made.add_argument("--slots", type=int, default=SLOTS, help=at_once)
    run_command(lambda: main(made.parse_args()))
