"""A stand-in for the trainer, and launches of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from common.processes import start_ticks

ROOT = Path(__file__).parents[2]

TRAINER = """
import json, os, signal, socket, sys, time
from pathlib import Path

folder, behaviours = Path(sys.argv[1]), json.loads(sys.argv[2])
rank = os.environ["RANK"]
behaviour = behaviours.get(rank, behaviours.get("all", "train"))
stop = []
signal.signal(signal.SIGTERM, signal.SIG_IGN if behaviour == "deaf" else lambda *_: stop.append(1))
names = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "OMP_NUM_THREADS")
start = {"pid": os.getpid(), "ticks": int(open("/proc/self/stat").read().rpartition(")")[2].split()[19])}
with open(folder / "starts", "a") as starts:
    starts.write(json.dumps(start | {name: os.environ[name] for name in names}) + "\\n")
print(f"rank {rank} trains", flush=True)
if behaviour == "bind":
    server = socket.create_server(("", int(os.environ["MASTER_PORT"])))
if behaviour == "fail":
    print("the trainer's own words", file=sys.stderr)
    sys.exit(3)
if behaviour == "resumable":
    sys.exit(75)
while not (folder / "finish").exists():
    time.sleep(0.02)
    if stop:
        with open(folder / "checkpoints", "a") as checkpoints:
            checkpoints.write(rank + "\\n")
        sys.exit(75)
if rank == "0" and behaviour != "forget":
    print("rank 0 is done", flush=True)
    (folder / "done.json").write_text("{}")
if behaviour == "abort":
    os.abort()
"""


def wait_for(condition: Callable[[], Any], timeout: float = 30.0) -> None:
    """Wait until `condition` holds; fail if that takes too long."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "what the test waits for did not happen"
        time.sleep(0.02)


@dataclass
class Phase:
    """A phase's folder, the stand-in trained in it, and every launch of it."""

    folder: Path
    behaviours: dict[str, str] = field(default_factory=dict)
    launches: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def command(self) -> list[str]:
        return [sys.executable, "-S", str(self.folder / "trainer.py"), str(self.folder), json.dumps(self.behaviours)]

    def launch(self, *options: str, processes: int = 2, command: list[str] | None = None) -> subprocess.Popen[str]:
        arguments = ["--processes-per-node", str(processes), "--folder", str(self.folder)]
        arguments += ["--done", str(self.folder / "done.json"), *options, "--", *(command or self.command)]
        process = subprocess.Popen(
            [sys.executable, "-m", "slurm.launch", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=ROOT,
        )
        self.launches.append(process)
        return process

    def launch_to_end(self, *options: str, processes: int = 2, command: list[str] | None = None) -> tuple[int, str]:
        return end_of(self.launch(*options, processes=processes, command=command))

    def finish(self) -> None:
        """Let the ranks end."""
        (self.folder / "finish").touch()

    def starts(self) -> list[dict[str, Any]]:
        """What each trainer process wrote at its start."""
        path = self.folder / "starts"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def living(self) -> list[int]:
        """Trainer processes that still run."""
        return [start["pid"] for start in self.starts() if start_ticks(start["pid"]) == start["ticks"]]

    def checkpoints(self) -> list[str]:
        path = self.folder / "checkpoints"
        return sorted(path.read_text().split()) if path.exists() else []

    def job(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.folder / "job.json").read_text())
        return content

    def clean_up(self) -> None:
        """Kill whatever of it still runs."""
        for process in self.launches:
            process.kill()
            process.wait()
        if (self.folder / "job.json").exists():
            job = self.job()
            if "pid" in job and start_ticks(job["pid"]) == job["start_ticks"]:
                os.kill(job["pid"], signal.SIGKILL)
        for pid in self.living():
            os.kill(pid, signal.SIGKILL)


def end_of(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Wait for a launch to end; its exit status and all it said."""
    output, _ = process.communicate(timeout=30)
    return process.returncode, output
