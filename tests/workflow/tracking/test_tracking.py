"""The process beside a launch, with all that may befall it."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from common.files import sha256_of, write_json
from common.processes import start_ticks
from corpus.rows.listing import FORMAT as ROWS_FORMAT
from recipe.slices.files import to_json
from tests.model.history.history_cases import TOKENIZER, phase, stage, write_index
from tests.slurm.standin import wait_for
from tests.workflow.tracking.wandb_file import in_order, rows
from workflow.runtime_keys import TRACKERS, beside, lacking
from workflow.tracking import segment
from workflow.tracking.rows import row_of

ROOT = Path(__file__).parents[3]
TRAINER = """
import json, sys, time
from pathlib import Path

folder = Path(sys.argv[sys.argv.index("--folder") + 1])
step = 0
with open(folder / "metrics.jsonl", "a", buffering=1) as stream:
    while not (folder / "finish").exists():
        step += 1
        stream.write(json.dumps({"step": step, "loss": 1 / step}) + "\\n")
        time.sleep(0.005)
(folder / "done.json").write_text("{}")
"""


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Results with all that a phase reads, and a module that stands for its trainer."""
    found = tmp_path / "results"
    folder = found / "runs/r/p"
    folder.mkdir(parents=True)
    (tmp_path / "standing_in.py").write_text(TRAINER)
    (found / "slice.json").write_text(to_json(phase(stage())))
    write_json(found / "tokenizer.json", TOKENIZER)
    sets = []
    for source in ("one", "two"):
        index = write_index(found / "rows", source, source)
        sets.append(
            {"source": source, "rowset": "32", "index": os.path.relpath(index, folder), "sha256": sha256_of(index)}
        )
    write_json(folder / "rows.json", {"format": ROWS_FORMAT, "sets": sets})
    return found


def options(results: Path) -> list[str]:
    paths = {"slice": "slice.json", "rows": "runs/r/p/rows.json", "tokenizer": "tokenizer.json", "folder": "runs/r/p"}
    return [word for name, path in paths.items() for word in (f"--{name}", str(results / path))]


def environment(results: Path, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WANDB")}
    return kept | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(results.parent)])} | more


def launch(results: Path, **more: str) -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "slurm.launch", "--folder", str(results / "runs/r/p")]
    words += ["--done", str(results / "runs/r/p/done.json"), *shlex.split(beside("wandb", "tiny"))]
    words += ["--", sys.executable, "-m", "standing_in", *options(results)]
    return subprocess.Popen(
        words,
        env=environment(results, **more),
        cwd=results.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def truth(results: Path) -> list[object]:
    lines = (results / "runs/r/p/metrics.jsonl").read_bytes().splitlines(keepends=True)
    return [row_of(line) for line in lines]


def told(results: Path) -> list[object]:
    found = rows(in_order(results / "wandb"))
    assert [row.pop("_step") for row in found] == [row["step"] for row in found]
    return [{name: value for name, value in row.items() if name != "went_back"} for row in found]


def test_a_launch_that_is_killed_in_the_middle_leaves_every_step_once(results: Path) -> None:
    first = launch(results)
    try:
        wait_for(lambda: list(results.glob("runs/r/p/tracking/*/wandb/offline-run-*/*.wandb")))
        first.kill()
        first.wait()
        assert not list(results.glob("wandb/*"))
        second = launch(results)
        (results / "runs/r/p/finish").touch()
        output = second.communicate(timeout=60)[0]
        assert second.returncode == 0, output
        assert "warning" not in output
        assert told(results) == truth(results)
        assert len(truth(results)) > 10
    finally:
        first.kill()
        job = json.loads((results / "runs/r/p/job.json").read_text())
        if start_ticks(job["pid"]) == job["start_ticks"]:
            os.kill(job["pid"], signal.SIGKILL)


@pytest.mark.parametrize(
    ("broken", "environ", "said"),
    [
        ("slice.json", {}, "warning: the tracker fell out (UserError: "),
        (None, {"WANDB_MODE": "sometimes"}, "error: WANDB_MODE is sometimes; Alasin knows online, offline"),
        (None, {"WANDB_MODE": "disabled"}, ""),
    ],
)
def test_a_tracker_that_fails_is_one_sentence_and_training_goes_on(
    results: Path, broken: str | None, environ: dict[str, str], said: str
) -> None:
    if broken:
        (results / broken).write_text("{")
    (results / "runs/r/p/finish").touch()
    run = launch(results, **environ)
    output = run.communicate(timeout=60)[0]
    assert run.returncode == 0, output
    assert said in output
    assert output.count("warning: ") + output.count("error: ") == bool(said)
    assert not (results / "wandb").exists()


def test_with_a_network_finished_segments_go_through_wandb_sync_and_its_failure_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = segment.Segment("1", segment.Named("tiny", "one", "stable", {}), tmp_path)
    written.add(1, {"step": 1})
    folder = written.finish()
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    assert segment.upload([folder]).startswith("wandb sync ended with status 1: ")
    monkeypatch.setattr(sys, "executable", "/bin/echo")
    assert segment.upload([folder]) == ""


def test_a_package_that_is_missing_is_told_before_anything_begins_with_what_installs_it() -> None:
    assert lacking(None, ROOT) == lacking("wandb", ROOT) == []
    trackers = {**TRACKERS, "no_such_package": "envs/none.txt"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("workflow.runtime_keys.TRACKERS", trackers)
        (sentence,) = lacking("no_such_package", ROOT)
    assert f"-m pip install -r {ROOT}/envs/none.txt" in sentence
