"""Records of results: by what each was made, written once and again when it is made again, without anybody's name."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Any

import pytest

from common.errors import UserError
from common.files import read_json, sha256_of
from workflow.noted import METADATA
from workflow.provenance.invocations import append_invocation, code_of, environment_digest, read_invocations
from workflow.provenance.records import read_record, record_path, write_records
from workflow.provenance.text import made

ROOT = Path(__file__).parents[3]
OUTPUT = "results/evaluation/one/mlm.json"
INPUTS = ["results/recipe/evaluation/one.json", "text/raw.jsonl", "text/gone.jsonl"]


def note(directory: Path, output: str, longest: int = 200, **changed: Any) -> None:
    """Note an output as Snakemake does: a long name in folders."""
    name = urlsafe_b64encode(output.encode()).decode()
    parts = [name[place : place + longest] for place in range(0, len(name), longest)]
    path = (directory / METADATA).joinpath(*(f"@{part}" for part in parts[:-1]), parts[-1])
    path.parent.mkdir(parents=True, exist_ok=True)
    times = {"starttime": 2e9, "endtime": 2e9 + 60}
    noted = {"rule": "mlm", "input": INPUTS, "shellcmd": " python -m  mlm\n --x 'a b' ", **times}
    path.write_text(json.dumps(noted | changed))


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with one result, one call of Snakemake, and what that has noted."""
    directory = tmp_path / "it's mine"
    for name in (OUTPUT, *INPUTS[:2]):
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text('{"seed":42}\n')
    monkeypatch.chdir(directory)
    append_invocation(ROOT, ["/home/somebody/snakemake", "--directory", "/home/somebody/work", "-n 1"])
    note(directory, OUTPUT)
    return directory


def test_a_record_says_by_which_code_command_and_inputs_a_result_was_made(directory: Path) -> None:
    assert write_records(directory) == 1
    record = read_record(directory, OUTPUT)
    assert record is not None
    assert (record["rule"], record["command"]) == ("mlm", "python -m mlm --x 'a b'")
    assert (record["began"], record["ended"]) == ("2033-05-18T03:33:20+00:00", "2033-05-18T03:34:20+00:00")
    slice_, raw, gone = record["inputs"]
    assert slice_ == {"name": INPUTS[0], "bytes": 12, "sha256": sha256_of(directory / INPUTS[0])}
    assert raw["sha256"] == slice_["sha256"]
    assert gone == {"name": INPUTS[2], "gone": True}
    assert record["slices"] == {INPUTS[0]: {"seed": 42}}
    (call,) = read_invocations(directory)
    assert record["call"]["environment_sha256"] == environment_digest(call)
    assert record["call"]["commit"] == code_of(ROOT)["commit"]
    assert "pytest" in call["packages"]
    shown = made(record)
    assert f"{OUTPUT} was made by rule mlm, from 2033-05-18T03:33:20+00:00" in shown
    assert "text/gone.jsonl" in shown
    assert "is not there any more" in shown


def test_names_are_left_out_unless_they_are_asked_for(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_records(directory)
    said = (directory / "results/provenance/invocations.jsonl").read_text() + record_path(directory, OUTPUT).read_text()
    assert "somebody" not in said
    assert "snakemake --directory work '-n 1'" in said
    monkeypatch.setenv("ALASIN_PROVENANCE_NAMES", "1")
    append_invocation(ROOT, ["/home/somebody/snakemake"])
    call = read_invocations(directory)[-1]
    assert call["command"] == "/home/somebody/snakemake"
    assert set(call["names"]) == {"host", "user"}


def test_a_record_is_written_again_only_when_its_result_is_made_again(directory: Path) -> None:
    assert [write_records(directory) for _ in range(2)] == [1, 0]
    note(directory, OUTPUT, endtime=2e9 + 90)
    assert write_records(directory) == 1
    record_path(directory, OUTPUT).write_text("{")
    assert write_records(directory) == 1


def test_long_names_are_read_and_what_lies_elsewhere_or_is_gone_has_no_record(directory: Path) -> None:
    long = "results/" + "x" * 150 + "/a.json"
    (directory / long).parent.mkdir()
    (directory / long).touch()
    for output in (long, "results/gone.json", "../outside.json", str(directory / "absolute.json")):
        note(directory, output, longest=60)
    (directory / "absolute.json").touch()
    (directory.parent / "outside.json").touch()
    (directory / METADATA / "broken").write_text("{")
    assert write_records(directory) == 2
    assert read_json(record_path(directory, long))["file"] == long


def test_an_input_that_is_younger_than_the_result_is_told(directory: Path) -> None:
    note(directory, OUTPUT, starttime=1e9, endtime=1e9 + 1)
    write_records(directory)
    record = read_record(directory, OUTPUT)
    assert record is not None
    assert record["inputs"][0]["younger"] is True
    assert "written after the result" in made(record)
    assert record["call"]["commit"] is None, "no call had begun then"
    assert "no commit is known" in made(record)


def test_the_command_reads_it_and_says_what_to_do_where_there_is_none(directory: Path) -> None:
    write_records(directory)
    command = [sys.executable, "-m", "workflow.cli", "explain", "--directory", directory]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([*command, directory / OUTPUT], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, "was made by rule mlm" in done.stdout) == (0, True), done.stderr
    done = subprocess.run([*command, "results/no.json"], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "nothing is on record of how results/no.json was made" in done.stderr
    record_path(directory, OUTPUT).write_text('{"format": 9}')
    with pytest.raises(UserError, match="is no record of format 2"):
        read_record(directory, OUTPUT)
