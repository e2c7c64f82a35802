"""What wandb's files hold is what metrics.jsonl says, step by step, whatever is killed or trained again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.workflow.tracking.wandb_file import in_order, rows, run_of
from workflow.tracking.following import Lines
from workflow.tracking.mirror import Mirror
from workflow.tracking.rows import row_of
from workflow.tracking.segment import Named, Segment
from workflow.tracking.state import Record

NAMED = Named("tiny", "one", "stable", {"run": "one", "model": {"layers": 2}})
HISTORY = "0123456789abcdef"


class Phase:
    """A phase's folder, whose metrics a test writes, and mirrors of it."""

    def __init__(self, results: Path) -> None:
        self.folder, self.segments = results / "runs/one/stable", results / "wandb"
        self.folder.mkdir(parents=True)
        self.log = self.folder / "metrics.jsonl"
        self.attempt = 0

    def train(self, *steps: int) -> None:
        """Write steps of an attempt of its own."""
        self.attempt += 1
        with open(self.log, "a") as stream:
            for step in steps:
                row = {"step": step, "loss": 1 / step + self.attempt, "language_loss": {"fi": 2.0 * step, "sv": None}}
                stream.write(json.dumps(row | ({"validation": {"loss": 3.5}} if step == 2 else {})) + "\n")

    def cut_after(self, step: int) -> None:
        """Drop the steps after one, as training does when it goes on from there."""
        kept = [line for line in self.log.read_text().splitlines() if json.loads(line)["step"] <= step]
        self.log.write_text("".join(f"{line}\n" for line in kept))

    def mirror(self, seconds: float = 1e9, history: str = HISTORY) -> Mirror:
        record = Record(self.folder, history, self.segments)
        return Mirror(record, Lines(self.log, bytes.fromhex(record.mirrored.known)), NAMED, seconds)

    def follow(self, history: str = HISTORY) -> None:
        """Mirror what there is, and end."""
        self.mirror(history=history).follow(lambda: True, lambda _: None, lambda: None)

    def truth(self) -> list[dict[str, Any]]:
        found = [row_of(line) for line in self.log.read_bytes().splitlines(keepends=True)]
        return [row for row in found if row]


@pytest.fixture
def phase(tmp_path: Path) -> Phase:
    return Phase(tmp_path / "results")


def plain(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in ("_step", "went_back")}


def test_every_step_is_there_once_with_the_names_and_values_of_the_log(phase: Phase) -> None:
    phase.train(*range(1, 1500))
    phase.follow()
    phase.train(1500, 1501)
    phase.follow()
    phase.follow()
    found = rows(in_order(phase.segments))
    assert [plain(row) for row in found] == phase.truth()
    assert found[1] == {
        **{"step": 2, "loss": 1.5, "language_loss/fi": 4.0, "validation/loss": 3.5},
        **{"_step": 2, "went_back": 0},
    }
    run = run_of(in_order(phase.segments))
    assert (run.project, run.run_group, run.job_type, run.display_name) == ("tiny", "one", "stable", "one/stable")
    assert run.resume
    assert {item.key: json.loads(item.value_json) for item in run.config.update}["model"] == {"layers": 2}
    assert len(list(phase.segments.iterdir())) == 2
    assert len({path.name.rpartition("-")[2] for path in phase.segments.iterdir()}) == 1


def test_steps_that_are_trained_again_come_after_and_say_so(phase: Phase) -> None:
    phase.train(1, 2, 3, 4)
    phase.follow()
    phase.cut_after(2)
    phase.train(3, 4, 5)
    phase.follow()
    found = rows(in_order(phase.segments))
    assert [(row["step"], row["_step"], row["went_back"]) for row in found] == [
        *[(1, 1, 0), (2, 2, 0), (3, 3, 0), (4, 4, 0)],
        *[(3, 5, 1), (4, 6, 1), (5, 7, 1)],
    ]
    assert [plain(row) for row in (*found[:2], *found[4:])] == phase.truth()


