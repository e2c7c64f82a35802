"""The process that stands for a job on this machine: the parent of its ranks.

    python -m slurm.node.supervisor JOBS PROCESSES COMMAND...

It is in a session of its own, so that neither the end of launch nor Ctrl-C in its terminal ends the job. It waits for
a byte on its standard input before it starts the ranks: launch sends it once the job is recorded, and if launch dies
before, nothing has started. SIGTERM asks the ranks to checkpoint and stop. When a rank fails the others are ended,
since they would wait for it for ever. The ranks die with this process.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from common.processes import Received, spawn_bound
from slurm.records.job import RESUMABLE, log_path, status_path, write_status

_GRACE = 2.0
"""Seconds that the other ranks have, after one failed, to write what they know about it."""
_REMINDER = 1.0
"""Seconds between requests to stop: a rank that is just starting may miss one."""


class Supervisor:
    """The ranks of one job."""

    def __init__(self, jobs: Path, command: list[str], processes: int, received: Received) -> None:
        """Start `processes` ranks of `command`, with their logs in `jobs`; `received` holds requests to stop."""
        self.jobs = jobs
        self.job_id = str(os.getpid())
        self.received = received
        self.port = _reserve_port()
        self.ranks = [self._start(command, rank, processes) for rank in range(processes)]
        self.ended_here: set[int] = set()

    def _start(self, command: list[str], rank: int, processes: int) -> subprocess.Popen[bytes]:
        threads = str(max(1, len(os.sched_getaffinity(0)) // processes))
        environment = {
            **os.environ,
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(self.port.getsockname()[1]),
            # Snakemake gives every library all threads of its rule; here the ranks share them.
            "OMP_NUM_THREADS": threads,
            "MKL_NUM_THREADS": threads,
            "OPENBLAS_NUM_THREADS": threads,
            "SUBMITIT_EXECUTOR": "local",
            "SUBMITIT_LOCAL_JOB_ID": self.job_id,
            "SUBMITIT_LOCAL_JOB_NUM_NODES": "1",
            "SUBMITIT_LOCAL_NODEID": "0",
            "SUBMITIT_LOCAL_NTASKS": str(processes),
            "SUBMITIT_LOCAL_GLOBALID": str(rank),
            "SUBMITIT_LOCAL_LOCALID": str(rank),
        }
        out, err = (log_path(self.jobs, self.job_id, rank, stream) for stream in ("out", "err"))
        with open(out, "ab") as stdout, open(err, "ab") as stderr:
            return spawn_bound(command, environment, stdout, stderr)

    def watch(self) -> None:
        """Wait until every rank has ended."""
        failed_at: float | None = None
        reminded_at = 0.0
        while self._running():
            time.sleep(0.05)
            if self.received.signals and time.monotonic() - reminded_at > _REMINDER:
                reminded_at = time.monotonic()
                self._signal_all(signal.SIGTERM)
            self._record_ended()
            if failed_at is None and any(self._failed(rank) for rank in self.ranks):
                failed_at = time.monotonic()
            if failed_at is not None and time.monotonic() - failed_at > _GRACE:
                self.ended_here |= set(self._running())
                self._signal_all(signal.SIGKILL)
        self._record_ended()

    def _running(self) -> list[int]:
        return [number for number, rank in enumerate(self.ranks) if rank.poll() is None]

    def _signal_all(self, number: signal.Signals) -> None:
        for rank in self.ranks:
            rank.send_signal(number)

    def _failed(self, rank: subprocess.Popen[bytes]) -> bool:
        return rank.returncode not in (None, 0, RESUMABLE) and not self._stopped_early(rank)

    def _stopped_early(self, rank: subprocess.Popen[bytes]) -> bool:
        return bool(self.received.signals) and rank.returncode == -signal.SIGTERM

    def _record_ended(self) -> None:
        """Leave word for ranks that could not do so themselves, because they were killed."""
        for number, rank in enumerate(self.ranks):
            silent = rank.returncode is not None and not status_path(self.jobs, self.job_id, 0, number).exists()
            if silent and number not in self.ended_here:
                status = RESUMABLE if self._stopped_early(rank) else int(rank.returncode)
                write_status(self.jobs, self.job_id, 0, number, status)


def _reserve_port() -> socket.socket:
    """Return a socket bound to a free port and not listening, for rank 0.

    While it is open the kernel gives the port to nobody who asks for any free one, yet a server that sets SO_REUSEADDR,
    as torch's TCPStore does, can still bind it by number and listen (socket(7)).
    """
    reservation = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reservation.bind(("", 0))
    return reservation


def main() -> None:
    """Wait for the word to start, then run the job to its end."""
    received = Received(signal.SIGTERM)
    jobs, processes, command = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    if os.read(sys.stdin.fileno(), 1):
        Supervisor(jobs, command, processes, received).watch()


if __name__ == "__main__":
    main()
