"""Muon: momentum whose matrices are made orthogonal, for hidden layers, and AdamW for the rest.

The update of a matrix is its momentum U S V^T with all singular values near 1, by Newton and Schulz's iteration
(https://kellerjordan.github.io/posts/muon), times 0.2 sqrt(max(rows, columns)), so that its root mean square is that of
AdamW's and AdamW's rates and weight decay carry over (arXiv 2502.16982, section 2.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod, sqrt
from typing import Any

import torch
import torch.distributed as dist

from model.training.optimizers.guarded import AdamW
from model.training.optimizers.layout import Exchange

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the iteration, and how often it is made: Keller Jordan's, which `torch.optim.Muon` has too."""
STEPS = 5
_SCALE = 0.2
_SMALLEST = 1e-7
"""Norm below which a matrix is not made larger."""
STACKED = {"Wqkv.weight": 3, "Wi.weight": 2}
"""End of a parameter's name -> matrices that it is, one below the other: queries, keys and values; what is activated,
and its gate. Each is a map of its own and is made orthogonal by itself: as one matrix they would share its singular
values, and that with the larger gradient would have most of them."""


def is_hidden(name: str, parameter: torch.Tensor) -> bool:
    """Tell whether Muon trains a parameter: a matrix between hidden states, so no embedding, and not the decoder's."""
    return parameter.ndim == 2 and "embeddings" not in name


def matrices(name: str, shape: Sequence[int]) -> list[tuple[int, int]]:
    """Return (rows, columns) of the matrices that a parameter is, in their order."""
    stacked = next((count for end, count in STACKED.items() if name.endswith(end)), 1)
    return [(shape[0] // stacked, shape[1])] * stacked


class Muon(AdamW):
    """Groups with `matrices` by Muon, all others by AdamW."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """Take what AdamW takes; groups have `matrices` and `momentum`, or neither."""
        super().__init__(*arguments, **options)
        self._exchanges: dict[torch.Tensor, Exchange] = {}

    def update(self) -> None:
        """Update the groups by their gradients."""
        groups = self.param_groups
        for group in groups:
            self.param_groups = [group]
            if "matrices" in group:
                self._update_matrices(group)
            else:
                super().update()
        self.param_groups = groups

    @torch.no_grad()
    def _update_matrices(self, group: dict[str, Any]) -> None:
        [flat], shapes, decay = group["params"], group["matrices"], group["momentum"]
        if flat not in self._exchanges:
            sizes = [prod(shape) for shape in shapes]
            self._exchanges[flat] = Exchange(sizes, flat.numel(), dist.get_rank(), dist.get_world_size())
        exchange = self._exchanges[flat]
        momentum = self.state[flat]["momentum"].lerp_(flat.grad, 1 - decay)
        whole = exchange.whole(flat.grad.lerp(momentum, decay))  # Nesterov's
        flat.mul_(1 - group["lr"] * group["weight_decay"])
        for run in exchange.mine:
            shape = shapes[run.tensor]
            update = orthogonalized(whole.pop(run.tensor).view(shape)).flatten().narrow(0, run.first, run.length)
            run.of(flat).add_(update, alpha=-group["lr"] * _SCALE * sqrt(max(shape)))


def orthogonalized(matrix: torch.Tensor) -> torch.Tensor:
    """Return a matrix with its singular values at about 1, between 0.7 and 1.2, and its singular vectors as they are.

    On a GPU it is computed in bf16, as everywhere; processors without instructions for that would take twenty times as
    long as in fp32.
    """
    a, b, c = COEFFICIENTS
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    x = wide.bfloat16() if matrix.is_cuda else wide.clone()
    x.div_(x.norm().clamp(min=_SMALLEST))
    for _ in range(STEPS):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return (x if wide is matrix else x.T).to(matrix.dtype)