def test_training_that_goes_back_while_it_is_watched_is_told_as_well(phase: Phase) -> None:
    phase.train(1, 2, 3)
    mirror, looks = phase.mirror(), []

    def pause(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 1:
            phase.cut_after(1)
        else:
            phase.train(2)

    mirror.follow(lambda: len(looks) == 2, pause, lambda: None)
    assert [(row["step"], row["_step"], row["went_back"]) for row in rows(in_order(phase.segments))] == [
        *[(1, 1, 0), (2, 2, 0), (3, 3, 0), (2, 4, 1)],
    ]


def test_a_segment_is_finished_now_and_then_and_can_be_uploaded_while_others_come(phase: Phase) -> None:
    phase.train(1)
    finished: list[int] = []
    mirror = phase.mirror(seconds=0.0)
    mirror.follow(lambda: len(finished) == 2, lambda _: phase.train(len(finished) + 1), lambda: finished.append(1))
    assert [row["step"] for row in rows(in_order(phase.segments))] == [1, 2, 3]
    assert len(list(phase.segments.iterdir())) == 3


class KilledError(Exception):
    """Stands for SIGKILL at some place."""


@pytest.mark.parametrize("place", ["finish", "_bring"])
def test_killed_before_the_record_or_after_it_nothing_is_lost_or_doubled(
    phase: Phase, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill(*_: object) -> None:
        raise KilledError

    phase.train(1, 2, 3)
    mirror = phase.mirror()
    with monkeypatch.context() as patch:
        patch.setattr(Record, place, kill)
        with pytest.raises(KilledError):
            mirror.follow(lambda: True, lambda _: None, lambda: None)
    assert not phase.segments.exists()
    phase.train(4)
    phase.follow()
    assert [row["step"] for row in rows(in_order(phase.segments))] == [1, 2, 3, 4]
    assert len(list(phase.segments.iterdir())) == (2 if place == "_bring" else 1)


@pytest.mark.parametrize("killed", [False, True], ids=["an error", "wandb's process is killed"])
def test_after_a_failure_in_the_middle_the_same_process_begins_anew(
    phase: Phase, killed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    phase.train(1, 2, 3)
    mirror, add = phase.mirror(), Segment.add

    def fail(segment: Segment, number: int, row: dict[str, Any]) -> None:
        add(segment, number, row)
        if number == 2:
            own = [one for one in psutil.Process().children() if "wandb" in one.name()]
            assert own
            for process in own if killed else []:
                process.kill()
            raise OSError("no space")

    with monkeypatch.context() as patch:
        patch.setattr(Segment, "add", fail)
        with pytest.raises(OSError, match="no space"):
            mirror.follow(lambda: True, lambda _: None, lambda: None)
    phase.follow()
    assert [row["step"] for row in rows(in_order(phase.segments))] == [1, 2, 3]


def test_a_phase_with_another_history_is_another_run_and_the_former_one_is_found_again(phase: Phase) -> None:
    phase.train(1, 2)
    phase.follow()
    former = phase.log.read_bytes()
    phase.log.write_bytes(b"")
    phase.train(1)
    phase.follow(history="fedcba")
    phase.log.write_bytes(former)
    phase.train(3)
    phase.follow()
    ids = [path.name.rpartition("-")[2] for path in phase.segments.iterdir()]
    assert sorted(map(ids.count, set(ids))) == [1, 2]
    assert sorted(row["step"] for row in rows(in_order(phase.segments))) == [1, 1, 2, 3]


def test_damaged_lines_and_what_was_not_finite_are_left_out(phase: Phase) -> None:
    phase.train(1)
    with open(phase.log, "a") as stream:
        stream.write('{"step": 2, "lo\n{"step": 3, "loss": null}\n')
    phase.follow()
    assert [plain(row) for row in rows(in_order(phase.segments))][1:] == [{"step": 3}]


def test_a_key_is_written_nowhere(phase: Phase, monkeypatch: pytest.MonkeyPatch) -> None:
    key = "c0ffee" * 7
    monkeypatch.setenv("WANDB_API_KEY", key)
    phase.train(1)
    phase.follow()
    written = b"".join(path.read_bytes() for path in phase.segments.rglob("*") if path.is_file())
    assert written
    assert key.encode() not in written
