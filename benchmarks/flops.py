"""What a training step computes, counted from shapes, and what devices compute at most.

Counted are the matrix products that the result needs: of the layers for every token, of attention for the pairs of
tokens that see each other, of the head for masked tokens alone. A product takes two operations for each number that it
adds up; the backward pass has two products for each of the forward one. Norms, activations, rotations, the softmax and
the optimizer are not counted, nor is what is computed of padding or computed again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from model.modernbert import Shape

PASSES = 3
"""Forward, and the gradients of both factors of a product."""
PEAKS = (
    (r"H100 .*HBM3\b", 989e12),  # SXM; those for PCIe and NVL are slower
    (r"\bH200$", 989e12),
    (r"\bA100\b", 312e12),
    (r"\bMI250X\b", 191.5e12),  # one of its two GCDs, which is a device of its own
)
"""Operations a second in bf16, dense, by the vendor's data sheet, for names of devices as torch tells them."""


def step_flops(shape: Shape, lengths: Iterable[int], masked: int) -> int:
    """Return the floating-point operations of a step, forward and backward.

    Args:
        shape: of the encoder; its vocabulary is counted as padded.
        lengths: tokens of each piece.
        masked: tokens whose logits are computed.
    """
    sizes = list(lengths)
    hidden = shape.hidden
    weights = 4 * hidden**2 + 3 * hidden * shape.intermediate  # Wqkv and Wo; Wi, of two halves, and Wo
    pairs = sum(
        attention_pairs(sizes, None if shape.is_global(layer) else shape.local_attention)
        for layer in range(shape.layers)
    )
    layers = 2 * shape.layers * weights * sum(sizes) + 4 * hidden * pairs  # scores, and sums of values
    head = 2 * masked * hidden * (hidden + shape.padded_vocabulary)
    return PASSES * (layers + head)


def attention_pairs(lengths: Iterable[int], window: int | None) -> int:
    """Return how many pairs of a query and a key see each other in pieces of these lengths.

    Args:
        lengths: tokens of each piece.
        window: keys at most `window // 2` positions away are seen; None sees the whole piece.
    """
    if window is None:
        return sum(length * length for length in lengths)
    reach = window // 2
    pairs = 0
    for length in lengths:
        near = min(reach, length - 1)  # of the keys to one side, the k-th is there for all but k queries
        pairs += length + 2 * (near * length - near * (near + 1) // 2)
    return pairs


def peak_flops(name: str) -> float | None:
    """Return what a device computes in a second at most, in bf16; None for one that is not known."""
    return next((peak for pattern, peak in PEAKS if re.search(pattern, name)), None)
