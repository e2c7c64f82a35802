"""Which checkpoints are kept, and whether there is room for them."""

import shutil
from pathlib import Path

import pytest

from common.errors import UserError
from model.history.keeping import check_room, kept_steps
from recipe.slices.types import KeepingSlice
from tests.model.history.history_cases import phase, plan, stage


def test_the_last_of_each_stage_those_at_a_distance_and_those_of_branches_are_kept(tmp_path: Path) -> None:
    made = plan(phase(stage(tokens=3200), stage(tokens=3200)), tmp_path)
    assert kept_steps(made, KeepingSlice()) == {10, 20}
    assert kept_steps(made, KeepingSlice(every_tokens=1500)) == {5, 10, 15, 19, 20}
    assert kept_steps(made, KeepingSlice(at_tokens=[1, 1000, 1001])) == {1, 4, 10, 20}


def test_a_disk_without_room_for_what_is_to_be_kept_is_told_before_training(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    check_room(tmp_path / "phase", 3, free // 100)
    with pytest.raises(UserError, match=r"3 checkpoints of .* 3 more come and go.*keep_every_tokens"):
        check_room(tmp_path / "phase", 3, free)
