"""The last act of a run of a job: `python -m slurm.node.aftermath --folder FOLDER`, from its batch script.

It writes into the history what became of the run, and ends with 75 if the job is to go back into the queue. The batch
script then has Slurm do so: the phase goes on although nobody is logged in, and although Slurm's commands are absent in
the container where this may run. Where Slurm itself is ending the job (`scancel`, preemption without grace), it leaves
the decision to Slurm.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from common.errors import UserError, run_command
from slurm.records.history import append_run, read_history
from slurm.records.job import RESUMABLE, read_job
from slurm.records.outcome import describe_run
from slurm.records.policy import decide


def conclude(folder: Path, done: Path, job_id: str, restart: int, signal_seconds: int) -> bool:
    """Record what became of this run of the job, and tell whether the job is to be put back into the queue.

    Raises `UserError` if job.json in `folder` is not this job's record.
    """
    job = read_job(folder)
    if job is None or job.job_id != job_id:
        raise UserError(f"{folder / 'job.json'} is not the record of job {job_id}; it will not be put back.")
    run = describe_run(folder, job, restart, signal_at=signal_seconds)
    if run.outcome == "stopped":
        print("aftermath: Slurm is ending this job", flush=True)
        return False
    append_run(folder, run)
    if done.exists():
        print(f"aftermath: job {job_id} finished", flush=True)
        return False
    verdict = decide(read_history(folder))
    print(f"aftermath: {verdict.text}{'; putting it back into the queue' if verdict.go_on else ''}", flush=True)
    return verdict.go_on


def main() -> None:
    """Conclude a run from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m slurm.node.aftermath",
        description="Record how the run of a job ended; its batch script calls this. Ends with 75 if the job is to be "
        "put back into the queue.",
    )
    parser.add_argument("--folder", type=Path, required=True, help="the phase's folder")
    parser.add_argument(
        "--done", type=Path, required=True, help="the file that the job's command makes when all is done"
    )
    parser.add_argument(
        "--signal-seconds", type=int, required=True, help="how long before its time limit the job is signalled"
    )
    arguments = parser.parse_args()
    if "SLURM_JOB_ID" not in os.environ:
        raise UserError("this is the last act of a job's batch script; it finds no SLURM_JOB_ID here.")
    restart = int(os.environ.get("SLURM_RESTART_COUNT", "0"))
    if conclude(arguments.folder, arguments.done, os.environ["SLURM_JOB_ID"], restart, arguments.signal_seconds):
        sys.exit(RESUMABLE)


if __name__ == "__main__":
    run_command(main)
