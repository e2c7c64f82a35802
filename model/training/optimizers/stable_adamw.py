"""StableAdamW: AdamW that takes shorter steps where a gradient is larger than its average says (arXiv 2304.13013).

ModernBERT was trained by it (arXiv 2412.13663, section 2.2.2), without clipping of the gradient's norm.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist

from model.training.optimizers.guarded import Guarded
from model.training.optimizers.layout import runs


class StableAdamW(Guarded):
    """Algorithm 2 of the paper.

    With m and v Adam's averages, freed of their bias towards zero, and g the gradient, a tensor is updated by

        rms = sqrt(mean(g^2 / max(v, eps^2)))
        rate' = rate / max(1, rms)
        weight = weight - rate' (decay weight + m / (sqrt(v) + eps))

    where the mean is over the whole tensor, on whatever ranks its parts lie: ranks add up one number a tensor.
    """

    @torch.no_grad()
    def update(self) -> None:
        """Update the groups by their gradients."""
        for group in self.param_groups:
            [flat] = group["params"]
            self._update(group, flat, self.state[flat])

    def _update(self, group: dict[str, Any], flat: torch.Tensor, state: dict[str, torch.Tensor]) -> None:
        (beta1, beta2), eps, gradient = group["betas"], group["eps"], flat.grad
        assert gradient is not None, "DeepSpeed gives each partition its gradient before it is updated"
        step = state["step"].add_(1).double()
        average = state["exp_avg"].lerp_(gradient, 1 - beta1) / (1 - beta1**step).float()
        square = state["exp_avg_sq"].mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
        square = square / (1 - beta2**step).float()
        direction = average.div_(square.sqrt().add_(eps)).add_(flat, alpha=group["weight_decay"])
        excess = gradient.square().div_(square.clamp_(min=eps**2))
        mine = runs(group["sizes"], flat.numel(), dist.get_rank())
        sums = torch.zeros(len(group["sizes"]), device=flat.device)
        for run in mine:
            sums[run.tensor] = run.of(excess).sum()
        dist.all_reduce(sums)
        rates = group["lr"] / sums.div_(sums.new_tensor(group["sizes"])).sqrt_().clamp_(min=1.0)
        for run in mine:
            run.of(flat).sub_(run.of(direction).mul_(rates[run.tensor]))
