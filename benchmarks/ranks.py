"""Runs a benchmark of this folder as several ranks on this machine, each with its share of the cores."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Sequence

from common.errors import UserError


def place(rank: int, ranks: int, port: int) -> dict[str, str]:
    """Return the environment variables that tell a process its place among the ranks of this machine."""
    told = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": ranks, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    return {name: str(value) for name, value in told.items()}


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def run_ranks(module: str, arguments: Sequence[str], ranks: int) -> None:
    """Run `python -m MODULE ARGUMENTS` once for each rank and wait for all.

    Raises:
        UserError: one of them failed.
    """
    port = free_port()
    threads = {"OMP_NUM_THREADS": str(max(1, len(os.sched_getaffinity(0)) // ranks))}
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", module, *arguments], env=os.environ | threads | place(rank, ranks, port)
        )
        for rank in range(ranks)
    ]
    statuses = [process.wait() for process in processes]
    if any(statuses):
        raise UserError(f"a rank of {ranks} failed; what it said stands above.")
