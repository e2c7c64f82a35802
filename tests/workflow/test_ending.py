"""What a person is sent at the end of a run, through the real command, and what not."""

import json
import logging
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from common.messages import COMMAND
from tests.workflow.test_whole_recipe import RECIPE
from workflow.ending import Ending

ROOT = Path(__file__).parents[2]
TAKE = 'cat > text; printf "%s|" "$ALASIN_STATUS" "$ALASIN_SUBJECT" "$ALASIN_LOG" > rest'
SAMPLED = {name: f"results/corpus/{name}/sampled.json" for name in ("en", "la")}


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A working directory with a profile that sends messages; of two sources one is broken."""
    texts = [json.dumps({"text": f"text number {number}"}) for number in range(40)]
    (tmp_path / "en.jsonl").write_text("".join(f"{text}\n" for text in texts))
    (tmp_path / "la.jsonl").write_text("".join(f"{text}\n" for text in [*texts, *["no JSON"] * 20]))
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(RECIPE))
    values = yaml.safe_load((ROOT / "profiles/local/profile.yaml").read_text())
    (tmp_path / "profile.yaml").write_text(yaml.safe_dump(values | {"config": {"message": TAKE}}))
    return tmp_path


def run(directory: Path, program: list[str], *words: str) -> subprocess.CompletedProcess[str]:
    options = ["--profile", str(directory), "--directory", str(directory)]
    command = [sys.executable, "-m", *program, *options, *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_finished_run_is_told_of_and_a_dry_run_is_not(directory: Path) -> None:
    alasin = ["workflow.cli", "run", str(directory / "tiny.yaml")]
    assert run(directory, alasin, "-n", SAMPLED["en"]).returncode == 0
    assert not (directory / "rest").exists()
    done = run(directory, alasin, SAMPLED["en"])
    assert done.returncode == 0, done.stderr
    status, subject, log, _ = (directory / "rest").read_text().split("|")
    assert (status, subject) == ("done", "alasin: tiny is done")
    assert Path(log).is_file()
    assert f"is done in {directory}" in (directory / "text").read_text()
    recipe = json.loads((directory / "results/recipe/recipe.json").read_text())
    assert "message" not in recipe


def test_a_failure_is_told_of_with_the_job_s_own_words_its_log_and_what_next(directory: Path) -> None:
    snakemake = ["snakemake", "--snakefile", str(ROOT / "Snakefile"), "--configfile", str(directory / "tiny.yaml")]
    done = run(directory, snakemake, "--", *SAMPLED.values())
    assert done.returncode == 1
    status, subject, log, _ = (directory / "rest").read_text().split("|")
    assert (status, subject) == ("failed", "alasin: tiny: 1 job failed")
    text = (directory / "text").read_text()
    assert f"  log: {log}\n" in text
    assert next(line for line in Path(log).read_text().splitlines() if line.startswith("error: ")) in text
    assert "the same command goes on" in text


def test_a_message_that_is_not_sent_is_one_sentence_and_changes_no_status(directory: Path) -> None:
    alasin = ["workflow.cli", "run", str(directory / "tiny.yaml")]
    done = run(directory, alasin, "--config", "message=echo no host; exit 3", "--", SAMPLED["en"])
    assert done.returncode == 0, done.stderr
    said = [line for line in done.stderr.splitlines() if line.startswith("no message")]
    assert said == ["no message was sent, for its command ended with status 3 (no host); the work is as it was"]


def test_what_snakemake_takes_apart_is_refused_and_a_recipe_has_no_such_key(directory: Path) -> None:
    alasin = ["workflow.cli", "run", str(directory / "tiny.yaml")]
    done = run(directory, alasin, "--config", 'message=curl -H "Title: $ALASIN_SUBJECT" host', "--", SAMPLED["en"])
    assert done.returncode == 1
    assert "message in the profile's config is read as a mapping" in done.stderr
    (directory / "tiny.yaml").write_text(yaml.safe_dump(RECIPE | {"message": "rm"}))
    done = run(directory, alasin, SAMPLED["en"])
    assert done.returncode == 1
    assert "message" in done.stderr.splitlines()[-1]


def ending(asked_to_end: bool = False) -> tuple[Ending, logging.Logger]:
    logger = logging.Logger("snakemake of a test")
    return Ending("tiny", logger, lambda: asked_to_end), logger


FAILED = SimpleNamespace(message="Training one, phase stable", rule=SimpleNamespace(name="train"), log=[])


def test_whoever_presses_ctrl_c_is_sent_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(COMMAND, "touch sent")
    end, logger = ending()
    logger.info("Terminating processes on user request, this might take some time.")
    assert end.fail([FAILED], []) == ""
    assert not Path("sent").exists()


def test_a_login_node_that_is_restarted_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(COMMAND, TAKE)
    assert ending(asked_to_end=True)[0].fail([FAILED], [".snakemake/log/1.log"]) == ""
    assert Path("rest").read_text().startswith("stopped|alasin: tiny: it was asked to end (SIGTERM)|")
    assert "\nNext: the same command goes on" in Path("text").read_text()
