"""The way of a batch as a GPU takes it, in bf16 by a kernel for packed rows, on tensors that have shapes only."""

import pytest
import torch
from torch._subclasses import FakeTensorMode

from model.attention.varlen import TorchVarlen
from model.modernbert import ModernBert, Shape
from model.training.recomputation import recompute_layers

SHAPES = {
    "tiny": Shape(
        padded_vocabulary=27_008, layers=6, hidden=768, heads=12, intermediate=1152, global_rope_theta=160_000.0
    ),
    "large": Shape(
        padded_vocabulary=128_000, layers=28, hidden=1024, heads=16, intermediate=2624, global_rope_theta=1e6
    ),
}


@pytest.mark.parametrize("recomputed", [False, True])
@pytest.mark.parametrize("name", SHAPES)
def test_every_parameter_gets_a_gradient_of_its_shape_in_float32(name: str, recomputed: bool) -> None:
    tokens, boundaries = 16_384, [0, 1, 8192, 9000, 16_000, 16_384]
    model = ModernBert(SHAPES[name], seed=None)  # memory that is not written to takes none
    model.attention = TorchVarlen()
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        for module in model.modules():
            for own, parameter in module.named_parameters(recurse=False):
                module.register_parameter(own, torch.nn.Parameter(mode.from_tensor(parameter.detach())))
        if recomputed:
            recompute_layers(model)
        layout = model.lay_out(boundaries).moved(mode.from_tensor)
        ids, masked = torch.zeros(tokens, dtype=torch.int64), torch.arange(0, tokens, 3)
        with torch.autocast("cpu", torch.bfloat16):
            losses = model.losses(ids, layout, masked, ids[masked], torch.ones(()))
        gradients = torch.autograd.grad(losses.total, list(model.parameters()))
    assert (losses.each.shape, losses.each.dtype) == (masked.shape, torch.float32)
    for parameter, gradient in zip(model.parameters(), gradients, strict=True):
        assert (gradient.shape, gradient.dtype) == (parameter.shape, torch.float32)
