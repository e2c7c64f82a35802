"""When a job must hear of its end, from what its saves took."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from slurm.records.progress import signal_seconds


def write_metrics(folder: Path, *rows: dict[str, float]) -> None:
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.mark.parametrize(("minutes", "seconds"), [(2880, 300), (20, 300), (4, 60), (1, 15)])
def test_before_the_first_save_it_hears_five_minutes_before_and_never_in_the_first_three_quarters(
    tmp_path: Path, minutes: int, seconds: int
) -> None:
    assert signal_seconds(tmp_path, minutes) == seconds


def test_the_slowest_save_and_step_count(tmp_path: Path) -> None:
    write_metrics(
        tmp_path,
        {"step_seconds": 2.0, "save_seconds": 0.0, "write_seconds": 0.0},
        {"step_seconds": 9.5, "save_seconds": 0.5, "write_seconds": 39.5},
        {"step_seconds": 2.0, "save_seconds": 0.5, "write_seconds": 30.0},
    )
    assert signal_seconds(tmp_path, 2880) == 60 + 2 * 9.5 + 3 * 40


def test_without_a_save_in_the_metrics_nothing_is_measured(tmp_path: Path) -> None:
    begun = {"step_seconds": 2.0, "save_seconds": 1.0, "write_seconds": 0.0}
    write_metrics(tmp_path, {"step_seconds": 2.0, "save_seconds": 0.0}, begun, {"step_seconds": 2.0})
    assert signal_seconds(tmp_path, 2880) == 300


def test_a_cut_last_line_is_passed_over(tmp_path: Path) -> None:
    write_metrics(tmp_path, {"step_seconds": 1.0, "save_seconds": 1.0, "write_seconds": 9.0})
    with (tmp_path / "metrics.jsonl").open("a") as stream:
        stream.write('{"step_seconds": 1.0, "save_sec')
    assert signal_seconds(tmp_path, 2880) == 60 + 2 + 30
