"""Attention by one call for all pieces: kernels that take packed tokens and `cu_seqlens`, with a window.

Two libraries have such kernels, and their calls differ little: `flash_attn` (versions 2 and, on Hopper, 3), to be
installed apart, for NVIDIA and, by its CK kernels, AMD's MI200 and MI300; and torch itself.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from model.attention.interface import Backend, Integers, Move

HEAD_MULTIPLE = 8
"""The kernels take head dimensions that are multiples of it, ..."""
LARGEST_HEAD = 256
"""... up to this."""
HOPPER = 9
"""Major compute capability of the GPUs that flash-attn 3 is for."""


@dataclass(frozen=True)
class VarlenPlan:
    """What the kernels are told of a batch."""

    cu_seqlens: Tensor
    """int32[P + 1]."""
    longest: int
    """At least the tokens of the longest piece; a power of two, so that it seldom changes."""
    window: tuple[int, int]
    """Keys seen to the left and to the right of a query; -1 is all."""

    def moved(self, move: Move) -> VarlenPlan:
        """Return the same with its tensor replaced by what `move` makes of it."""
        return replace(self, cu_seqlens=move(self.cu_seqlens))


class _Varlen(Backend[VarlenPlan]):
    def plan(self, boundaries: Integers, window: int | None) -> VarlenPlan:
        """Plan as every backend does."""
        longest = 1 << (int((boundaries[1:] - boundaries[:-1]).max()) - 1).bit_length()
        reach = -1 if window is None else window // 2
        return VarlenPlan(torch.from_numpy(boundaries).to(torch.int32), longest, (reach, reach))


class TorchVarlen(_Varlen):
    """`torch.nn.attention.varlen`, which comes with torch."""

    name = "torch varlen"

    def why_not(self, device: torch.device, head_dimension: int) -> str | None:
        """Return why it cannot be used on a device."""
        if device.type != "cuda":
            return "its kernels are for GPUs"
        if importlib.util.find_spec("torch.nn.attention.varlen") is None:
            return f"torch {torch.__version__} has none"
        return _too_wide(head_dimension)

    def attend(self, q: Tensor, k: Tensor, v: Tensor, plan: VarlenPlan) -> Tensor:
        """Attend as every backend does."""
        from torch.nn.attention.varlen import varlen_attn

        boundaries, longest = plan.cu_seqlens, plan.longest
        attended = varlen_attn(q, k, v, boundaries, boundaries, longest, longest, window_size=plan.window)
        assert isinstance(attended, Tensor)  # a pair only where more is asked for
        return attended


class FlashAttention(_Varlen):
    """The library `flash_attn`: https://github.com/Dao-AILab/flash-attention."""

    name = "flash-attn"

    def __init__(self) -> None:
        """Load nothing yet."""
        self._function: Callable[..., Any] | None = None

    def why_not(self, device: torch.device, head_dimension: int) -> str | None:
        """Return why it cannot be used on a device, and load it if it can."""
        if device.type != "cuda":
            return "its kernels are for GPUs"
        hopper = torch.version.hip is None and torch.cuda.get_device_capability(device)[0] == HOPPER
        # A module of each name may be there and not load, where it was built for another torch.
        for module in (*(["flash_attn_interface"] if hopper else []), "flash_attn"):
            try:
                self._function = importlib.import_module(module).flash_attn_varlen_func
            except ModuleNotFoundError:
                continue
            except (ImportError, AttributeError, OSError) as error:
                return f"{module} does not load: {str(error).splitlines()[0]}"
            self.name = "flash-attn 3" if module == "flash_attn_interface" else "flash-attn 2"
            return _too_wide(head_dimension)
        return "it is not installed"

    def attend(self, q: Tensor, k: Tensor, v: Tensor, plan: VarlenPlan) -> Tensor:
        """Attend as every backend does; `why_not` has been asked before."""
        assert self._function is not None
        boundaries, longest = plan.cu_seqlens, plan.longest
        deterministic = torch.are_deterministic_algorithms_enabled()
        attended = self._function(
            q, k, v, boundaries, boundaries, longest, longest, window_size=plan.window, deterministic=deterministic
        )
        # Early versions of flash-attn 3 return the logarithms of the softmax's sums besides.
        output: Tensor = attended[0] if isinstance(attended, tuple) else attended
        return output


def _too_wide(head_dimension: int) -> str | None:
    if head_dimension % HEAD_MULTIPLE == 0 and head_dimension <= LARGEST_HEAD:
        return None
    return f"heads of {head_dimension} are no multiple of {HEAD_MULTIPLE} up to {LARGEST_HEAD}"
