"""An encoder made ready for the device that it trains on: the attention backend, compiled layers."""

from __future__ import annotations

from collections.abc import Callable

import torch

from model.attention.choice import choose
from model.modernbert import ModernBert
from model.training.compilation import compile_layers


def accelerate(model: ModernBert, tokens: int, device: torch.device, rank: int, say: Callable[[str], None]) -> None:
    """Give a model the fastest attention that is right on its device, and compile its layers on a GPU.

    Args:
        model: on `device`.
        tokens: of a micro-batch.
        device: of this rank.
        rank: of this process.
        say: prints a line, on rank 0.
    """
    on_gpu = device.type == "cuda"
    dtype = torch.bfloat16 if on_gpu else torch.float32
    heads, dimension = model.shape.heads, model.shape.hidden // model.shape.heads
    choice = choose(device, dtype, heads, dimension, model.shape.local_attention)
    model.attention = choice.backend
    for sentence in choice.absent if on_gpu else ():
        say(sentence)
    for sentence in choice.refused:  # by any rank: its GPU or its node may be at fault
        print(f"rank {rank}: {sentence}", flush=True)
    say(f"attention: {choice.backend.name}, compared with float64 in {choice.seconds:.1f} s")
    if on_gpu:
        say(compile_layers(model, tokens, dtype))
