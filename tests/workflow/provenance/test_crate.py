"""A finished run as an RO-Crate: read back by the library, whole or absent, nobody named, large files by checksum."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import zipfile
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from rocrate.rocrate import ROCrate

from common.errors import UserError
from common.files import write_json
from tests.workflow.finished import finish
from tests.workflow.provenance.test_records import note
from workflow.provenance.contents import kind_of, read_contents
from workflow.provenance.crate import address, write_crate
from workflow.provenance.invocations import append_invocation
from workflow.provenance.records import write_records

ROOT = Path(__file__).parents[3]
REPORT = "results/report.html"
MODEL = "results/models/small/config.json"
WEIGHTS = "results/models/small/model.safetensors"
CHECKPOINT = "results/runs/small/stable/checkpoint.json"
SHARD = "results/runs/small/stable/checkpoints/step-00000040/shard-00000-of-00001.safetensors"
RAW = 'text/it\'s "raw".jsonl'
DOCUMENTS = "results/corpus/udhr-fi/train.parquet"
SAMPLED = "results/corpus/udhr-fi/sampled.json"


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A finished run in a folder whose name has a space and quotes."""
    directory = tmp_path / 'it\'s a "run"'
    finish(directory)
    monkeypatch.chdir(directory)
    for name, content in (
        (RAW, "{}\n"),
        (REPORT, "<p>"),
        (SAMPLED, "{}"),
        ("results/corpus/udhr-fi/train.parquet", "x"),
    ):
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(content)
    (directory / SHARD).write_text("weights and moments")
    manifest = directory / Path(SHARD).parent / "manifest.json"
    digest = sha256(b"weights and moments").hexdigest()
    write_json(manifest, {"files": [{"name": Path(SHARD).name, "bytes": 19, "sha256": digest}]})
    append_invocation(ROOT, ["/home/kallas/snakemake", "-n"])
    for place, (output, rule, inputs) in enumerate(
        (
            (SAMPLED, "sample", [RAW, "text/gone.jsonl"]),
            (CHECKPOINT, "train", [SAMPLED]),
            (MODEL, "export", [CHECKPOINT]),
            (REPORT, "report", [MODEL]),
        )
    ):
        note(directory, output, rule=rule, input=inputs, starttime=3e9 + place, endtime=3e9 + place + 0.5)
    write_records(directory)
    return directory


def said(directory: Path, *words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "workflow.cli", "crate", *map(str, words), "--directory", str(directory)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=directory.parent)


def ids(found: Any) -> set[str]:
    """Return the names of one entity, or of several."""
    return {one.id for one in (found if isinstance(found, list) else [found])}


def test_the_command_writes_a_run_that_the_library_reads_back(directory: Path) -> None:
    path = directory.parent / 'my "first" run\'s.zip'
    done = said(directory, path)
    assert done.returncode == 0, done.stderr
    assert "checkpoints  1 files, 19 bytes: is named by checksum; --include checkpoints puts it in" in done.stdout
    crate = ROCrate(path)
    assert crate.mainEntity.id == "Snakefile"
    assert crate.mainEntity["programmingLanguage"]["name"] == "Snakemake"
    assert {one.id for one in crate.root_dataset["conformsTo"]} >= {"https://w3id.org/ro/wfrun/workflow/0.5"}
    assert crate.datePublished.isoformat() == "2065-01-24T05:20:03+00:00"
    run, *jobs = crate.root_dataset["mentions"]
    assert (run.type, run["instrument"].id, len(jobs)) == ("CreateAction", "Snakefile", 4)
    assert run.get("agent") is None
    raw = address(sha256(b"{}\n").hexdigest())
    assert ids(run["object"]) == {raw}, "what a rule made went in nowhere, and what is gone has no checksum"
    assert {MODEL, WEIGHTS, REPORT, CHECKPOINT} <= ids(run["result"])
    export = next(job for job in jobs if job["instrument"]["name"] == "rule export")
    assert ids(export["result"]) == {MODEL, WEIGHTS}
    assert ids(export["object"]) == {CHECKPOINT, address(sha256(b"weights and moments").hexdigest())}
    weights = crate.get(WEIGHTS)
    assert weights["sha256"] == sha256((directory / WEIGHTS).read_bytes()).hexdigest()
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        names = set(archive.namelist())
        assert archive.read(WEIGHTS) == (directory / WEIGHTS).read_bytes()
        everything = b"".join(archive.read(name) for name in names)
    assert {"Snakefile", "workflow/rules/report.smk", f"results/provenance/{MODEL}.json"} <= names
    assert not {SHARD, RAW, DOCUMENTS} & names
    assert b"kallas" not in everything


