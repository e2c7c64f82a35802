"""The command `alasin` as a person types it: its help, its mistakes, and that it hands over with the status it got."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib.metadata import EntryPoint
from typing import Any

import pytest

from tests.workflow.cli.typed import ROOT, alasin
from workflow.cli.main import COMMANDS, main


def test_without_a_command_it_tells_which_there_are_in_the_order_of_use() -> None:
    told = alasin()
    assert told.returncode == 0
    places = [told.stdout.index(f"\n  {name} ") for name in COMMANDS]
    assert places == sorted(places)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str) -> None:
    told = alasin(name, "--help")
    assert (told.returncode, told.stderr) == (0, "")
    assert "usage:" in told.stdout


def test_a_mistyped_command_is_answered_with_the_one_that_was_meant() -> None:
    told = alasin("chek", "config/demo.yaml")
    assert (told.returncode, told.stderr) == (1, "error: alasin has no command chek; did you mean check?\n")


@pytest.mark.parametrize("arguments", [("check", "config/demo.yaml"), ("run", "config/demo.yaml"), ("chek",)])
def test_a_python_without_the_packages_is_one_sentence_that_says_where_they_are(arguments: tuple[str, ...]) -> None:
    bare = [sys.executable, "-S", "-m", "workflow.cli", *arguments]
    told = subprocess.run(bare, cwd=ROOT, capture_output=True, text=True, check=False)
    assert told.returncode == 1
    assert re.fullmatch(rf"error: \S+ has no \w+, which .*; then call {ROOT}/\.venv/bin/alasin\.\n", told.stderr)


def by_any_clock(told: str) -> str:
    """Return a plan without the time of day at which it ends."""
    cleared, ends = re.subn(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", "", told)
    assert ends == 1
    return cleared


def test_plan_and_status_end_with_the_status_of_what_they_hand_over_to() -> None:
    planned = alasin("plan", "--profile", "profiles/lumi", "--configfile", "config/demo.yaml")
    assert planned.returncode == 0, planned.stderr
    again = alasin("plan", "config/demo.yaml", "--profile", "lumi")
    assert by_any_clock(again.stdout) == by_any_clock(planned.stdout)
    refused = alasin("plan", "config/demo.yaml", "--profile=lumi", "--nodes", "100000")
    assert refused.returncode == 1
    assert "this cannot run" in refused.stderr


@pytest.mark.parametrize("name", ["plan", "cost"])
def test_a_recipe_that_does_not_come_first_is_asked_for_there(name: str) -> None:
    for arguments in ([], ["--json"], ["--directory", ".", "config/demo.yaml"]):
        done = alasin(name, *arguments)
        assert done.returncode == 1
        assert done.stderr == f"error: alasin {name} takes the recipe first: alasin {name} RECIPE, then the options.\n"


def test_status_says_where_there_is_nothing(tmp_path) -> None:  # type: ignore[no-untyped-def]
    told = alasin("status", "--directory", str(tmp_path))
    assert (told.returncode, told.stdout) == (1, "")
    assert "has no results/; give --directory where snakemake runs." in told.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["report", "--oepn"], "alasin report: error: there is no option --oepn; did you mean --open?"),
        (["explain", "all", "--cnofigfile=a", "--configfile", "b"], "did you mean --configfile?"),
        (["schema", "--yaml"], "there is no option --yaml; there are: --help."),
        (["init"], "the following arguments are required: DIRECTORY"),
    ],
)
def test_a_mistyped_option_is_answered_with_the_one_that_was_meant(arguments: list[str], sentence: str) -> None:
    told = alasin(*arguments)
    assert told.returncode == 2
    assert told.stderr.splitlines()[-1].endswith(sentence)


def test_what_is_installed_is_this_command_with_every_room_that_it_may_need() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (command,) = entry_points_of(project)
    assert command.load() is main
    rooms = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"benchmarks"}
    assert {f"{room}*" for room in rooms} == set(project["tool"]["setuptools"]["packages"]["find"]["include"])


def entry_points_of(project: dict[str, Any]) -> list[EntryPoint]:
    return [EntryPoint(name, value, "console_scripts") for name, value in project["project"]["scripts"].items()]
