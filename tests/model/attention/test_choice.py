"""A backend is taken when it gives what the reference gives; one that is wrong is refused and named."""

import re
from itertools import accumulate
from typing import Any

import pytest
import torch
from torch import Tensor

from model.attention import reference
from model.attention.choice import candidates, choose, problem_with
from model.attention.interface import Backend, checked
from model.attention.slabs import Slabs
from model.attention.varlen import FlashAttention, TorchVarlen

CPU = torch.device("cpu")


class Wrong(Slabs):
    """Slabs with a fault."""

    def __init__(self, name: str, window: int = 0, leaks: bool = False, factor: float = 1.0) -> None:
        self.name, self._wider, self._leaks, self._factor = name, window, leaks, factor

    def plan(self, boundaries: Any, window: int | None) -> Any:
        joined = boundaries[[0, *range(2, len(boundaries))]] if self._leaks else boundaries
        return super().plan(joined, window if window is None else window + self._wider)

    def attend(self, q: Tensor, k: Tensor, v: Tensor, plan: Any) -> Tensor:
        return super().attend(q, k, v, plan) * self._factor


class Broken(Slabs):
    name = "broken"

    def attend(self, q: Tensor, k: Tensor, v: Tensor, plan: Any) -> Tensor:
        raise RuntimeError("no kernel image is available\nfor this device")


def chosen(*backends: Backend, dtype: torch.dtype = torch.float32) -> Any:
    return choose(CPU, dtype, 12, 64, 128, lambda: backends)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (Wrong("wide", window=2), r"wide is not used: its output in layers of window 128 differs by [\d.]+ of"),
        (Wrong("narrow", window=-2), r"narrow is not used: its output in layers of window 128 differs by [\d.]+ of"),
        (Wrong("leaky", leaks=True), r"leaky is not used: its output in global layers differs by [\d.]+ of"),
        (Wrong("nan", factor=float("nan")), "nan is not used: its output in global layers is not finite"),
        (Broken(), "broken is not used: RuntimeError: no kernel image is available"),
    ],
    ids=lambda given: getattr(given, "name", ""),
)
def test_a_backend_that_is_wrong_is_refused_with_what_is_wrong_and_the_next_is_taken(
    fault: Backend, told: str, dtype: torch.dtype
) -> None:
    choice = chosen(fault, Slabs(), dtype=dtype)
    assert choice.backend.name == "slabs"
    assert len(choice.refused) == 1
    assert re.match(told, choice.refused[0])


def test_where_none_is_right_all_are_named() -> None:
    with pytest.raises(RuntimeError, match=r"no attention backend works on cpu: broken is not used.*nan is not used"):
        chosen(Broken(), Wrong("nan", factor=float("nan")))


def test_on_a_cpu_slabs_are_taken_and_the_kernels_of_gpus_are_absent_not_refused() -> None:
    choice = choose(CPU, torch.float32, 4, 32, 128)
    assert (choice.backend.name, choice.refused) == ("slabs", ())
    assert choice.absent[0] == "flash-attn is not used: its kernels are for GPUs."
    assert candidates()[-1].name == "slabs"


def test_what_a_gpu_lacks_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (8, 0))
    gpu = torch.device("cuda")
    assert FlashAttention().why_not(gpu, 64) == "it is not installed"
    assert TorchVarlen().why_not(gpu, 64) is None
    assert TorchVarlen().why_not(gpu, 20) == "heads of 20 are no multiple of 8 up to 256"


@pytest.mark.parametrize(("length", "window"), [(1, None), (2048, None), (16_384, 128)])
def test_slabs_agree_with_the_reference_on_pieces_up_to_whole_rows(length: int, window: int | None) -> None:
    assert problem_with(Slabs(), [1, length, 1], (window,), (1, 8), CPU, torch.float32) is None


def test_a_token_of_a_row_of_16384_attends_to_all_of_it() -> None:
    q, k, v = torch.randn(3, 16_384, 1, 8, generator=torch.Generator().manual_seed(0)).unbind()
    v.requires_grad_()
    output = Slabs().attend(q, k, v, Slabs().plan(checked([0, 16_384]), None))
    (dv,) = torch.autograd.grad(output[9_000].sum(), v)
    weights = (k[:, 0].double() @ q[9_000, 0].double() / 8**0.5).softmax(0)
    torch.testing.assert_close(output[9_000, 0].double(), weights @ v[:, 0].double(), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(dv[:, 0].double(), weights[:, None].expand(-1, 8), atol=1e-7, rtol=1e-3)


@pytest.mark.parametrize("window", [None, 2])
def test_the_reference_is_softmax_of_scaled_products_with_their_gradients(window: int | None) -> None:
    drawn = torch.randn(4, 12, 2, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    q, k, v = (x.clone().requires_grad_() for x in drawn[:3])
    lengths = [5, 1, 6]
    piece, place = torch.repeat_interleave(torch.arange(3), torch.tensor(lengths)), torch.arange(12)
    seen = piece[:, None] == piece
    if window is not None:
        seen &= (place[:, None] - place).abs() <= window // 2
    scores = torch.einsum("ihd,jhd->hij", q, k) / 2
    output = torch.einsum("hij,jhd->ihd", scores.masked_fill(~seen, -torch.inf).softmax(-1), v)
    gradients = torch.autograd.grad(output, (q, k, v), drawn[3])
    found = reference.attend(*drawn, list(accumulate(lengths, initial=0)), window)
    for ours, theirs in zip(found, (output, *gradients), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_checked_boundaries_are_int64() -> None:
    assert checked([0, 2]).dtype == "int64"
