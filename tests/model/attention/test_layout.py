"""A layout says where each token stands in its piece, and refuses pieces that cannot be."""

import pytest
import torch

from model.attention.layout import lay_out
from model.attention.slabs import Slabs


def test_positions_count_from_the_beginning_of_each_piece() -> None:
    layout = lay_out([0, 3, 4, 6], 128, Slabs())
    assert layout.positions.tolist() == [0, 1, 2, 0, 0, 1]
    assert (layout.cu_seqlens.tolist(), layout.cu_seqlens.dtype) == ([0, 3, 4, 6], torch.int32)


@pytest.mark.parametrize("wrong", [[], [0], [1, 5], [0, 3, 3], [0, 5, 2]])
def test_boundaries_that_do_not_rise_from_zero_are_refused(wrong: list[int]) -> None:
    with pytest.raises(ValueError, match="cu_seqlens must begin at 0 and rise"):
        lay_out(wrong, 128, Slabs())


def test_all_tensors_but_the_boundaries_are_moved() -> None:
    moved = lay_out([0, 300, 310, 312], 128, Slabs()).moved(lambda tensor: tensor.to("meta"))
    assert moved.cu_seqlens.device.type == "cpu"
    for plan in (moved.whole, moved.windowed):
        tensors = [
            plan.queries,
            plan.keys,
            plan.order,
            *(group.mask for group in plan.groups if group.mask is not None),
        ]
        assert {tensor.device.type for tensor in tensors} == {"meta"}
