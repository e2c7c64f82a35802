"""The optimizer that a recipe asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from torch import nn

from model.training.checkpoint import MOMENTS
from model.training.optimizers.guarded import AdamW, Guarded
from model.training.optimizers.muon import Muon, is_hidden, matrices
from model.training.optimizers.stable_adamw import StableAdamW
from recipe.schema import Optimizer

Named = list[tuple[str, nn.Parameter]]


def make_optimizer(named: Iterable[tuple[str, nn.Parameter]], settings: Optimizer) -> Guarded:
    """Return an optimizer of these parameters.

    Each of its groups tells, of its parameters in their order, `names`, `sizes` (elements) and the `moments` that each
    has, and by what the learning rate of a step is multiplied, `rate_factor`.
    """
    parameters = list(named)
    hidden = [one for one in parameters if settings.name == "muon" and is_hidden(*one)]
    rest = [one for one in parameters if not any(one is other for other in hidden)]
    factor = settings.rest_rate_factor if settings.name == "muon" else 1.0
    groups = [
        _group([one for one in rest if one[1].ndim > 1], settings.weight_decay, factor),
        _group([one for one in rest if one[1].ndim <= 1], 0.0, factor),
    ]
    if hidden:
        shapes = [shape for name, parameter in hidden for shape in matrices(name, parameter.shape)]
        muon = {"moments": ("momentum",), "matrices": shapes, "momentum": settings.momentum}
        groups.append(_group(hidden, settings.weight_decay, 1.0) | muon)
    given = [group for group in groups if group["params"]]
    adam: dict[str, Any] = {"lr": 0.0, "betas": (settings.beta1, settings.beta2), "eps": settings.eps}
    if settings.name == "stable_adamw":
        return StableAdamW(given, adam)
    kind: Callable[..., Guarded] = Muon if settings.name == "muon" else AdamW
    return kind(given, **adam, fused=True)


def _group(named: Named, weight_decay: float, factor: float) -> dict[str, Any]:
    return {
        "params": [parameter for _, parameter in named],
        "names": [name for name, _ in named],
        "sizes": [parameter.numel() for _, parameter in named],
        "moments": MOMENTS,
        "weight_decay": weight_decay,
        "rate_factor": factor,
    }