def test_text_and_checkpoints_go_in_where_they_are_asked_for(directory: Path) -> None:
    path = directory.parent / "all.zip"
    assert said(directory, path, "--include", "text", "checkpoints").returncode == 0
    with zipfile.ZipFile(path) as archive:
        assert {SHARD, RAW, DOCUMENTS} <= set(archive.namelist())
    assert ids(ROCrate(path).root_dataset["mentions"][0]["object"]) == {"text/it%27s%20%22raw%22.jsonl"}


def test_a_licence_and_names_are_told_where_the_recipe_and_the_user_say_so(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_json(directory / "results/recipe/publish.json", {"license": "cc-by-4.0"})
    monkeypatch.setenv("ALASIN_PROVENANCE_NAMES", "1")
    monkeypatch.setattr("getpass.getuser", lambda: "Aino")
    append_invocation(ROOT, ["snakemake"])
    note(directory, REPORT, rule="report", input=[MODEL], starttime=4e9, endtime=4e9 + 1)
    write_records(directory)
    write_crate(directory.parent / "named.zip", directory, ROOT, read_contents(directory, []))
    crate = ROCrate(directory.parent / "named.zip")
    assert crate.license.id == "https://spdx.org/licenses/CC-BY-4.0"
    assert crate.root_dataset["mentions"][0]["agent"]["name"] == "Aino"


KILLED = """
import os, sys
from pathlib import Path
from workflow.provenance.contents import read_contents
from workflow.provenance.crate import write_crate

contents, (weights, path, root) = read_contents(Path(), []), map(Path, sys.argv[1:])
weights.unlink()
os.mkfifo(weights)  # whoever reads it waits
write_crate(path, Path(), root, contents)
"""


def test_nothing_is_left_of_a_crate_that_fails_or_is_killed(directory: Path) -> None:
    path = directory.parent / "run.zip"
    contents, weights = read_contents(directory, []), (directory / WEIGHTS).read_bytes()
    (directory / WEIGHTS).unlink()
    with pytest.raises(OSError, match=r"model\.safetensors"):
        write_crate(path, directory, ROOT, contents)
    assert not list(directory.parent.glob("*run.zip*"))
    (directory / WEIGHTS).write_bytes(weights)
    command = [sys.executable, "-c", KILLED, WEIGHTS, str(path), str(ROOT)]
    with subprocess.Popen(command, cwd=directory, env=os.environ | {"PYTHONPATH": str(ROOT)}) as writing:
        deadline = time.monotonic() + 60
        while not list(directory.parent.glob(".run.zip.*.part")) and time.monotonic() < deadline:
            time.sleep(0.02)
        writing.kill()
    assert list(directory.parent.glob(".run.zip.*.part"))
    assert not path.exists()
    (directory / WEIGHTS).unlink()
    (directory / WEIGHTS).write_bytes(weights)
    write_crate(path, directory, ROOT, contents)
    assert [one.name for one in directory.parent.glob("*run.zip*")] == ["run.zip"]


def test_what_was_changed_or_is_not_finished_is_refused_in_a_sentence(directory: Path) -> None:
    path = directory.parent / "run.zip"
    assert "does not end in .zip" in said(directory, directory.parent / "run.tar").stderr
    (directory / MODEL).write_text('{"other": 1}')
    done = said(directory, path)
    assert (done.returncode, path.exists()) == (1, False)
    assert f"{MODEL} in {directory} are gone, or not what is on record" in done.stderr
    (directory / "results/provenance" / f"{REPORT}.json").unlink()
    with pytest.raises(UserError, match="holds no finished run"):
        read_contents(directory, [])


def test_a_look_writes_nothing(directory: Path) -> None:
    path = directory.parent / "run.zip"
    assert "nothing was written" in said(directory, path, "--dry-run").stdout
    assert not path.exists()


def test_files_are_told_apart_by_where_they_lie() -> None:
    assert kind_of("results/runs/small/stable/checkpoints/step-1/state.json") == "checkpoints"
    assert kind_of("results/runs/small/stable/checkpoint.json") == "results"
    assert kind_of("results/corpus/a/manifest.json") == kind_of("text/raw.jsonl") == "text"
    assert kind_of("results/retrieval/small/0.001/model/model.safetensors") == "checkpoints"
    assert json.dumps(kind_of("results/statistics.json")) == '"results"'
