"""The mean of checkpoints: the right ones, exact, and told where one was not kept."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest
import torch

from common.errors import UserError
from model.averaging import checkpoints_at, mean_weights
from model.history.position import Position
from model.history.store import FORMAT, write_pointer
from tests.model.whole_checkpoints import of_weights, write_checkpoint


@pytest.fixture
def pointer(tmp_path: Path) -> Path:
    """A phase of 1,000 slots in steps of 64, whose checkpoints after 512, 768 and 1,024 slots were kept."""
    for step, slots in ((8, 512), (12, 768), (16, 1024), (20, 1280)):
        position = Position(step=step, slots=5000 + slots, phase_slots=slots, history="00")
        weights = {"a": torch.full((3,), float(step)), "b": torch.tensor([1e8, 1.0 / step])}
        directory = tmp_path / "checkpoints" / f"step-{step:08}"
        write_checkpoint(directory, of_weights(weights), {"format": FORMAT, "position": asdict(position)})
    # The phase ended earlier than its newest checkpoint: with fewer tokens than it was once asked for.
    path = tmp_path / "checkpoint.json"
    write_pointer(path, tmp_path / "checkpoints" / "step-00000016", {})
    return path


def test_those_are_taken_that_first_reach_each_point(pointer: Path) -> None:
    found = checkpoints_at(pointer, [500, 750, 1000])
    assert [directory.name for directory in found] == ["step-00000008", "step-00000012", "step-00000016"]
    mean = mean_weights(found)
    assert torch.equal(mean["a"], torch.full((3,), 12.0))
    assert mean["b"].dtype == torch.float32
    assert mean["b"].tolist() == pytest.approx([1e8, (1 / 8 + 1 / 12 + 1 / 16) / 3], rel=1e-7)
    assert mean_weights(found[2:])["a"].tolist() == [16.0] * 3


@pytest.mark.parametrize("points", [[250, 500, 1000], [512, 513, 1024], [1000, 1200]])
def test_a_point_at_which_none_was_kept_is_told(pointer: Path, points: list[int]) -> None:
    with pytest.raises(UserError, match=r"no checkpoint was kept after .* slots of "):
        checkpoints_at(pointer, points)


def test_a_damaged_one_is_told(pointer: Path) -> None:
    (shard,) = (pointer.parent / "checkpoints" / "step-00000012").glob("shard-*")
    shard.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(UserError, match=r"step-00000012.*\. Ask for fewer checkpoints"):
        checkpoints_at(pointer, [500, 750, 1000])
