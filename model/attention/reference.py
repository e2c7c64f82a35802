"""Attention and its gradients as their definitions say, in float64: what backends are held to.

It knows nothing of how backends cut a batch, and does not use torch's own gradients: they are written out.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

QUERIES = 512
"""So many queries at once bound the memory that scores take."""


class Exact(NamedTuple):
    """What attention gives, float64[N, H, D] each."""

    output: Tensor
    dq: Tensor
    dk: Tensor
    dv: Tensor


def attend(q: Tensor, k: Tensor, v: Tensor, upstream: Tensor, boundaries: Sequence[int], window: int | None) -> Exact:
    """Return O = softmax(Q K^T / sqrt(D)) V inside each piece (arXiv 1706.03762, eq. 1), and the gradients of <O, dO>.

    With P the softmax and dP = dO V^T: dV = P^T dO, dS = P (dP - sum over keys of P dP), dQ = dS K / sqrt(D), and
    dK = dS^T Q / sqrt(D) (arXiv 2205.14135, appendix B.2).

    Args:
        q: queries, float[N, H, D], any dtype.
        k: keys, float[N, H, D].
        v: values, float[N, H, D].
        upstream: dO, float[N, H, D].
        boundaries: P + 1 of them, from 0 to N.
        window: a query sees keys at most `window // 2` positions away; None sees the whole piece.
    """
    scale = q.shape[-1] ** -0.5
    q, k, v, upstream = (x.double().transpose(0, 1) for x in (q, k, v, upstream))  # [H, N, D]
    exact = Exact(*(torch.zeros_like(q) for _ in range(4)))
    for start, end in pairwise(boundaries):
        for first in range(start, end, QUERIES):
            last = min(first + QUERIES, end)
            reach = end if window is None else window // 2
            own, seen = slice(first, last), slice(max(start, first - reach), min(end, last + reach))
            distance = (torch.arange(first, last)[:, None] - torch.arange(seen.start, seen.stop)).abs()
            scores = q[:, own] @ k[:, seen].mT * scale
            weights = scores.masked_fill_((distance > reach).to(q.device), -torch.inf).softmax(-1)
            exact.output[:, own] = weights @ v[:, seen]
            exact.dv[:, seen] += weights.mT @ upstream[:, own]
            d_weights = upstream[:, own] @ v[:, seen].mT
            d_scores = weights * (d_weights - (weights * d_weights).sum(-1, keepdim=True)) * scale
            exact.dq[:, own] = d_scores @ k[:, seen]
            exact.dk[:, seen] += d_scores.mT @ q[:, own]
    return Exact(*(x.transpose(0, 1) for x in exact))
