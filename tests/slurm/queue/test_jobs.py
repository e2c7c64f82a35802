"""Reading what Slurm says about jobs."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from slurm.queue.commands import SlurmError
from slurm.queue.jobs import ENDED, MAY_RETURN, WAITING, Seen, jobs_named, look, queued, who_cancelled
from tests.slurm.queue.programs import never, program


def test_a_job_is_read_from_among_all_that_slurm_shows(slurm: Path) -> None:
    shown = "JobId=7 JobName=x JobState=PENDING Reason=BeginTime Dependency=(null) Requeue=1 Restarts=12 ExitCode=0:0"
    program(slurm, "scontrol", f"echo '{shown}'")
    assert look("7", never) == Seen("PENDING", "BeginTime", 12)


@pytest.mark.parametrize(
    ("line", "seen"),
    [
        ("TIMEOUT", Seen("TIMEOUT")),
        ("CANCELLED by 1000", Seen("CANCELLED", "by 1000")),
        ("NODE_FAIL\nCOMPLETED", Seen("COMPLETED", restarts=1)),
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
    lines = [
        "7|PENDING|p|JobHeldUser|1:00|N/A|",
        "8|RUNNING|p|None|1:00|N/A|n1",
        "9|COMPLETED|p|None|0:00|N/A|",
        "noise",
    ]
    program(slurm, "squeue", "\n".join(f"echo '{line}'" for line in lines))
    jobs = jobs_named("x", never)
    assert {job_id: (job.state, job.reason, job.held) for job_id, job in jobs.items()} == {
        "7": ("PENDING", "JobHeldUser", True),
        "8": ("RUNNING", "", False),
    }


@pytest.mark.parametrize(
    ("left", "seconds"),
    [("0:05", 5.0), ("1:02:03", 3723.0), ("2-00:00:01", 172801.0), ("UNLIMITED", None), ("NOT_SET", None), ("", None)],
)
def test_a_listed_job_is_read_with_its_times(slurm: Path, left: str, seconds: float | None) -> None:
    program(slurm, "squeue", f"echo '7|RUNNING|small-g|None|{left}|2026-01-31T12:00:00|nid[005001-005002]'")
    starts = datetime(2026, 1, 31, 12).timestamp()
    assert queued(["7"]) == {"7": Seen("RUNNING", "", 0, "small-g", seconds, starts, "nid[005001-005002]")}


def test_jobs_that_slurm_has_forgotten_are_left_out(slurm: Path) -> None:
    program(slurm, "squeue", "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1")
    assert queued(["7"]) == {}
    program(slurm, "squeue", "echo 'squeue: error: Invalid job id: one' >&2; exit 1")
    with pytest.raises(SlurmError):
        queued(["one"])


def test_no_state_is_of_two_kinds() -> None:
    assert not ENDED & WAITING
    assert {"NODE_FAIL", "BOOT_FAIL", "PREEMPTED", "LAUNCH_FAILED", "RECONFIG_FAIL"} == MAY_RETURN


@pytest.mark.parametrize(
    ("script", "who"),
    [("echo CANCELLED by 1000", "by user 1000"), ("echo CANCELLED", ""), ("echo Connection refused >&2; exit 1", "")],
)
def test_who_cancelled_a_job_is_told_where_it_is_known(slurm: Path, script: str, who: str) -> None:
    program(slurm, "sacct", script)
    assert who_cancelled("7") == who
