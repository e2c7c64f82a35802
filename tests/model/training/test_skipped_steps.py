"""Phases in which steps go wrong: they are skipped by all ranks, told, and too many of them end the phase."""

import json
import os
import subprocess

import pytest

from tests.model.training.small_phases import ROOT, command, finish, metrics, same, weights
from tests.model.training.test_trainer import live

MODULE = "tests.model.training.faulty_trainer"
FAULTS = {"6": "gradient", "10": "loss", "28": "spike"}
"""Step -> what goes wrong; 28 is of the second stage, whose window is half full then."""


def faulty(data, folder, **options):
    """Return the command that trains with faults."""
    trained = command(data, folder, **options)
    trained[trained.index("model.training.trainer")] = MODULE
    return trained


def run(arguments):
    return subprocess.run(
        arguments,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def skipping(data):
    """A phase with three steps that go wrong, trained without interruption; its folder, and its log."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FAULTS", json.dumps(FAULTS))
        folder = data / "runs" / "skipping"
        done = run(faulty(data, folder, every=900.0))
    assert done.returncode == 0, done.stdout + done.stderr
    return folder, done.stdout


def test_steps_that_go_wrong_are_skipped_and_all_others_trained(skipping, whole):
    lines = metrics(skipping[0])
    assert [str(line["step"]) for line in lines if line.get("skipped")] == list(FAULTS)
    assert [line["step"] for line in lines] == [line["step"] for line in metrics(whole)]
    for key in ("first_row", "batch_tokens", "slots", "learning_rate"):
        assert [line[key] for line in lines] == [line[key] for line in metrics(whole)], key
    assert [line["loss"] for line in lines[:5]] == [line["loss"] for line in metrics(whole)[:5]]
    assert lines[-1]["loss"] < lines[0]["loss"] - 0.3
    newest = max(skipping[0].glob("checkpoints/step-*"))
    state = json.loads((newest / "state.json").read_text())
    assert state["updates"] == lines[-1]["step"] - 3
    assert state["guard"]["count"] == 3


def test_a_skipped_step_is_told_with_its_reason_its_rows_and_how_to_look_at_them(skipping):
    folder, log = skipping
    told = {line["step"]: line for line in metrics(folder) if line.get("skipped")}
    assert (told[6]["gradient_norm"], told[10]["loss"]) == (None, None)
    assert told[28]["loss"] > 100
    assert "the gradient's norm (inf) is not a finite number" in told[6]["skip_reason"]
    assert "the loss (nan) is not a finite number" in told[10]["skip_reason"]
    assert "standard deviations" in told[28]["skip_reason"]
    assert [told[step]["skipped_steps"] for step in (6, 10, 28)] == [1, 2, 3]
    for step, line in told.items():
        first, last, stream = line["first_row"], line["last_row"], line["stream"]
        assert last == first + line["batch_rows"] - 1
        assert f"step {step} is skipped" in log
        assert f"global rows are {first} to {last} of stream {stream}" in log
        assert f"`alasin inspect r/one {first} --stream {stream}`" in log


def test_killed_around_skipped_steps_it_makes_the_same_bits_and_the_same_decisions(data, skipping, monkeypatch):
    monkeypatch.setenv("FAULTS", json.dumps(FAULTS))
    folder = data / "runs" / "skipping lives" / "run"
    trainer = faulty(data, folder)
    live(MODULE, 2, folder, ["step 6", "peer 3", "step 13"], *trainer[trainer.index(MODULE) + 1 :])
    assert same(weights(folder), weights(skipping[0]))
    for key in ("loss", "gradient_norm", "skipped_steps", "skip_reason"):
        assert [line.get(key) for line in metrics(folder)] == [line.get(key) for line in metrics(skipping[0])], key


def test_too_many_skipped_steps_end_the_phase_with_the_newest_checkpoint_that_is_left(data, monkeypatch):
    monkeypatch.setenv("FAULTS", json.dumps({str(step): "loss" for step in range(7, 40)}))
    folder = data / "runs" / "in vain"
    done = run(faulty(data, folder))  # a checkpoint after each step, of which two are kept
    told = done.stdout + done.stderr
    assert done.returncode == 1, told
    assert "3 of the last 8 steps were skipped, the last at step 9, and at most 2 may be" in told
    newest = folder / "checkpoints" / "step-00000008"
    assert f"Go on from {newest}, the newest checkpoint, in whose weights no skipped step" in told
    assert "Traceback" not in told
    assert len(metrics(folder)) == 9
    again = finish(data, folder, every=900.0)  # without the faults
    assert "step 8\n" in again
