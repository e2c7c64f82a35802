"""A flat batch holds what its rows hold, at the places where they begin."""

import numpy as np
import torch

from model.batch import flatten
from model.masking import MaskedRow


def row(inputs: list[int], positions: list[int], labels: list[int]) -> MaskedRow:
    return MaskedRow(*(np.array(part, dtype=np.int64) for part in (inputs, positions, labels)))


ROWS = [row([1, 0, 4, 1, 9, 4], [1], [77]), row([1, 4], [], []), row([1, 0, 0, 8, 4], [1, 2], [50, 60])]
LENGTHS = [np.array([3, 3]), np.array([2]), np.array([5])]


def test_rows_lie_one_after_another_and_positions_count_from_the_first() -> None:
    flat = flatten(ROWS, LENGTHS)
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
    flat = flatten(many, [np.array([60_000], dtype=np.uint16)] * 3)
    assert flat.cu_seqlens.tolist() == [0, 60_000, 120_000, 180_000]
    assert flat.positions.tolist() == [5, 60_005, 120_005]


def test_boundaries_of_pieces_stay_on_the_cpu_when_the_rest_moves() -> None:
    moved = flatten(ROWS, LENGTHS).to(torch.device("meta"))
    assert {moved.tokens.device.type, moved.positions.device.type, moved.labels.device.type} == {"meta"}
    assert moved.cu_seqlens.tolist() == [0, 3, 6, 8, 13]
