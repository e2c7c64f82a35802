"""What the kernels for GPUs are asked, and the shapes that come back, without one: by torch's tensors without content,
and by a library that stands in for flash-attn."""

import sys
from types import ModuleType
from typing import Any

import pytest
import torch
from torch._subclasses import FakeTensorMode

from model.attention import reference
from model.attention.interface import checked
from model.attention.varlen import FlashAttention, TorchVarlen

BOUNDARIES = [0, 1, 300, 364, 500]


@pytest.mark.parametrize("window", [None, 128])
def test_torch_varlen_keeps_the_shape_forward_and_backward(window: int | None) -> None:
    backend = TorchVarlen()
    plan = backend.plan(checked(BOUNDARIES), window)
    with FakeTensorMode() as mode:
        q, k, v = (torch.empty(500, 12, 64, dtype=torch.bfloat16, requires_grad=True) for _ in range(3))
        attended = backend.attend(q, k, v, plan.moved(mode.from_tensor))
        gradients = torch.autograd.grad(attended.sum(), (q, k, v))
    assert {(tensor.shape, tensor.dtype) for tensor in (attended, *gradients)} == {
        (torch.Size((500, 12, 64)), torch.bfloat16)
    }


def test_a_window_reaches_half_of_it_to_each_side_and_the_longest_piece_is_a_power_of_two() -> None:
    backend = TorchVarlen()
    windowed, whole = (backend.plan(checked(BOUNDARIES), window) for window in (128, None))
    assert (windowed.window, whole.window) == ((64, 64), (-1, -1))
    assert [backend.plan(checked([0, length]), None).longest for length in (1, 2, 3, 8192)] == [1, 2, 4, 8192]
    assert windowed.longest == 512
    assert windowed.cu_seqlens.dtype == torch.int32


def stand_in(module: str, monkeypatch: pytest.MonkeyPatch, tuples: bool) -> list[dict[str, Any]]:
    """Put a library in the place of flash-attn that computes by the reference; return what it is called with."""
    calls: list[dict[str, Any]] = []

    def flash_attn_varlen_func(
        q: Any, k: Any, v: Any, cu_q: Any, cu_k: Any, max_q: int, max_k: int, *, window_size: Any, deterministic: bool
    ) -> Any:
        assert torch.equal(cu_q, cu_k)
        assert max_q == max_k >= int(cu_q.diff().max())
        calls.append({"window_size": window_size, "deterministic": deterministic})
        window = None if window_size == (-1, -1) else sum(window_size)
        output = reference.attend(q, k, v, v, cu_q.tolist(), window).output.to(q.dtype)
        return (output, None) if tuples else output

    made = ModuleType(module)
    made.flash_attn_varlen_func = flash_attn_varlen_func  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module, made)
    return calls


@pytest.mark.parametrize(
    ("capability", "module", "name", "tuples"),
    [((9, 0), "flash_attn_interface", "flash-attn 3", True), ((8, 0), "flash_attn", "flash-attn 2", False)],
)
def test_flash_attn_of_the_gpus_kind_is_taken(
    capability: tuple[int, int], module: str, name: str, tuples: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = stand_in(module, monkeypatch, tuples)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    backend = FlashAttention()
    assert backend.why_not(torch.device("cuda"), 64) is None
    assert backend.name == name
    q = torch.randn(500, 2, 8)
    found = backend.attend(q, q, q, backend.plan(checked(BOUNDARIES), 128))
    torch.testing.assert_close(found, reference.attend(q, q, q, q, BOUNDARIES, 128).output.float())
    torch.use_deterministic_algorithms(True)
    try:
        backend.attend(q, q, q, backend.plan(checked(BOUNDARIES), None))
    finally:
        torch.use_deterministic_algorithms(False)
    assert calls == [
        {"window_size": (64, 64), "deterministic": False},
        {"window_size": (-1, -1), "deterministic": True},
    ]


def test_a_flash_attn_that_was_built_for_another_torch_is_refused_with_its_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "flash_attn", ModuleType("flash_attn"))
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (8, 0))
    told = FlashAttention().why_not(torch.device("cuda"), 64)
    assert told is not None
    assert told.startswith("flash_attn does not load: module 'flash_attn' has no attribute")
