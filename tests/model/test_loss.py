"""Loss and gradients by chunks are those of torch's cross-entropy on all logits."""

import pytest
import torch
import torch.nn.functional as F

from model import loss
from model.loss import cross_entropy


def masked_loss(*given: torch.Tensor) -> loss.Losses:
    return loss.masked_loss(*given, cross_entropy)


def drawn(positions: int, vocabulary: int = 70, width: int = 12) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(positions)
    hidden = torch.randn(positions, width, generator=generator)
    weight, bias = torch.randn(vocabulary, width, generator=generator), torch.randn(vocabulary, generator=generator)
    return [hidden, weight, bias, torch.randint(vocabulary, (positions,), generator=generator)]


@pytest.mark.parametrize("positions", [0, 1, 9, 10, 11, 57])
def test_loss_hits_and_gradients_are_those_of_all_logits_at_once(
    positions: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(loss.CHUNK_ELEMENTS, "cpu", 700)  # ten positions
    *leaves, labels = drawn(positions)
    leaves = [leaf.double().requires_grad_() for leaf in leaves]
    factor = torch.tensor(0.25)
    logits = F.linear(*leaves)
    each = F.cross_entropy(logits, labels, reduction="none")
    expected = torch.autograd.grad((each * 0.25).sum(), leaves)
    ours = [leaf.detach().float().requires_grad_() for leaf in leaves]
    found = masked_loss(*ours, labels, factor)
    torch.testing.assert_close(found.each.double(), each, atol=1e-5, rtol=1e-5)
    assert torch.equal(found.correct, logits.argmax(1) == labels)
    torch.testing.assert_close(found.total.double(), 0.25 * each.sum(), atol=1e-5, rtol=1e-5)
    for mine, theirs in zip(torch.autograd.grad(found.total, ours), expected, strict=True):
        torch.testing.assert_close(mine.double(), theirs, atol=1e-5, rtol=1e-5)


def test_what_stands_above_the_total_scales_the_gradients() -> None:
    *leaves, labels = drawn(5)
    leaves = [leaf.requires_grad_() for leaf in leaves]
    one, two = (
        torch.autograd.grad(masked_loss(*leaves, labels, torch.tensor(1.0)).total * above, leaves) for above in (1, 2)
    )
    for single, double in zip(one, two, strict=True):
        torch.testing.assert_close(2 * single, double)


def test_under_autocast_products_are_bfloat16_and_sums_float32() -> None:
    *leaves, labels = drawn(40, vocabulary=300, width=64)
    leaves = [leaf.requires_grad_() for leaf in leaves]
    exact = masked_loss(*leaves, labels, torch.tensor(1.0))
    with torch.autocast("cpu", torch.bfloat16):
        found = masked_loss(*leaves, labels, torch.tensor(1.0))
    assert (found.each.dtype, found.total.dtype) == (torch.float32, torch.float32)
    torch.testing.assert_close(found.each, exact.each, atol=0.2, rtol=2e-2)
    for mine, theirs in zip(
        torch.autograd.grad(found.total, leaves), torch.autograd.grad(exact.total, leaves), strict=True
    ):
        assert mine.dtype == torch.float32
        assert float((mine - theirs).norm() / theirs.norm()) < 0.03


def test_without_gradients_nothing_is_kept_for_them() -> None:
    *leaves, labels = drawn(5)
    with torch.inference_mode():
        found = masked_loss(*leaves, labels, torch.tensor(1.0))
    torch.testing.assert_close(found.each, F.cross_entropy(F.linear(*leaves), labels, reduction="none"))
    assert not found.total.requires_grad
