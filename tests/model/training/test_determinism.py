"""With kernels that add in one order everything of a step still computes."""

import os

import pytest
import torch

from model.modernbert import ModernBert, Shape
from model.training.determinism import WORKSPACE, add_in_one_order

SHAPE = Shape(padded_vocabulary=64, layers=2, hidden=32, heads=2, intermediate=48, global_rope_theta=1e4)


def gradients() -> list[torch.Tensor]:
    model = ModernBert(SHAPE, seed=0)
    tokens, masked = torch.arange(40) % 60, torch.arange(0, 40, 3)
    losses = model.losses(tokens, model.lay_out([0, 17, 40]), masked, tokens[masked], torch.tensor(0.1))
    return list(torch.autograd.grad(losses.total, list(model.parameters())))


def test_no_operation_of_a_step_lacks_a_deterministic_form_and_none_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(WORKSPACE, "")  # so that what is set here is taken back
    monkeypatch.delenv(WORKSPACE)
    before = gradients()
    add_in_one_order()
    try:
        assert os.environ[WORKSPACE] == ":4096:8"
        assert torch.are_deterministic_algorithms_enabled()
        after = gradients()
    finally:
        torch.use_deterministic_algorithms(False)
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))
