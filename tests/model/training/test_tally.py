"""A batch's sums over all ranks, and what ranks ask each other with them."""

import numpy as np
import pytest
import torch
import torch.distributed as dist

from model.training.metrics import Tally

DRAWN = np.array([3, 4])


def shared(monkeypatch: pytest.MonkeyPatch, order: int, of_the_other: int, **asked: bool) -> Tally:
    """Share a tally with a rank that counted as much as this one, and asks for nothing."""
    monkeypatch.setattr(dist, "get_rank", lambda: 0)
    monkeypatch.setattr(dist, "get_world_size", lambda: 2)

    def add(vector: torch.Tensor) -> None:
        vector[:-3] *= 2
        vector[-3] += of_the_other

    monkeypatch.setattr(dist, "all_reduce", add)
    tally = Tally(1, 2, torch.device("cpu"))
    tally.share(DRAWN, asked.get("stop", False), asked.get("checkpoint_due", False), order)
    return tally


def test_tokens_are_added_up_and_one_rank_s_wish_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    tally = shared(monkeypatch, 2**32 - 1, 2**32 - 1, stop=True)
    assert (tally.drawn, tally.stop, tally.checkpoint_due) == ([6, 8], True, False)


def test_gradients_that_came_in_another_order_on_another_rank_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RuntimeError, match="rank 0 computes its gradients in another order than others"):
        shared(monkeypatch, 2**32 - 1, 2**32 - 2)
