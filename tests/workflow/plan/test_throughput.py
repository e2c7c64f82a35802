"""How fast a device is, from what the command line says and from earlier steps."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from common.errors import UserError
from slurm.records.job import Job, write_job
from workflow.plan.throughput import Measured, measure, nearest, parse_given


def trained(
    folder: Path,
    rows: list[tuple[int, int, float]],
    ranks: int = 4,
    checkpoint_ranks: int | None = None,
    cluster: str = "lumi",
    tail: str = "",
) -> Path:
    """Write what a phase leaves: steps of (rows in the batch, row length, seconds), a checkpoint, its job."""
    lines = [{"batch_rows": batch, "length": length, "step_seconds": seconds} for batch, length, seconds in rows]
    checkpoint = folder / "checkpoints" / "step-00000001"
    state = {"position": {"step": 1, "phase_slots": 1}, "slice": {}, "world_size": checkpoint_ranks or ranks}
    checkpoint.mkdir(parents=True)
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + tail)
    (checkpoint / "state.json").write_text(json.dumps(state))
    (checkpoint / "manifest.json").write_text("{}")
    write_job(folder, Job(cluster, "4711", ranks, "uan01", "2026-01-31T12:00:00+00:00", ["train"]))
    return folder


def test_speed_is_the_busiest_ranks_slots_in_the_median_step(tmp_path: Path) -> None:
    # Ten rows over four ranks: the busiest has three.
    folder = trained(tmp_path, [(10, 100, 99.0), (10, 100, 2.0), (10, 100, 3.0)])
    measured = measure(folder, "lumi")
    assert measured is not None
    assert (measured.length, measured.slots_per_second) == (100, 3 * 100 / 3.0)
    assert measured.source == f"3 steps in {folder / 'metrics.jsonl'}"


def test_nothing_is_measured_where_the_last_job_has_other_ranks_than_the_checkpoint(tmp_path: Path) -> None:
    assert measure(trained(tmp_path, [(4, 100, 1.0)], ranks=8, checkpoint_ranks=4), "lumi") is None


def test_steps_at_another_row_length_do_not_count(tmp_path: Path) -> None:
    measured = measure(trained(tmp_path, [(4, 100, 0.1), (4, 100, 0.1), (4, 200, 1.0)]), "lumi")
    assert measured == Measured(200, 200.0, f"1 steps in {tmp_path / 'metrics.jsonl'}")


def test_lines_that_are_no_steps_are_passed_over(tmp_path: Path) -> None:
    folder = trained(tmp_path, [(4, 100, 1.0), (4, 100, 0.0)], tail='{"step": 3}\n[]\n{"step": 4, "batch')
    measured = measure(folder, "lumi")
    assert measured is not None
    assert measured.source.startswith("1 steps")


def test_what_another_cluster_trained_says_nothing(tmp_path: Path) -> None:
    assert measure(trained(tmp_path, [(4, 100, 1.0)], cluster="local"), "lumi") is None


@pytest.mark.parametrize(
    "gone",
    ["checkpoints/step-00000001/state.json", "checkpoints/step-00000001/manifest.json", "metrics.jsonl", "job.json"],
)
def test_without_checkpoint_metrics_or_job_nothing_is_measured(tmp_path: Path, gone: str) -> None:
    folder = trained(tmp_path, [(4, 100, 1.0)])
    (folder / gone).unlink()
    assert measure(folder, "lumi") is None


@pytest.mark.parametrize("damaged", ["checkpoints/step-00000001/state.json", "job.json"])
def test_a_damaged_state_or_record_is_no_measurement(tmp_path: Path, damaged: str) -> None:
    folder = trained(tmp_path, [(4, 100, 1.0)])
    (folder / damaged).write_text("{")
    assert measure(folder, "lumi") is None


def test_the_nearest_length_is_nearest_by_ratio() -> None:
    measured = [Measured(1024, 1.0, ""), Measured(8192, 2.0, "")]
    assert nearest(measured, 2218) == measured[0]
    assert nearest(measured, 3413) == measured[1]
    assert nearest([], 1024) is None


def test_speeds_are_given_by_name() -> None:
    assert parse_given(["large=14_000", "tiny=1.5e5"], {"tiny", "large"}) == {"large": 14_000, "tiny": 150_000}


@pytest.mark.parametrize("text", ["large", "large=", "large=fast", "large=0", "large=-3", "large=nan", "large=inf"])
def test_what_is_no_speed_is_an_error(text: str) -> None:
    with pytest.raises(UserError, match="give tokens a second on one device, as in large=14000"):
        parse_given([text], {"large"})


def test_a_name_that_the_recipe_lacks_is_told_with_those_it_has() -> None:
    with pytest.raises(UserError, match="no run or model 'huge'; it has large, tiny"):
        parse_given(["huge=3"], {"tiny", "large"})
