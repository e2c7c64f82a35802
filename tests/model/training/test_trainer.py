"""The trainer as its users meet it: through `slurm.launch`, killed, stopped, resumed, and fed damaged files."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest

from common.files import write_json
from common.listed import describe
from tests.model.training.small_phases import (
    ROOT,
    command,
    finish,
    metrics,
    same,
    start,
    weights,
)


def test_the_loss_falls_and_every_row_is_trained_once(whole):
    lines = metrics(whole)
    assert [line["step"] for line in lines] == list(range(1, len(lines) + 1))
    for stage in (0, 1):
        rows = [(line["first_row"], line["batch_rows"]) for line in lines if line["stage"] == stage]
        assert all(first + count == following for (first, count), (following, _) in pairwise(rows))
    assert lines[-1]["loss"] < lines[0]["loss"] - 0.3
    assert {language for line in lines for language in line["language_loss"]} == {"en", "la"}


def test_a_stage_split_in_two_and_a_phase_split_in_two_train_the_same_bits(data):
    ways = {"whole": ["whole"], "halves": ["halves"], "split": ["half", "other-half"]}
    trained = {}
    for way, phases in ways.items():
        lines, previous = [], None
        for phase in phases:
            folder = data / "runs" / way / phase
            finish(data, folder, phase=phase, previous=previous, every=900.0)
            lines += metrics(folder)
            previous = folder / "checkpoint.json"
        assert [line["first_row"] for line in lines] == list(range(0, 150, 15))
        trained[way] = [line["loss"] for line in lines], weights(folder)
    for losses, tensors in trained.values():
        assert losses == trained["whole"][0]
        assert same(tensors, trained["whole"][1])


@pytest.mark.parametrize(("edited", "kept"), [("longer", 10), ("slower", 5), ("skipping", 6)])
def test_a_changed_recipe_trains_only_what_differs_and_to_the_bits_of_training_it_from_nothing(data, edited, kept):
    runs = data / "edited" / edited
    finish(data, runs / "before" / "whole", phase="whole", runs=runs, ranks=1)
    output = finish(data, runs / "after" / edited, phase=edited, runs=runs, ranks=1)
    assert f"step {kept}\n" in output
    finish(data, data / "anew" / edited, phase=edited, every=900.0, ranks=1)
    continued, anew = metrics(runs / "after" / edited), metrics(data / "anew" / edited)
    assert [line["loss"] for line in continued] == [line["loss"] for line in anew]
    assert [line["first_row"] for line in continued] == [line["first_row"] for line in anew]
    assert same(weights(runs / "after" / edited), weights(data / "anew" / edited))
    assert metrics(runs / "before" / "whole")[:kept] == continued[:kept]


STAGED = ".step-#.#.part"
SHARD = [f"open {STAGED}/shard-#-of-#.safetensors", f"open {STAGED}/.shard-#-of-#.json.part"]
SHARD += [f"os.rename {STAGED}/.shard-#-of-#.json.part"]
PLACES = [
    "open run/metrics.jsonl 1",  # starting up
    "step 3",  # while what came before is being written
    "peer 4",
    "os.mkdir checkpoints/.step-#.#.part 1",
    *(f"{act} 2" for act in SHARD),
    *(f"peer {act} 2" for act in SHARD),
    f"full {SHARD[0]} 2",
    f"peer full {SHARD[1]} 1",
    f"open {STAGED}/.state.json.HOST.#.part 1",
    f"full os.rename {STAGED}/.state.json.HOST.#.part 2",
    f"os.remove {STAGED}/shard-#-of-#.json 2",
    f"os.rename {STAGED}/.manifest.json.HOST.#.part 2",
    "os.rename checkpoints/.step-#.#.part 1",
    "os.rename checkpoints/step-# 1",  # removing an old one
    "os.rmdir checkpoints/.step-#.old 1",
    "open run/.finished.json.HOST.#.part 1",  # between the last save and what is due at it
    "os.rename run/.finished.json.HOST.#.part 1",
    "open run/.checkpoint.json.HOST.#.part 1",
    "os.rename run/.checkpoint.json.HOST.#.part 1",
]


def live(module, ranks, folder, places, *arguments):
    """Run a command with as many lives as there are places at which it is killed, and a last one to its end."""
    plan = folder.with_name(f"plan-{folder.name}.json")
    plan.parent.mkdir(parents=True, exist_ok=True)
    plan.write_text(json.dumps(places))
    command = [sys.executable, Path(__file__).with_name("lives.py"), module, ranks, folder, plan, "--", *arguments]
    done = subprocess.run(
        list(map(str, command)),
        # As launch shares the cores, on which the order of sums depends.
        env=os.environ
        | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": str(max(1, len(os.sched_getaffinity(0)) // ranks))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lives = json.loads(done.stdout.splitlines()[-1])
    for life in lives[:-1]:
        name, *what = life["place"].removeprefix("peer ").removeprefix("full ").split()
        victim = 1 if life["place"].startswith("peer ") else 0
        full = "full " in life["place"]
        assert life["statuses"][victim] == (os.EX_DATAERR if full else -signal.SIGKILL), life
        assert not what or name == "step" or f"{name} {what[0]}" in life["did"], life
        told = plan.with_name(f"rank-{victim}.log").read_text()
        assert not full or "could not be written (No space left on device)" in told, told
    assert lives[-1]["statuses"] == [0] * ranks, plan.with_name("rank-0.log").read_text()
    return lives[-1]["did"]


def test_killed_while_it_starts_steps_saves_and_ends_it_makes_the_same_bits(data, whole):
    folder = data / "runs" / "lives" / "run"
    trainer = command(data, folder)
    live("model.training.trainer", 2, folder, PLACES, *trainer[trainer.index("model.training.trainer") + 1 :])
    assert same(weights(folder), weights(whole))
    assert [m["loss"] for m in metrics(folder)] == [m["loss"] for m in metrics(whole)]
    assert json.loads((folder / "checkpoint.json").read_text())["step"] == metrics(whole)[-1]["step"]
    assert not [path for path in folder.rglob("*") if path.name.startswith(".step-")]


@pytest.mark.parametrize("phase", ["muon", "stable-adamw"])
def test_killed_and_resumed_with_another_optimizer_it_makes_the_same_bits(data, phase):
    once, often = (data / "runs" / f"{phase} {how}" / "run" for how in ("once", "often"))
    finish(data, once, phase=phase, every=900.0)
    trainer = command(data, often, phase=phase)
    live("model.training.trainer", 2, often, ["step 3"], *trainer[trainer.index("model.training.trainer") + 1 :])
    assert same(weights(often), weights(once))
    assert [line["loss"] for line in metrics(often)] == [line["loss"] for line in metrics(once)]


def test_an_export_killed_at_any_of_its_writes_is_made_again_whole(data, whole):
    arguments = ["--checkpoint", whole / "checkpoint.json", "--slice", data / "one.json"]
    arguments += ["--tokenizer", data / "tokenizers" / "t" / "manifest.json", "--output"]
    once, often = data / "models" / "once", data / "models" / "often"
    did = live("model.export", 1, once, [], *arguments, once / "config.json")
    writes = [f"{event.replace('once/', 'often/')} 1" for event in did if event.startswith(("open", "os.rename"))]
    assert len(writes) == 10, writes
    live("model.export", 1, often, writes, *arguments, often / "config.json")
    made = {path.name: path.read_bytes() for path in once.iterdir()}
    assert {path.name: path.read_bytes() for path in often.iterdir() if not path.name.endswith(".part")} == made


def test_stopped_with_two_ranks_and_resumed_with_one_and_with_four_it_trains_the_same_rows(data, whole):
    for ranks in (1, 4):
        folder = data / "runs" / f"resumed-{ranks}"
        process = start(data, folder, every=900.0)
        while not (folder / "metrics.jsonl").exists() or len(metrics(folder)) < 5:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        output = process.communicate(timeout=60)[0]
        assert process.returncode == 130, output
        assert "checkpoint" in output
        stopped = len(metrics(folder))
        assert stopped < len(metrics(whole))
        finish(data, folder, ranks=ranks, every=900.0, micro=64)
        found, expected = metrics(folder), metrics(whole)
        for key in ("stage", "first_row", "batch_rows", "batch_tokens", "masked", "slots", "learning_rate"):
            assert [line[key] for line in found] == [line[key] for line in expected], key
        assert [line["loss"] for line in found] == pytest.approx([line["loss"] for line in expected], abs=1e-3)


@pytest.mark.parametrize("name", ["shard-00001-of-00002.safetensors", "state.json"])
def test_a_damaged_newest_checkpoint_is_noticed_and_the_one_before_it_leads_to_the_same_bits(data, whole, name):
    folder = data / "runs" / f"damaged {name}"
    finish(data, folder)
    (folder / "checkpoint.json").unlink()
    newest = max(folder.glob("checkpoints/step-*"))
    content = bytearray((newest / name).read_bytes())
    # In state.json, a letter of the fingerprint of the inputs: still JSON, and as if another recipe had written it.
    place = content.find(b'"inputs"') + 15 if name == "state.json" else -3
    content[place] ^= 1
    (newest / name).write_bytes(content)
    output = finish(data, folder)
    assert f"checkpoint {newest.name} is damaged" in output
    assert name in output
    assert same(weights(folder), weights(whole))


def test_a_shard_with_a_flipped_byte_stops_the_run_with_its_name(data):
    shard = data / "shards" / "t" / "la" / "train-00000.ids"
    content = shard.read_bytes()
    damaged = bytearray(content)
    damaged[len(damaged) // 2] ^= 1
    shard.write_bytes(damaged)
    try:
        output = finish(data, data / "runs" / "shard", status=1)
    finally:
        shard.write_bytes(content)
    assert str(shard) in output
    assert "Traceback" not in output
    assert not list((data / "runs" / "shard").glob("checkpoints/*"))


def test_the_next_phase_begins_with_the_weights_and_moments_of_the_one_before(data, whole):
    folder = data / "runs" / "next"
    output = finish(data, folder, phase="two", previous=whole / "checkpoint.json")
    assert f"beginning from {whole}" in output
    first, before = metrics(folder)[0], metrics(whole)[-1]
    assert (first["step"], first["slots"] - 10 * 48) == (before["step"] + 1, before["slots"])
    assert first["loss"] < before["loss"] + 0.5


def test_checkpoints_of_another_recipe_are_set_aside_and_not_continued(data, whole):
    folder = data / "runs" / "changed"
    finish(data, folder, phase="two", every=900.0)
    (folder / "checkpoint.json").unlink()
    output = finish(data, folder, every=900.0)
    assert "the recipe or the data has changed" in output
    assert list(folder.glob("superseded/*/checkpoints*/step-*"))
    assert same(weights(folder), weights(whole))


def test_what_was_set_aside_is_taken_back_when_it_is_asked_for_again_and_not_trained_anew(data):
    folder = data / "runs" / "back and forth"
    finish(data, folder, phase="half", every=900.0)
    trained, lines = weights(folder), metrics(folder)
    (folder / "checkpoint.json").unlink()
    finish(data, folder, phase="two", every=900.0)
    (folder / "checkpoint.json").unlink()
    output = finish(data, folder, phase="half", every=900.0)
    assert "taking over" in output
    assert metrics(folder) == lines
    assert same(weights(folder), trained)


def test_checkpoints_of_an_older_format_are_set_aside_and_not_continued(data, whole):
    folder = data / "runs" / "older"
    shutil.copytree(whole, folder, ignore=shutil.ignore_patterns("jobs", "job*", "RUNNING*", "checkpoint.json"))
    for directory in folder.glob("checkpoints/step-*"):
        state, manifest = (json.loads((directory / name).read_text()) for name in ("state.json", "manifest.json"))
        write_json(directory / "state.json", state | {"format": 1})
        files = [describe(directory / entry["name"]) for entry in manifest["files"]]
        write_json(directory / "manifest.json", {"format": 1, "files": files})
    output = finish(data, folder, every=900.0)
    assert "is a checkpoint of format 1, and 5 is what is read; moved what leads elsewhere to" in output
    assert list(folder.glob("superseded/*/checkpoints/step-*"))
    assert same(weights(folder), weights(whole))


@pytest.mark.parametrize(("arguments", "status"), [(["--help"], 0), ([], 2)])
def test_what_would_abort_at_its_exit_does_not(arguments, status):
    program = "import atexit, os, runpy; atexit.register(os.abort); "
    program += "runpy.run_module('model.training.trainer', run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", program, *arguments], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == status
    assert b"usage:" in (done.stderr if status else done.stdout)


def test_two_launches_at_once_train_once(data, whole):
    folder = data / "runs" / "twice"
    processes = [start(data, folder, every=900.0) for _ in range(2)]
    outputs = [process.communicate(timeout=180)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert sum("beginning with fresh weights" in output for output in outputs) == 1
    assert same(weights(folder), weights(whole))
