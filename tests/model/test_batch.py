"""A flat batch holds what its rows hold, at the places where they begin."""

from functools import partial

import numpy as np
import torch

from model.attention.layout import lay_out
from model.attention.varlen import TorchVarlen
from model.batch import flatten
from model.masking import MaskedRow


def row(inputs: list[int], positions: list[int], labels: list[int]) -> MaskedRow:
    return MaskedRow(*(np.array(part, dtype=np.int64) for part in (inputs, positions, labels)))


ROWS = [row([1, 0, 4, 1, 9, 4], [1], [77]), row([1, 4], [], []), row([1, 0, 0, 8, 4], [1, 2], [50, 60])]
LAY_OUT = partial(lay_out, window=4, backend=TorchVarlen())
LENGTHS = [np.array([3, 3]), np.array([2]), np.array([5])]


def test_rows_lie_one_after_another_and_positions_count_from_the_first() -> None:
    flat = flatten(ROWS, LENGTHS, LAY_OUT)
    expected = {
        "tokens": torch.tensor([1, 0, 4, 1, 9, 4, 1, 4, 1, 0, 0, 8, 4]),
        "cu_seqlens": torch.tensor([0, 3, 6, 8, 13], dtype=torch.int32),
        "positions": torch.tensor([1, 9, 10]),
        "labels": torch.tensor([77, 50, 60]),
    }
    for name, tensor in expected.items():
        found = getattr(flat, name)
        assert found.dtype == tensor.dtype, name
        assert torch.equal(found, tensor), name


def test_lengths_as_rows_on_disk_hold_them_do_not_run_over() -> None:
    many = [row([1] * 60_000, [5], [9])] * 3
    flat = flatten(many, [np.array([60_000], dtype=np.uint16)] * 3, LAY_OUT)
    assert flat.cu_seqlens.tolist() == [0, 60_000, 120_000, 180_000]
    assert flat.positions.tolist() == [5, 60_005, 120_005]


def test_boundaries_of_pieces_stay_on_the_cpu_when_the_rest_moves() -> None:
    moved = flatten(ROWS, LENGTHS, LAY_OUT).to(torch.device("meta"))
    layout = moved.layout
    tensors = (moved.tokens, moved.positions, moved.labels, layout.positions, layout.whole.cu_seqlens)
    assert {tensor.device.type for tensor in tensors} == {"meta"}
    assert moved.cu_seqlens.tolist() == [0, 3, 6, 8, 13]


def test_a_batch_is_filled_up_with_pieces_of_padding_of_which_nothing_is_masked() -> None:
    flat, plain = flatten(ROWS, LENGTHS, LAY_OUT, slots=32, longest=8), flatten(ROWS, LENGTHS, LAY_OUT)
    assert flat.tokens.tolist() == [*plain.tokens.tolist(), *[2] * 19]
    assert flat.cu_seqlens.tolist() == [*plain.cu_seqlens.tolist(), 21, 29, 32]
    assert torch.equal(flat.positions, plain.positions)
    assert torch.equal(flat.labels, plain.labels)
    assert len(flatten(ROWS, LENGTHS, LAY_OUT, slots=13, longest=8).tokens) == 13
