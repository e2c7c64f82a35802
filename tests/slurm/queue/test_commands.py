"""Asking Slurm: answers, refusals, silence; and reading what it says about jobs."""

from __future__ import annotations

from pathlib import Path

import pytest

from common.errors import UserError
from slurm.queue import commands
from slurm.queue.commands import AwayError, SlurmError, ask, ask_once, wait_out
from slurm.queue.states import Seen, jobs_named, look, who_cancelled

AWAY = [
    "slurm_load_jobs error: Unable to contact slurm controller (connect failure)",
    "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)",
    "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation",
    "slurm_load_jobs error: Zero Bytes were transmitted or received",
    "sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying",
    "sbatch: error: Batch job submission failed: Resource temporarily unavailable",
    "slurm_load_jobs error: Slurm backup controller in standby mode",
    "sacct: error: slurm_persist_conn_open_without_init: failed to open persistent connection to host:db:6819",
    "sacct: error: Problem talking to the database: Connection refused",
    "scontrol: error: Transport endpoint is not connected",
]
REFUSED = [
    "allocation failure: Invalid account or account/partition combination specified",
    "sbatch: error: Batch job submission failed: Invalid partition name specified",
    "sbatch: error: Batch job submission failed: Requested time limit is invalid (missing or exceeds some limit)",
    "sbatch: error: Batch job submission failed: Job violates accounting/QOS policy (job submit limit)",
    "slurm_load_jobs error: Invalid job id specified",
    "sacct: error: Slurm accounting storage is disabled",
    "scontrol: error: Access/permission denied",
]


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory that is all of PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def program(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/bash\n{script}\n")
    (folder / name).chmod(0o755)


def never(seconds: float) -> None:
    raise AssertionError("it waits for what was an answer")


def test_an_answer_is_what_the_command_prints(slurm: Path) -> None:
    program(slurm, "squeue", 'echo "warning" >&2; echo "$@"')
    assert ask_once(["squeue", "--me", "a b"]) == "--me a b\n"


@pytest.mark.parametrize("text", AWAY)
def test_silence_of_the_controller_or_database_is_told_from_a_refusal(slurm: Path, text: str) -> None:
    program(slurm, "sbatch", f'echo "{text}" >&2; exit 1')
    with pytest.raises(AwayError):
        ask_once(["sbatch"])


@pytest.mark.parametrize("text", REFUSED)
def test_a_refusal_is_told_in_slurms_words(slurm: Path, text: str) -> None:
    program(slurm, "sbatch", f'echo "{text}" >&2; exit 1')
    with pytest.raises(SlurmError) as error:
        ask(["sbatch"], never)
    assert str(error.value) == text


def test_a_failure_without_a_word_is_told_by_its_status(slurm: Path) -> None:
    program(slurm, "scontrol", "exit 3")
    with pytest.raises(SlurmError, match="scontrol ended with 3"):
        ask_once(["scontrol"])


def test_a_command_that_does_not_answer_in_time_is_ended(slurm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "_TIMEOUT_SECONDS", 0.2)
    program(slurm, "sacct", "while :; do :; done")
    with pytest.raises(AwayError, match="sacct did not answer within"):
        ask_once(["sacct"])


def test_a_command_that_is_not_there_is_told_with_where_it_would_be(slurm: Path) -> None:
    with pytest.raises(UserError, match=r"there is no squeue here; run this .* on a login node"):
        ask(["squeue"], never)


def test_it_asks_less_and_less_often_and_never_gives_up(capsys: pytest.CaptureFixture[str]) -> None:
    pauses: list[float] = []

    def attempt() -> str:
        if len(pauses) < 200:
            raise AwayError("connect failure")
        return "here"

    assert wait_out(attempt, pauses.append) == "here"
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (5.0, 30.0)
    assert capsys.readouterr().out.count("\n") == 2


def test_a_job_is_read_from_among_all_that_slurm_shows(slurm: Path) -> None:
    shown = "JobId=7 JobName=x JobState=PENDING Reason=BeginTime Dependency=(null) Requeue=1 Restarts=12 ExitCode=0:0"
    program(slurm, "scontrol", f"echo '{shown}'")
    assert look("7", never) == Seen("PENDING", "BeginTime", 12)


@pytest.mark.parametrize(
    ("line", "seen"),
    [
        ("TIMEOUT", Seen("TIMEOUT")),
        ("CANCELLED by 1000", Seen("CANCELLED", "by 1000")),
        ("NODE_FAIL\nCOMPLETED", Seen("COMPLETED")),
        ("", Seen("UNKNOWN")),
        ("PENDING", Seen("UNKNOWN")),
    ],
)
def test_a_job_that_the_controller_forgot_is_looked_up_in_the_accounting(slurm: Path, line: str, seen: Seen) -> None:
    program(slurm, "scontrol", "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1")
    program(slurm, "sacct", f'printf "{line}"')
    assert look("7", never) == seen


def test_without_accounting_a_forgotten_job_is_unknown_and_has_ended(slurm: Path) -> None:
    program(slurm, "scontrol", "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1")
    program(slurm, "sacct", "echo 'sacct: error: Slurm accounting storage is disabled' >&2; exit 1")
    assert not look("7", never).live


def test_jobs_of_a_name_are_those_that_have_not_ended(slurm: Path) -> None:
    program(slurm, "squeue", r"printf '7|PENDING|JobHeldUser\n8|RUNNING|None\n9|COMPLETED|None\nnoise\n'")
    assert jobs_named("x", never) == [("7", Seen("PENDING", "JobHeldUser")), ("8", Seen("RUNNING", "None"))]


@pytest.mark.parametrize(
    ("script", "who"),
    [("echo CANCELLED by 1000", "by user 1000"), ("echo CANCELLED", ""), ("echo Connection refused >&2; exit 1", "")],
)
def test_who_cancelled_a_job_is_told_where_it_is_known(slurm: Path, script: str, who: str) -> None:
    program(slurm, "sacct", script)
    assert who_cancelled("7") == who
