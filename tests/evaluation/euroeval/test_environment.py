"""The environment of EuroEval: given ones are checked, else it is made once, and what cannot be fetched is told."""

import json
import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest

from common.errors import UserError
from common.files import read_json
from evaluation.euroeval import environment
from evaluation.euroeval.environment import given, made, main, pins
from evaluation.hub import HubAbsentError

LISTED = Path(__file__).parents[3] / "envs" / "euroeval.txt"


def python(folder: Path, packages: dict[str, str]) -> Path:
    """An environment that says that it holds these packages."""
    program = folder / "bin" / "python"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho '{json.dumps(packages)}'\n")
    program.chmod(0o755)
    return program


def test_the_list_pins_euroeval_for_transformers_4_and_leaves_torch_to_the_machine() -> None:
    wanted = pins(LISTED)
    assert wanted["euroeval"] == "16.11.0"
    assert wanted["transformers"].startswith("4.")
    assert wanted["pandas"].startswith("2.")
    assert "torch" not in wanted


def test_an_environment_that_is_named_is_taken_if_it_has_the_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = python(tmp_path / "there", {"EuroEval": "1", "some_one": "2", "torch": "9+rocm"})
    monkeypatch.setenv("ALASIN_EUROEVAL", str(tmp_path / "there"))
    assert given({"euroeval": "1", "some-one": "2"}) == program
    with pytest.raises(UserError, match=r"does not hold the packages .* \(no other, euroeval 1 instead of 3\)"):
        given({"euroeval": "3", "other": "1"})
    monkeypatch.setenv("ALASIN_EUROEVAL", str(tmp_path / "nowhere"))
    with pytest.raises(UserError, match="does not run"):
        given({"euroeval": "1"})


def test_the_conda_environment_of_a_job_is_taken_only_if_it_is_euroevals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ALASIN_EUROEVAL", raising=False)
    program = python(tmp_path / "conda", {"euroeval": "1", "torch": "9"})
    monkeypatch.setenv("CONDA_PREFIX", str(tmp_path / "conda"))
    assert given({"euroeval": "1"}) == program
    assert given({"euroeval": "2"}) is None
    monkeypatch.delenv("CONDA_PREFIX")
    assert given({"euroeval": "1"}) is None


@pytest.fixture
def pip(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Commands that would have been run, each with success."""
    calls: list[list[str]] = []

    def run(command: list[Any], **_: Any) -> subprocess.CompletedProcess[str]:
        calls.append(list(map(str, command)))
        Path(command[-1]).joinpath("bin").mkdir(parents=True) if "venv" in calls[-1] else None
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", run)
    return calls


def test_it_is_made_once_with_the_torch_that_is_installed_here_and_anew_for_another_list(
    tmp_path: Path, pip: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "version", lambda name: "2.13.0+cpu")
    listed = tmp_path / "list.txt"
    listed.write_text("euroeval==1\n")
    first = made(listed, tmp_path)
    assert first == made(listed, tmp_path)
    assert pip[0] == [sys.executable, "-m", "venv", str(first.parents[1])]
    assert pip[1][-3:] == ["torch==2.13.0+cpu", "--constraint", str(listed)]
    assert pip[2][-3:] == ["--no-deps", "--requirement", str(listed)]
    assert len(pip) == 3
    listed.write_text("euroeval==2\n")
    assert made(listed, tmp_path) != first


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("WARNING: Retrying after connection broken by 'NewConnectionError'\nERROR: No match\n", "is out of reach"),
        ("ERROR: Could not find a version of torch\n", "name that in PIP_EXTRA_INDEX_URL"),
    ],
)
def test_an_index_that_is_out_of_reach_is_told_and_another_failure_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, told: str
) -> None:
    def run(command: list[Any], **_: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, int("pip" in command), "", said)

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.delenv("ALASIN_EUROEVAL", raising=False)
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    output = tmp_path / "environment.json"
    monkeypatch.setattr(sys, "argv", ["environment", "--output", str(output)])
    if "NewConnection" in said:
        main()
        assert told in read_json(output)["unmeasured"]
    else:
        with pytest.raises(UserError, match=told):
            main()
        assert not output.exists()


def test_where_nothing_can_be_written_a_person_is_asked_to_name_one(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(HubAbsentError, match="is not to be written to"):
        made(LISTED, tmp_path / "file")


def test_without_a_torch_it_is_not_known_which_build_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(environment, "version", version)
    with pytest.raises(HubAbsentError, match="are installed beside torch, and"):
        made(LISTED, tmp_path)
