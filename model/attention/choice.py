"""Which backend attends on this machine: the first that may be used and gives, here and now, what it should.

A kernel that is built for another GPU, a driver or a compiler can be wrong without a word. So before anything is
trained, each candidate attends to some pieces, forward and backward, and is compared with a reference in float64: a
second or less. One that fails, differs or gives NaN is refused, and the next is taken.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from model.attention import reference
from model.attention.flex import Flex
from model.attention.interface import AnyBackend, checked
from model.attention.slabs import Slabs
from model.attention.varlen import FlashAttention, TorchVarlen

LENGTHS = (1, 300, 2, 127, 128, 129, 1, 513, 64, 1)
"""Tokens of the pieces that are tried: of one token, around a block of 128, longer than any window's reach."""
TOLERANCE = {torch.float32: 2e-4, torch.bfloat16: 5e-2, torch.float16: 1e-2}
"""Largest difference, as a share of the largest value of the reference: some roundings of the dtype. What is wrong, a
window that is one too wide or a piece that sees the next, differs by tens of percent, for ..."""
SHARPNESS = 6.0
"""... queries are so many times as long as at the start of training: then of all keys a token attends to one or two,
here and there to the very last that it may see, and to miss that one changes all."""


def candidates() -> list[AnyBackend]:
    """Return all backends, the fastest first; the last one runs everywhere."""
    return [FlashAttention(), TorchVarlen(), Flex(), Slabs()]


@dataclass(frozen=True)
class Choice:
    """A backend, and what was said of those before it."""

    backend: AnyBackend
    absent: tuple[str, ...]
    """A sentence for each before it that this machine cannot use."""
    refused: tuple[str, ...]
    """A sentence for each before it that was tried and is wrong here."""
    seconds: float
    """All tries together."""


def choose(
    device: torch.device,
    dtype: torch.dtype,
    heads: int,
    head_dimension: int,
    window: int,
    among: Callable[[], Sequence[AnyBackend]] = candidates,
) -> Choice:
    """Return the first backend that passes.

    Args:
        device: where it will attend.
        dtype: in which.
        heads: of the model; a few are tried.
        head_dimension: of the model.
        window: of the model's windowed layers.
        among: makes the candidates, the preferred first.

    Raises:
        RuntimeError: none passes; the message says what each did.
    """
    began = time.monotonic()
    absent: list[str] = []
    refused: list[str] = []
    for backend in among():
        if unfit := backend.why_not(device, head_dimension):
            absent.append(f"{backend.name} is not used: {unfit}.")
        elif problem := _trial(backend, device, dtype, min(heads, 2), head_dimension, window):
            refused.append(f"{backend.name} is not used: {problem}.")
        else:
            return Choice(backend, tuple(absent), tuple(refused), time.monotonic() - began)
    raise RuntimeError(f"no attention backend works on {device}: {' '.join([*refused, *absent])}")


def _trial(
    backend: AnyBackend, device: torch.device, dtype: torch.dtype, heads: int, dimension: int, window: int
) -> str | None:
    try:
        return problem_with(backend, LENGTHS, (None, window), (heads, dimension), device, dtype)
    except Exception as error:  # whatever a kernel's library raises, another backend is at hand
        words = str(error).strip().splitlines() or ["no message"]
        return f"{type(error).__name__}: {words[0]}"


def problem_with(
    backend: AnyBackend,
    lengths: Sequence[int],
    windows: Sequence[int | None],
    shape: tuple[int, int],
    device: torch.device,
    dtype: torch.dtype,
) -> str | None:
    """Compare a backend with the reference, output and gradients; return how it differs, None if it does not.

    Args:
        backend: is tried.
        lengths: tokens of the pieces.
        windows: as in `Backend.plan`.
        shape: heads, head dimension.
        device: where it attends.
        dtype: in which; the reference gets the same numbers.
    """
    boundaries = checked([sum(lengths[:i]) for i in range(len(lengths) + 1)])
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randn(4, int(boundaries[-1]), *shape, generator=generator)
    drawn[0] *= SHARPNESS
    *inputs, upstream = drawn.to(device, dtype).unbind()
    for window in windows:
        plan = backend.plan(boundaries, window).moved(lambda tensor: tensor.to(device))
        q, k, v = leaves = [x.detach().requires_grad_() for x in inputs]
        output = backend.attend(q, k, v, plan)
        found = (output.detach(), *torch.autograd.grad(output, leaves, upstream))
        exact = reference.attend(q.detach(), k.detach(), v.detach(), upstream, boundaries.tolist(), window)
        layers = "global layers" if window is None else f"layers of window {window}"
        for name, ours, theirs in zip(exact._fields, found, exact, strict=True):
            if not bool(ours.isfinite().all()):
                return f"its {name} in {layers} is not finite"
            difference = float((ours.double() - theirs).abs().max() / theirs.abs().max())
            if difference > TOLERANCE[dtype]:
                return f"its {name} in {layers} differs by {difference:.1g} of the largest value from the reference"
    return None
