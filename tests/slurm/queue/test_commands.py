"""Asking Slurm: answers, silence, and what it will not do."""

from __future__ import annotations

from pathlib import Path

import pytest

from common.errors import UserError
from slurm.queue.commands import AwayError, SlurmError, ask, ask_once, wait_out
from tests.slurm.queue.programs import never, program

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
UNWILLING = [
    "allocation failure: Invalid account or account/partition combination specified",
    "sbatch: error: Batch job submission failed: Invalid partition name specified",
    "sbatch: error: Batch job submission failed: Requested time limit is invalid (missing or exceeds some limit)",
    "sbatch: error: Batch job submission failed: Job violates accounting/QOS policy (job submit limit)",
    "slurm_load_jobs error: Invalid job id specified",
    "sacct: error: Slurm accounting storage is disabled",
    "scontrol: error: Access/permission denied",
]


def test_an_answer_is_what_the_command_prints(slurm: Path) -> None:
    program(slurm, "squeue", 'echo "warning" >&2; echo "$@"')
    assert ask_once(["squeue", "--me", "a b"]) == "--me a b\n"


@pytest.mark.parametrize("text", AWAY)
def test_silence_of_the_controller_or_database_is_told_from_an_answer(slurm: Path, text: str) -> None:
    program(slurm, "sbatch", f'echo "{text}" >&2; exit 1')
    with pytest.raises(AwayError):
        ask_once(["sbatch"])


@pytest.mark.parametrize("text", UNWILLING)
def test_what_slurm_will_not_do_is_told_in_its_words(slurm: Path, text: str) -> None:
    program(slurm, "sbatch", f'echo "{text}" >&2; exit 1')
    with pytest.raises(SlurmError) as error:
        ask(["sbatch"], never)
    assert str(error.value) == text


def test_a_failure_without_a_word_is_told_by_its_status(slurm: Path) -> None:
    program(slurm, "scontrol", "exit 3")
    with pytest.raises(SlurmError, match="scontrol ended with status 3"):
        ask_once(["scontrol"])


def test_a_command_that_does_not_answer_in_time_is_ended(slurm: Path) -> None:
    program(slurm, "sacct", "while :; do :; done")
    with pytest.raises(AwayError, match="sacct took more than 0 s"):
        ask_once(["sacct"], 0.2)


def test_options_that_sites_and_users_set_in_the_environment_change_no_answer(
    slurm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (
        *("SBATCH_TIMELIMIT", "SBATCH_EXPORT", "SBATCH_ACCOUNT", "SBATCH_NO_REQUEUE", "SRUN_CPUS_PER_TASK"),
        *("SQUEUE_STATES", "SQUEUE_FORMAT", "SACCT_FORMAT", "SCANCEL_STATE", "SLURM_TIME_FORMAT"),
        *("SLURM_EXPORT_ENV", "SLURM_MEM_PER_CPU", "SLURM_JOB_ID", "SLURM_CONF", "SLURM_CLUSTERS"),
    ):
        monkeypatch.setenv(name, "mine")
    program(slurm, "sbatch", 'for name in ${!S*}; do case $name in S[!S]*_*) echo "$name=${!name}";; esac; done')
    assert ask_once(["sbatch"]) == "SLURM_CLUSTERS=mine\nSLURM_CONF=mine\nSLURM_TIME_FORMAT=standard\n"


def test_a_command_that_is_not_there_is_told_with_where_it_would_be(slurm: Path) -> None:
    with pytest.raises(UserError, match=r"there is no squeue on PATH; run this .* on a login node"):
        ask(["squeue"], never)


def test_a_command_that_cannot_be_run_is_told_with_why(slurm: Path) -> None:
    (slurm / "squeue").write_bytes(b"\x7fELF")
    (slurm / "squeue").chmod(0o755)
    with pytest.raises(UserError, match=r"squeue cannot be run \(Exec format error\); run this"):
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
    assert capsys.readouterr().err.count("\n") == 2
