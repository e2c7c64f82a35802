"""What a rank computes of a batch."""

import numpy as np
import pytest
import torch

from model.batch import flatten
from model.masking import MaskedRow
from model.modernbert import ModernBert, Shape
from model.training import step
from model.training.data import MicroBatch, RankBatch
from model.training.metrics import Tally
from model.training.recomputation import recompute_layers

SHAPE = Shape(
    layers=4, hidden=32, heads=2, intermediate=48, local_attention=16, padded_vocabulary=128, global_rope_theta=1e4
)
CPU = torch.device("cpu")


class Engine:
    """One rank without others."""

    world_size = 1

    def __init__(self):
        self.lasts = []

    def backward(self, loss, last):
        loss.backward()
        self.lasts.append(last)


def micro_batch(seed, rows=2, length=40, pieces=3, masked=6):
    """Random rows of so many pieces, with so many positions masked in each."""
    random = np.random.default_rng(seed)
    parts = []
    for _ in range(rows):
        tokens = random.integers(0, 128, length)
        positions = np.sort(random.permutation(length)[:masked])
        parts.append(MaskedRow(tokens, positions, tokens[positions]))
    cut = np.diff([0, *np.sort(random.permutation(length - 1)[: pieces - 1] + 1), length])
    flat = flatten(parts, [cut] * rows, ModernBert(SHAPE, None).lay_out)
    return MicroBatch(flat, torch.zeros(len(flat.labels), dtype=torch.int64))


def computed(model, micro_batches, monkeypatch):
    """Compute a batch of one rank; return its tally and the engine."""
    monkeypatch.setattr(step.dist, "all_reduce", lambda tensor: None)
    monkeypatch.setattr(step.dist, "get_world_size", lambda: 1)
    engine, tally = Engine(), Tally(1, 1, CPU)
    masked = sum(len(one.languages) for one in micro_batches)
    step.accumulate(model, engine, RankBatch(None, micro_batches, masked, np.zeros(1)), tally, CPU)
    tally.share(np.zeros(1, dtype=np.int64), stop=False, checkpoint_due=False, order=0)
    return tally.summary(["en"]), engine


@pytest.mark.parametrize(
    "batch",
    [{"masked": 0}, {"masked": 1, "rows": 1}, {"pieces": 1}, {"rows": 7, "pieces": 20}, {"length": 200, "masked": 90}],
)
def test_gradients_come_for_all_parameters_and_in_one_order_whatever_the_batch(batch, monkeypatch):
    """Ranks reduce gradients as they come: in another order, they would add up those of different weights."""
    orders = []
    for options in ({}, batch):
        model = ModernBert(SHAPE, 0)
        order: list[str] = []
        for name, parameter in model.named_parameters():
            parameter.register_post_accumulate_grad_hook(lambda _, name=name, order=order: order.append(name))
        computed(model, [micro_batch(0, **options)], monkeypatch)
        assert sorted(order) == sorted(dict(model.named_parameters()))
        orders.append(order)
    assert orders[0] == orders[1]


def test_the_last_micro_batch_of_a_batch_is_told_and_no_other(monkeypatch):
    _, engine = computed(ModernBert(SHAPE, 0), [micro_batch(seed) for seed in range(3)], monkeypatch)
    assert engine.lasts == [False, False, True]


def test_layers_computed_again_give_the_same_loss_and_gradients_from_less_memory(monkeypatch):
    found = []
    for again in (False, True):
        model = ModernBert(SHAPE, 0)
        if again:
            recompute_layers(model)
        kept = []
        pack = lambda tensor, kept=kept: kept.append(tensor.numel()) or tensor  # noqa: E731
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            summary, _ = computed(model, [micro_batch(seed, rows=8) for seed in range(2)], monkeypatch)
        found.append((summary, {name: one.grad for name, one in model.named_parameters()}, sum(kept)))
    (summary, gradients, kept), (again, gradients_again, kept_again) = found
    assert again == summary
    assert all(torch.equal(gradients_again[name], gradient) for name, gradient in gradients.items())
    assert kept_again < kept / 2
