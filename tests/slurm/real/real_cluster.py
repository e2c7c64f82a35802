"""The Slurm that tests/slurm/real/cluster starts, as tests see it and let it fail."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

SCRIPTS = Path(__file__).with_name("cluster")
GPU_NODES = ("nid005001", "nid005002")
CPU_NODES = ("nid001001", "nid001002", "nid001003")
NODES = GPU_NODES + CPU_NODES
GPU_PARTITIONS = ("standard-g", "small-g", "dev-g", "urgent-g")


@dataclass(frozen=True)
class Job:
    """A line of squeue."""

    job_id: str
    name: str
    partition: str
    state: str
    reason: str


@dataclass(frozen=True)
class Record:
    """A line of sacct: one run of a job. A job that was put back into the queue has several."""

    state: str
    exit_code: str
    nodes: str


def run(*command: str | Path, environment: dict[str, str] | None = None) -> str:
    """Run a command to its end and return what it printed; fail with its errors if it failed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, f"{' '.join(map(str, command))}: {done.stderr or done.stdout}"
    return done.stdout


def uts_namespace(pid: int | str) -> Path | None:
    """Return what tells the nodes' processes apart; nothing for a process that is gone."""
    try:
        return Path(f"/proc/{pid}/ns/uts").readlink()
    except OSError:
        return None


class RealCluster:
    """Five nodes on this machine. Jobs in urgent-g preempt those of the other GPU partitions."""

    account = "project_465000001"
    grace_seconds = 0

    def __init__(self) -> None:
        """Start the cluster, or what is missing of it."""
        temporary = os.environ.get("TMPDIR") or "/tmp"
        self.folder = Path(os.environ.get("ALASIN_TEST_SLURM") or f"{temporary}/alasin-test-slurm").resolve()
        self.namespaces: set[Path] = set()
        run(SCRIPTS / "up.sh")

    @property
    def environment(self) -> dict[str, str]:
        """This process's environment with the account, as a user of LUMI has it."""
        return {**os.environ, "SBATCH_ACCOUNT": self.account, "SLURM_ACCOUNT": self.account}

    def submit(self, script: str, *options: str) -> str:
        """Give sbatch a script of bash and return the job's id."""
        command = ["sbatch", "--parsable", "--output=/dev/null", *options, "--wrap", script]
        return run(*command, environment=self.environment).strip()

    def jobs(self) -> list[Job]:
        """Return the jobs that wait, run or are about to end."""
        lines = run("squeue", "--noheader", "--format=%i|%j|%P|%T|%r").splitlines()
        return [Job(*line.split("|")) for line in lines]

    def history(self, job_id: str) -> list[Record]:
        """Return the runs of a job as accounting has them, oldest first; it lags half a second behind."""
        columns = "--format=State,ExitCode,NodeList"
        lines = run("sacct", "--duplicates", "--allocations", "--noheader", "--parsable2", columns, "--jobs", job_id)
        records = [Record(*line.split("|")) for line in lines.splitlines()]
        # "CANCELLED by 0" also says who did it.
        return [Record(record.state.split()[0], record.exit_code, record.nodes) for record in records]

    def wait_for(self, condition: Callable[[], object], what: str, seconds: float = 60.0) -> None:
        """Wait until `condition` holds; after `seconds` fail with `what`, the queue and the nodes."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {seconds:g} s: {what}; {self._described()}")
            time.sleep(0.2)

    def _described(self) -> str:
        """Say what is in the queue and how the nodes are, as far as the controller answers."""
        try:
            return f"in the queue {self.jobs()}, nodes { {node: self.node_state(node) for node in NODES} }"
        except AssertionError as silent:
            return str(silent)

    def wait_for_state(self, job_id: str, state: str, seconds: float = 60.0) -> None:
        """Wait until scontrol shows a job in a state, such as RUNNING."""
        shown = f"JobState={state} "
        self.wait_for(
            lambda: shown in run("scontrol", "show", "job", "--oneliner", job_id), f"job {job_id} {state}", seconds
        )

    def node_state(self, node: str) -> str:
        """Return a node's state in short: idle, mix, alloc, down; a star follows if it does not answer.

        For up to a minute after its last job sinfo may call an empty node mix or planned (plnd).
        """
        return run("sinfo", "--noheader", "--nodes", node, "--format=%t").split()[0]

    def crash(self, node: str) -> None:
        """Let all processes of a node die at once: its slurmd and everything of its jobs."""
        run(SCRIPTS / "node.sh", "crash", node)

    def start(self, node: str) -> None:
        """Bring a crashed node back."""
        run(SCRIPTS / "node.sh", "start", node)

    def pause(self, node: str) -> None:
        """Stop slurmd from answering while the node's jobs run on, as when the network to it fails."""
        run(SCRIPTS / "node.sh", "pause", node)

    def resume(self, node: str) -> None:
        """Let a paused slurmd answer again."""
        run(SCRIPTS / "node.sh", "resume", node)

    def restart_controller(self, meanwhile: Callable[[], None]) -> None:
        """Stop slurmctld, do something `meanwhile`, and start it; sbatch, squeue and scontrol fail until then."""
        pid = int((self.folder / "run/slurmctld.pid").read_text())
        os.kill(pid, signal.SIGTERM)
        # A zombie has a directory in /proc but no program.
        while os.path.lexists(f"/proc/{pid}/exe"):
            time.sleep(0.05)
        meanwhile()
        run(SCRIPTS / "up.sh")

    def set_grace(self, seconds: int) -> None:
        """Give jobs of the GPU partitions so long between the signal that they are preempted and their end.

        Before jobs are submitted: Slurm counts what each node has left anew.
        """
        for partition in GPU_PARTITIONS:
            run("scontrol", "update", f"PartitionName={partition}", f"GraceTime={seconds}")
        self.grace_seconds = seconds

    def cancel_all(self) -> None:
        """Cancel every job and wait until the queue is empty."""
        jobs = {job.job_id for job in self.jobs()}
        if jobs:
            run("scancel", *jobs)
        self.wait_for(lambda: not self.jobs(), "the queue is empty")

    def heal(self) -> None:
        """Bring the cluster back to how it was started. Fails if processes of jobs outlive them, and kills these."""
        for pid in self.slurmds():
            os.kill(pid, signal.SIGCONT)
        run(SCRIPTS / "up.sh")
        self.cancel_all()
        if self.grace_seconds:
            self.set_grace(0)
        try:
            self.wait_for(lambda: not self.processes_of_jobs(), "no process of a job is left", 20)
        finally:
            for pid in self.processes_of_jobs():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def slurmds(self) -> list[int]:
        """Return the pid of each slurmd that runs."""
        pids = [int(path.read_text()) for path in self.folder.glob("run/slurmd.*.pid")]
        return [pid for pid in pids if os.path.lexists(f"/proc/{pid}/exe")]

    def processes_of_jobs(self) -> list[int]:
        """Return the processes on the nodes, besides slurmd."""
        slurmds = self.slurmds()
        # What outlives its slurmd stays in the namespace of that one.
        self.namespaces |= {namespace for pid in slurmds if (namespace := uts_namespace(pid))}
        pids = [int(process.name) for process in Path("/proc").glob("[0-9]*")]
        return [pid for pid in pids if pid not in slurmds and uts_namespace(pid) in self.namespaces]
