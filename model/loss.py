"""Cross-entropy of masked positions from their representations, without the logits of all of them at once.

M masked positions times a vocabulary of 128,000 are more numbers than all else in a step: for 16,384 tokens at 30 %,
2.5 GB in float32, and its gradient as much. Here logits live for a chunk of positions: from them come the loss, whether
the likeliest token is right, and, since the loss is a sum whose factor is known beforehand, the gradients as well,
d loss / d logits = factor (softmax(logits) - one-hot(label)), before the next chunk takes their place. So the backward
pass has nothing left to compute. (The idea is Liger's, arXiv 2410.10989, section 3.2.)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

CHUNK_ELEMENTS = {"cpu": 1 << 26, "cuda": 1 << 27}
"""Logits of a chunk, about: 256 and 512 MB in float32. For each chunk the gradient of all embeddings is read and
written once; with 128,000 of them a GPU would do little else if a chunk were a hundred positions."""


class Losses(NamedTuple):
    """What M masked positions cost."""

    total: Tensor
    """float32[], the sum of all losses times the factor; gradients flow from here."""
    each: Tensor
    """float32[M], nats."""
    correct: Tensor
    """bool[M], whether the likeliest token is the label."""


Entropy = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]


def masked_loss(
    hidden: Tensor, weight: Tensor, bias: Tensor, labels: Tensor, factor: Tensor, entropy: Entropy
) -> Losses:
    """Return the cross-entropy of logits `hidden @ weight.T + bias`, in nats.

    Args:
        hidden: float[M, H], of the masked positions, after the prediction head.
        weight: float32[V, H], the token embeddings.
        bias: float32[V].
        labels: int64[M].
        factor: float32[], of the sum.
        entropy: `cross_entropy`, or what it is compiled to.

    Matrix products are in autocast's dtype where that is on, else in that of `hidden`; softmax and sums in float32.
    """
    device = hidden.device.type
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else hidden.dtype
    with torch.autocast(device, enabled=False):
        found = _MaskedLoss.apply(  # type: ignore[no-untyped-call]
            hidden.to(dtype), weight, bias, labels, factor, entropy
        )
    return Losses(*found)


class _MaskedLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor, labels: Tensor, factor: Tensor, entropy: Entropy
    ) -> tuple[Tensor, Tensor, Tensor]:
        wanted = any(ctx.needs_input_grad)
        cast_weight, cast_bias = weight.to(hidden.dtype), bias.to(hidden.dtype)
        d_hidden = torch.empty_like(hidden)
        d_weight, d_bias = torch.zeros_like(weight), torch.zeros_like(bias)
        each, correct = (
            hidden.new_empty(len(hidden), dtype=torch.float32),
            labels.new_empty(len(labels), dtype=torch.bool),
        )
        size = max(1, CHUNK_ELEMENTS[hidden.device.type] // len(weight))
        for first in range(0, len(hidden), size):
            part = slice(first, first + size)
            logits = torch.addmm(cast_bias, hidden[part], cast_weight.T)
            each[part], correct[part], d_logits = entropy(logits, labels[part], factor)
            if wanted:
                torch.mm(d_logits, cast_weight, out=d_hidden[part])
                _add_product(d_weight, d_logits.T, hidden[part])
                d_bias += d_logits.sum(0)
        if wanted:
            ctx.save_for_backward(d_hidden, d_weight, d_bias)
        ctx.mark_non_differentiable(each, correct)
        return each.sum() * factor, each, correct

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        above = gradients[0]  # one, unless the total is used otherwise than as the loss
        d_hidden, d_weight, d_bias = (saved * above.to(saved.dtype) for saved in ctx.saved_tensors)
        return d_hidden, d_weight, d_bias, None, None, None


def cross_entropy(logits: Tensor, labels: Tensor, factor: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return float32[M] losses, bool[M] whether the likeliest is right, and factor (softmax - one-hot).

    Args:
        logits: float[M, V]; overwritten where they are float32.
        labels: int64[M].
        factor: float32[].
    """
    scores = logits.float()
    target = scores.gather(1, labels[:, None])
    largest, likeliest = scores.max(1, keepdim=True)
    exponentials = scores.sub_(largest).exp_()
    total = exponentials.sum(1, keepdim=True)
    scale = factor / total
    gradients = exponentials.mul_(scale)
    # Each row has one label, so that this needs no atomic addition, whose order a GPU would choose.
    gradients.scatter_(1, labels[:, None], (target - largest).exp() * scale - factor)
    losses = (total.log() + largest - target).squeeze(1)
    return losses, likeliest.squeeze(1) == labels, gradients.to(logits.dtype)


def _add_product(total: Tensor, left: Tensor, right: Tensor) -> None:
    """Add a matrix product to a float32 matrix."""
    if left.dtype == total.dtype:
        total.addmm_(left, right)
    else:
        total += left @ right
