"""Compiled layers compute what the others compute, once for all layers; where that fails, nothing is compiled."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch._dynamo.utils import counters

from model.modernbert import ModernBert, Shape
from model.training.compilation import compile_layers

SHAPE = Shape(padded_vocabulary=64, layers=4, hidden=32, heads=2, intermediate=48, global_rope_theta=1e4)


@pytest.fixture(autouse=True)
def one_rank(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dist, "all_reduce", lambda tensor: None)
    monkeypatch.setattr(dist, "get_world_size", lambda: 1)
    monkeypatch.setattr(dist, "get_rank", lambda: 0)


def logits(model: ModernBert) -> torch.Tensor:
    return model(torch.arange(20) + 5, model.lay_out([0, 7, 20]))


def test_four_layers_are_compiled_as_the_first_two_and_give_the_same_losses() -> None:
    model = ModernBert(SHAPE, seed=0)
    before = logits(model)
    torch._dynamo.reset()
    counters.clear()
    said = compile_layers(model, 96, torch.float32)
    assert said.startswith("layers are compiled, in ")
    assert counters["stats"]["unique_graphs"] == 4  # with a norm before attention and without; behind it; and the loss
    torch.testing.assert_close(logits(model), before, atol=1e-5, rtol=1e-5)
    assert all(parameter.grad is None for parameter in model.parameters())
    assert list(model.state_dict()) == list(ModernBert(SHAPE, seed=0).state_dict())


def fails(function: Callable[..., Any], **_: Any) -> Callable[..., Any]:
    def compiled(*_: Any) -> Any:
        raise RuntimeError("no C compiler is found\nsee the manual")

    return compiled


def wrong(function: Callable[..., Any], **_: Any) -> Callable[..., Any]:
    def compiled(*given: Any) -> Any:
        found = function(*given)
        return found * 1.1 if isinstance(found, torch.Tensor) else found

    return compiled


@pytest.mark.parametrize(
    ("compiler", "told"),
    [
        (fails, "layers are not compiled: RuntimeError: no C compiler is found"),
        (wrong, "layers are not compiled: gradients differ by "),
    ],
)
def test_a_compiler_that_fails_or_is_wrong_leaves_the_model_as_it_was(
    compiler: Callable[..., Any], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = ModernBert(SHAPE, seed=0)
    before = logits(model)
    monkeypatch.setattr(torch, "compile", compiler)
    assert compile_layers(model, 96, torch.float32).startswith(told)
    assert torch.equal(logits(model), before)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_where_another_rank_cannot_compile_this_one_does_not_either(monkeypatch: pytest.MonkeyPatch) -> None:
    model = ModernBert(SHAPE, seed=0)
    monkeypatch.setattr(torch, "compile", lambda function, **_: lambda *given: function(*given))
    monkeypatch.setattr(dist, "all_reduce", lambda failed: failed.add_(1))
    monkeypatch.setattr(dist, "get_world_size", lambda: 8)
    assert compile_layers(model, 96, torch.float32) == "layers are not compiled: 1 of 8 ranks failed"
    assert model.model.layers[0].project == model.model.layers[0].__class__.project.__get__(model.model.layers[0])
