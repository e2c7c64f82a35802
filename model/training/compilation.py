"""Compiled layers: what lies between one attention and the next becomes a few kernels, by torch.compile.

Norms, rotations, activations and residual sums each read and write all of a layer's numbers; compiled, they do so once,
beside the matrix products. Attention stays outside, so that shapes depend on the number of tokens alone, and all layers
share what the first one is compiled to. On a CPU it is not done: 4 % faster steps do not pay for half a minute at each
start (docs/performance.md).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from model.loss import cross_entropy
from model.modernbert import ModernBert

TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 5e-2}
"""How long the difference of the gradients may be beside them: kernels round in other places."""

VARIANTS = 64
"""Times that a function may be compiled. With and without a norm before attention, for gradients and for validation,
one size of batch and any: that is eight already, which is where torch gives up by default, without a word."""


def compile_layers(model: ModernBert, tokens: int, dtype: torch.dtype) -> str:
    """Compile a model's layers and its loss, where that works; return a sentence that says so, or why it does not.

    A step of random tokens is computed without and with. Where the second fails or differs, on any rank, the model
    stays as it is on all, since compiled layers give their gradients in another order. What fails later, for other
    shapes, torch computes without. All ranks call this together.

    Args:
        model: on its device, whose gradients are unset, as they are afterwards.
        tokens: of a micro-batch.
        dtype: that the model computes in, by autocast where it is not float32.
    """
    plain = _gradients(model, tokens, dtype)
    began = time.monotonic()
    eager: list[tuple[nn.Module, str, Callable[..., Any]]] = [(model, "cross_entropy", cross_entropy)]
    eager += [(layer, name, getattr(layer, name)) for layer in model.model.layers for name in ("project", "finish")]
    try:
        for module, name, function in eager:
            # Of the loss the number of positions is another in every batch.
            setattr(module, name, torch.compile(function, dynamic=True if module is model else None))
        problem = _difference(plain, _gradients(model, tokens, dtype), TOLERANCE[dtype])
    except Exception as error:  # a compiler that is missing or wrong must not keep anybody from training
        words = str(error).strip().splitlines() or ["no message"]
        problem = f"{type(error).__name__}: {words[0]}"
    failed = torch.tensor(float(problem is not None), device=model.decoder.bias.device)
    dist.all_reduce(failed)
    if problem and dist.get_rank():
        print(f"rank {dist.get_rank()}: layers are not compiled: {problem}", flush=True)
    if float(failed):
        problem = problem or f"{int(failed)} of {dist.get_world_size()} ranks failed"
        for module, name, function in eager:
            setattr(module, name, function)
        model.zero_grad(set_to_none=True)
        return f"layers are not compiled: {problem}"
    torch._dynamo.config.suppress_errors = True
    torch._dynamo.config.recompile_limit = VARIANTS
    return f"layers are compiled, in {time.monotonic() - began:.1f} s"


def _gradients(model: ModernBert, tokens: int, dtype: torch.dtype) -> list[Tensor]:
    """Return the gradients of the layers for one piece of random tokens, of which every third is masked."""
    device = model.decoder.bias.device
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randint(model.shape.padded_vocabulary, (tokens,), generator=generator).to(device)
    masked = torch.arange(0, tokens, 3, device=device)
    layout = model.lay_out([0, tokens]).moved(lambda tensor: tensor.to(device))
    with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
        factor = torch.full((), 1 / len(masked), device=device)
        losses = model.losses(drawn, layout, masked, drawn[masked], factor)
    losses.total.backward()  # type: ignore[no-untyped-call]
    # Without those of the embeddings, which are far longer and hardly depend on what layers do.
    gradients = [parameter.grad for parameter in model.model.layers.parameters() if parameter.grad is not None]
    model.zero_grad(set_to_none=True)
    return gradients


def _difference(plain: list[Tensor], compiled: list[Tensor], tolerance: float) -> str | None:
    apart = torch.nn.utils.get_total_norm([one - other for one, other in zip(plain, compiled, strict=True)])
    share = float(apart / torch.nn.utils.get_total_norm(plain))
    if share <= tolerance:
        return None
    return f"gradients differ by {share:.2g} of their length"  # NaN, too, is no less
