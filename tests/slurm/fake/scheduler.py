"""A Slurm that is a file and five small commands, and a clock that jumps instead of waiting.

A test says what becomes of each job by a generator, its *life*: it begins when the job is released, does to the job
what Slurm and the job's ranks would do, and yields the seconds until its next act.

    def runs_into_its_limit(job):
        job.start()
        yield 600
        job.checkpoint()
        job.state("TIMEOUT")
"""

from __future__ import annotations

import marshal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from common.processes import Received
from slurm.launch import run_to_the_end
from slurm.node.aftermath import conclude
from slurm.records.checkpoints import newest_step
from slurm.records.history import Run, read_history
from slurm.records.job import read_job, write_start, write_status
from slurm.records.request import Request

NOT_THERE = "slurm_load_jobs error: Unable to contact slurm controller (connect failure)"


@dataclass
class FakeJob:
    """A job in the hands of its life."""

    slurm: FakeSlurm
    job_id: str

    @property
    def restart(self) -> int:
        return int(self.slurm.read()["jobs"][self.job_id]["restarts"])

    def state(self, name: str, reason: str = "", **changes: Any) -> None:
        self.slurm.change_job(self.job_id, state=name, reason=reason, **changes)

    def start(self) -> None:
        """Rank 0 begins."""
        self.state("RUNNING")
        write_start(self.slurm.jobs, self.job_id, self.restart, newest_step(self.slurm.request.folder))

    def checkpoint(self) -> None:
        """The ranks make a step, and write a checkpoint."""
        folder = self.slurm.request.folder
        checkpoint = folder / f"checkpoints/step-{newest_step(folder) + 1:08}"
        checkpoint.mkdir(parents=True)
        (checkpoint / "manifest.json").write_text("{}")

    def ranks_end(self, *statuses: int, signals: Sequence[int] = ()) -> None:
        """Rank 0 ends with the first status, and so on; all four with the same if there is just one."""
        for rank, status in enumerate(statuses if len(statuses) > 1 else statuses * 4):
            write_status(self.slurm.jobs, self.job_id, self.restart, rank, status, signals)

    def finish(self) -> None:
        """The ranks make the result, and the job ends as it should."""
        self.checkpoint()
        self.slurm.request.done.touch()
        self.ranks_end(0)
        self.aftermath()
        self.state("COMPLETED")

    def aftermath(self) -> bool:
        """The batch script's last act: tells whether the job is to be put back."""
        return conclude(self.slurm.request.folder, self.slurm.request.done, self.job_id, self.restart, 300)

    def requeue(self) -> None:
        """Back into the queue with the same id, whoever asked for it."""
        self.state("PENDING", "BeginTime", restarts=self.restart + 1)


Life = Callable[[FakeJob], Iterator[float]]


@dataclass
class FakeSlurm:
    """The state of the cluster, and what the test has planned."""

    folder: Path
    request: Request
    received: Received = field(default_factory=Received)
    lives: list[Life] = field(default_factory=list)
    """Of the jobs in the order of their release; the last one is also that of all later ones."""
    now: float = 0.0
    _planned: list[tuple[float, Callable[[], None]]] = field(default_factory=list)
    _going: dict[str, tuple[float, Iterator[float]]] = field(default_factory=dict)
    _version: int = 0
    """Of the file when it was last read: most of the time nothing happens."""

    @property
    def jobs(self) -> Path:
        return self.request.folder / "jobs"

    def read(self) -> dict[str, Any]:
        content: dict[str, Any] = marshal.loads((self.folder / "state").read_bytes())
        return content

    def write(self, **changes: Any) -> None:
        (self.folder / "state").write_bytes(marshal.dumps(self.read() | changes))

    def change_job(self, job_id: str, **changes: Any) -> None:
        jobs = self.read()["jobs"]
        jobs[job_id] |= changes
        self.write(jobs=jobs)

    def states(self) -> dict[str, str]:
        return {job_id: job["state"] for job_id, job in self.read()["jobs"].items()}

    def calls(self, command: str = "") -> list[str]:
        """Command lines that Slurm has been given, those that begin with `command`."""
        path = self.folder / "calls"
        lines = path.read_text().splitlines() if path.exists() else []
        return [line for line in lines if line.startswith(command)]

    def trouble(self, command: str, text: str = NOT_THERE, seconds: float = 1200.0, lost: bool = False) -> None:
        """Let a command fail from now on; `lost` says that it does what it is asked, and only its answer is lost."""
        trouble = {"command": command, "text": text, "lost": lost}
        self.write(troubles=[*self.read()["troubles"], trouble])
        self.at(self.now + seconds, lambda: self.write(troubles=[]))

    def at(self, seconds: float, act: Callable[[], None]) -> None:
        """Plan an act of somebody else."""
        self._planned.append((seconds, act))

    def sleep(self, seconds: float) -> None:
        """Let time pass at once, with all that happens meanwhile."""
        self.now += seconds
        assert self.now < 6 * 3600, "launch waits for what will not happen"
        due = [act for when, act in self._planned if when <= self.now]
        self._planned = [(when, act) for when, act in self._planned if when > self.now]
        for act in due:
            act()
        version = (self.folder / "state").stat().st_mtime_ns
        if version == self._version and self.now < min((when for when, _ in self._going.values()), default=0.0):
            return
        self._version = version
        for job_id, job in self.read()["jobs"].items():
            if job_id not in self._going and job["reason"] != "JobHeldUser" and job["state"] == "PENDING":
                life = self.lives.pop(0) if len(self.lives) > 1 else self.lives[0]
                self._going[job_id] = (self.now, life(FakeJob(self, job_id)))
            self._live_on(job_id)

    def monotonic(self) -> float:
        return self.now

    def _live_on(self, job_id: str) -> None:
        while job_id in self._going and self.now >= self._going[job_id][0]:
            due, life = self._going[job_id]
            cancelled = self.states()[job_id] == "CANCELLED"
            self._going[job_id] = (float("inf") if cancelled else due + next(life, float("inf")), life)

    def launch(self) -> list[Run]:
        """Run the phase to its end; return its history. Raises what launch does."""
        run_to_the_end(self.request, self.received)
        return read_history(self.request.folder)

    def outcomes(self) -> list[str]:
        return [run.outcome for run in read_history(self.request.folder)]

    def recorded(self) -> str:
        """The job id in job.json."""
        job = read_job(self.request.folder)
        assert job is not None
        return job.job_id
