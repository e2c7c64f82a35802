"""`alasin run`: what Snakemake is called with, and that it is Snakemake whose signals and exit status one sees."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from common.errors import UserError
from tests.workflow.cli.typed import ROOT, alasin
from workflow.cli.run import main, snakemake_arguments

DEMO = str(ROOT / "config/demo.yaml")
LOCAL = str(ROOT / "profiles/local")


def test_recipe_and_snakefile_are_spelt_out_and_the_rest_is_left_as_it_stands(tmp_path: Path) -> None:
    rest = ["-n", "--directory", "there", "--set-resources", "train:nodes=2", "results/report.html"]
    arguments = snakemake_arguments([os.path.relpath(DEMO), *rest])
    assert arguments == ["--configfile", DEMO, "--snakefile", str(ROOT / "Snakefile"), "--profile", LOCAL, *rest]


@pytest.mark.parametrize("words", [["--profile", "lumi"], ["--profile=lumi"], ["--profile", "profiles/lumi"]])
def test_alasin_s_own_profiles_go_by_their_names_from_anywhere(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = snakemake_arguments([DEMO, *words, "--workflow-profile", "lumi-trial"])
    spelt = " ".join(arguments).replace("=", " ")
    assert f"--profile {ROOT}/profiles/lumi --workflow-profile {ROOT}/profiles/lumi-trial" in spelt
    assert LOCAL not in arguments


def test_a_profile_of_one_s_own_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("lumi").mkdir()
    Path("lumi", "profile.yaml").touch()
    assert snakemake_arguments([DEMO, "--profile", "lumi"])[-2:] == ["--profile", "lumi"]
    assert snakemake_arguments([DEMO, "--profile", "elsewhere"])[-2:] == ["--profile", "elsewhere"]


def test_a_directory_that_is_no_profile_does_not_hide_one_of_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)  # where slurm/ is a package
    assert snakemake_arguments([DEMO, "--profile", "slurm"])[-2:] == ["--profile", f"{ROOT}/profiles/slurm"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "say which recipe"),
        (["-n", DEMO], "say which recipe"),
        (["config/nowhere.yaml"], "config/nowhere.yaml does not exist; alasin init writes a recipe"),
        (["config"], "config is a directory; a recipe is a file, such as config/recipe.yaml"),
        ([DEMO, "--configfile", "other.yaml"], "takes one recipe, its first argument"),
    ],
)
def test_without_a_recipe_or_with_two_it_says_what_to_do(arguments: list[str], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        snakemake_arguments(arguments)


def test_mistakes_in_the_recipe_are_told_before_snakemake_begins(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("title: Mine\n")
    told = alasin("run", "mine.yaml", cwd=tmp_path)
    assert told.returncode == 1
    assert told.stderr.splitlines()[0] == "error: mine.yaml: sources: is missing."
    assert not (tmp_path / ".snakemake").exists()


@pytest.mark.parametrize(
    ("command", "rest"),
    [("run", ["--profile", "nowhere"]), ("run", ["--workflow-profile=nowhere"]), ("explain", ["--profile", "nowhere"])],
)
def test_a_profile_that_is_nowhere_is_one_sentence_that_names_those_there_are(command: str, rest: list[str]) -> None:
    recipe = [DEMO] if command == "run" else ["all", "--configfile", DEMO]
    told = alasin(command, *recipe, *rest)
    assert told.returncode == 1
    assert told.stderr == (
        "error: there is no profile nowhere; there are: local, lumi, lumi-trial, slurm. Any other is a directory with "
        "a profile.yaml.\n"
    )


def test_a_working_directory_that_cannot_be_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    told = alasin("run", DEMO, "-n", "--directory", str(tmp_path / "file"))
    assert told.stderr == f"error: --directory {tmp_path}/file is a file; name the directory to work in.\n"
    told = alasin("run", DEMO, "-n", f"--directory={tmp_path}/file/work")
    assert told.stderr == f"error: Not a directory ({tmp_path}/file/work).\n"


def test_a_python_without_snakemake_says_which_environment_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setattr(sys, "argv", ["alasin run", DEMO, "-n"])
    with pytest.raises(UserError, match=r"/python has no snakemake, .*make environment.*/\.venv/bin/alasin"):
        main()


def test_it_plans_in_the_directory_that_is_given_and_ends_as_snakemake_ends(tmp_path: Path) -> None:
    told = alasin("run", DEMO, "--directory", "work", "-n", "--", "results/corpus/udhr-fi/manifest.json", cwd=tmp_path)
    assert told.returncode == 0, told.stderr
    assert "Splitting and filtering the documents of udhr-fi" in told.stdout
    assert (tmp_path / "work/results/recipe/notes.json").exists()
    assert alasin("run", DEMO, "--no-such-option", cwd=tmp_path).returncode == 2
    assert alasin("run", DEMO, "--directory", "work", "-n", "nothing/like/it", cwd=tmp_path).returncode == 1


def test_the_process_that_was_started_is_snakemake_and_gets_its_signals(tmp_path: Path) -> None:
    (tmp_path / "long.jsonl").write_text("".join(json.dumps({"text": f"odota {n}"}) + "\n" for n in range(400_000)))
    told = alasin("init", str(tmp_path), str(tmp_path / "long.jsonl"), "--language", "fi")
    assert told.returncode == 0, told.stderr
    command = [sys.executable, "-m", "workflow.cli", "run", str(tmp_path / "recipe.yaml"), "--directory", str(tmp_path)]
    documents = tmp_path / "results/corpus/long"
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    command += ["--", "results/corpus/long/manifest.json"]
    with subprocess.Popen(command, cwd=ROOT, **pipes) as process:  # type: ignore[call-overload]
        while process.poll() is None and not list(documents.glob(".train-*.part")):  # until the stage is at work
            time.sleep(0.01)
        assert "snakemake" in Path(f"/proc/{process.pid}/cmdline").read_text()
        process.send_signal(signal.SIGTERM)
        assert any("Will exit after finishing currently running jobs" in line for line in process.stdout)
        process.communicate(timeout=60)
    assert process.returncode == 1
