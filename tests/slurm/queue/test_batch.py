"""The batch script: its text for LUMI, and what its last lines do."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from common.errors import UserError
from slurm.cluster.description import read_cluster
from slurm.queue.batch import job_name, submit_held
from slurm.records.history import read_history
from slurm.records.job import Job, write_job, write_start, write_status
from slurm.records.request import Request

GOLDEN = Path(__file__).parents[1] / "golden"
ROOT = Path(__file__).parents[3]
PHASE = Path("/scratch/project_465000001/finnish/results/runs/large/stable")
STANDARD_G = Request(
    "lumi",
    "standard-g",
    8,
    8,
    2880,
    3600.0,
    600.0,
    PHASE,
    PHASE / "checkpoint.json",
    ("python", "-m", "model.training.trainer"),
)


@pytest.fixture
def on_lumi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The environment of somebody who submits there; returns the image's path."""
    image = tmp_path / "image.sif"
    image.touch()
    monkeypatch.setenv("ALASIN_IMAGE", str(image))
    monkeypatch.setenv("ALASIN_PACKAGES", "/projappl/project_465000001/alasin/packages.sqsh")
    monkeypatch.setenv("SBATCH_ACCOUNT", "project_465000001")
    return image


@pytest.fixture(autouse=True)
def login_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Slurm that takes every job, and a place for its script."""
    phase = tmp_path / "results/runs/large/stable"
    here = replace(STANDARD_G, folder=phase, done=phase / "checkpoint.json")
    monkeypatch.setattr(sys.modules[__name__], "STANDARD_G", here)
    programs = tmp_path / "login"
    programs.mkdir()
    for name in ("sbatch", "srun"):
        (programs / name).write_text("#!/bin/sh\necho Submitted batch job 7\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")


def script_of(request: Request) -> str:
    """The script that is handed in."""
    assert submit_held(request, read_cluster(request.cluster)) == "7"
    jobs = request.folder / "jobs"
    assert {path.name for path in jobs.glob("7_*")} >= {"7_submission.sh", "7_submitted.pkl"}
    return (jobs / "7_submission.sh").read_text()


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("standard-g-1", {"nodes": 1}),
        ("standard-g-8", {"nodes": 8}),
        ("standard-g-64", {"nodes": 64}),
        ("small-g-2-devices", {"partition": "small-g", "nodes": 1, "processes_per_node": 2}),
    ],
)
def test_the_script_for_lumi_is_what_one_would_write_by_hand(
    on_lumi: Path, name: str, changes: dict[str, object]
) -> None:
    script = script_of(replace(STANDARD_G, **changes))
    # Where the image and this repository lie differs from machine to machine.
    script = script.replace(str(on_lumi), "/projappl/project_465000001/alasin/image.sif")
    script = script.replace(str(ROOT), "/projappl/project_465000001/alasin-code")
    script = script.replace(job_name(STANDARD_G.folder), job_name(PHASE)).replace(str(STANDARD_G.folder), str(PHASE))
    golden = GOLDEN / f"{name}.sh"
    if os.environ.get("WRITE_GOLDEN"):
        golden.write_text(script + "\n")
    assert script + "\n" == golden.read_text()
    assert subprocess.run(["bash", "-n", golden], capture_output=True, text=True, check=False).stderr == ""


def test_without_image_and_packages_a_job_runs_this_python(on_lumi: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ALASIN_PACKAGES")
    assert "--bind" not in script_of(STANDARD_G)
    monkeypatch.delenv("ALASIN_IMAGE")
    script = script_of(STANDARD_G)
    assert "singularity exec" not in script
    assert f" {sys.executable} -u -m submitit.core._submit " in script


def test_who_pays_and_where_may_come_from_sbatchs_variables_and_the_profile_comes_first(
    on_lumi: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PARTITION", "QOS", "RESERVATION", "CONSTRAINT", "TIMELIMIT"):
        monkeypatch.setenv(f"SBATCH_{name}", name.lower())
    script = script_of(STANDARD_G)
    for line in ("partition=standard-g", "qos=qos", "reservation=reservation", "constraint=constraint", "time=2880"):
        assert f"#SBATCH --{line}\n" in script
    generic = script_of(replace(STANDARD_G, cluster="generic", partition=""))
    assert "#SBATCH --partition=partition\n" in generic


def test_a_cluster_without_description_is_asked_for_the_devices_and_memory_of_the_profile(tmp_path: Path) -> None:
    request = replace(STANDARD_G, cluster="generic", partition="gpu", folder=tmp_path, devices=4, memory_gib=100)
    script = script_of(request)
    for line in ("#SBATCH --gpus-per-node=4", "#SBATCH --mem=100G", "export ALASIN_DEVICES=4"):
        assert f"{line}\n" in script
    plain = script_of(replace(request, devices=0, memory_gib=0))
    assert "gpus" not in plain
    assert "--mem" not in plain
    assert "export ALASIN_DEVICES=0\n" in plain


@pytest.mark.parametrize("old", [False, True])
def test_signals_that_come_before_a_rank_can_handle_them_are_not_deadly_to_it(tmp_path: Path, old: bool) -> None:
    if old:  # coreutils before 8.31
        (tmp_path / "env").write_text("#!/bin/sh\nexit 125\n")
        (tmp_path / "env").chmod(0o755)
    program = "import os, signal; [os.kill(os.getpid(), signal.Signals[name]) for name in ('SIGUSR2', 'SIGTERM')]"
    command = ["/bin/sh", ROOT / "slurm/node/hold_signals.sh", sys.executable, "-S", "-c", f"{program}; print('a b')"]
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "a b\n", "")


def test_fewer_ranks_on_a_whole_node_get_the_first_masks(on_lumi: Path) -> None:
    script = script_of(replace(STANDARD_G, processes_per_node=2))
    assert "--cpu-bind=mask_cpu:0xfe000000000000,0xfe00000000000000 " in script
    assert "#SBATCH --gpus-per-node=8\n" in script


def test_a_measured_save_moves_the_signal(tmp_path: Path) -> None:
    request = replace(STANDARD_G, cluster="generic", partition="", folder=tmp_path)
    measured = '"save_seconds": 0.5, "write_seconds": 199.5'
    (tmp_path / "metrics.jsonl").write_text(f'{{"step": 1, "step_seconds": 20.0, {measured}}}\n')
    assert "#SBATCH --signal=USR2@700\n" in script_of(request)


@pytest.mark.parametrize("name", ["50% done", "a\\b", "two\nlines"])
def test_a_path_that_slurm_would_read_otherwise_is_an_error(name: str) -> None:
    request = replace(STANDARD_G, cluster="generic", partition="", folder=Path("/scratch") / name)
    with pytest.raises(UserError, match="work in another directory"):
        script_of(request)


def test_names_of_jobs_tell_working_directories_apart_and_hold_nothing_special() -> None:
    names = {job_name(Path(f"/scratch/{place}/runs/läärge, 2/stable")) for place in ("a", "b")}
    assert len(names) == 2
    assert all(name.startswith("l__rge__2.stable-") for name in names)


@dataclass
class Node:
    """A first node on which the script of a phase's job is run: its commands are stand-ins that write what they do."""

    folder: Path
    request: Request

    def command(self, name: str, script: str) -> None:
        path = self.folder / "bin" / name
        path.parent.mkdir(exist_ok=True)
        note = f'printf "%s\\0" {name} "$@" >> {self.folder}/calls; echo >> {self.folder}/calls'
        path.write_text(f"#!/bin/bash\n{note}\n{script}")
        path.chmod(0o755)

    def calls(self, name: str) -> list[list[str]]:
        lines = (self.folder / "calls").read_text().splitlines()
        return [words for words in (line.split("\0")[:-1] for line in lines) if words[0] == name]

    def run(self, restart: int = 0) -> int:
        """Run the script, and return its exit status."""
        environment = {
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
            "SLURM_JOB_ID": "101",
            "SLURM_JOB_NODELIST": "nid[001-002]",
            "SLURM_RESTART_COUNT": str(restart),
        }
        script = self.folder / "script.sh"
        script.write_text(script_of(self.request))
        return subprocess.run(["bash", script], env=environment, capture_output=True, check=False).returncode


@pytest.fixture
def node(tmp_path: Path) -> Node:
    """A node with a job of two ranks in a folder whose name has all that a shell could stumble over."""
    phase = tmp_path / "a 'b\" $c; #d & *" / "stable"
    phase.mkdir(parents=True)
    request = replace(STANDARD_G, cluster="generic", partition="", nodes=2, processes_per_node=1)
    node = Node(tmp_path, replace(request, folder=phase, done=phase / "checkpoint.json"))
    write_job(phase, Job("generic", "101", 2, "login", "2026-01-01T00:00:00+00:00", [], minutes=2880))
    node.command("scontrol", '[ "$1" = show ] && printf "nid001\\nnid002\\n"; exit 0')
    node.command("sleep", "")
    node.command("sacct", "printf 'NODE_FAIL\\nRUNNING\\n'")
    return node


def ranks_end(node: Node, status: int, srun: int, restart: int = 0) -> None:
    """Both ranks leave `status`, and srun ends with its own."""
    jobs = node.request.folder / "jobs"
    write_start(jobs, "101", restart, 0)
    for rank in range(2):
        write_status(jobs, "101", restart, rank, status)
    node.command("srun", f"env > {node.folder}/environment; exit {srun}")


@pytest.mark.parametrize(
    ("status", "srun", "requeued"), [(75, 0, True), (-11, 139, True), (124, 124, True), (0, 0, False), (65, 65, False)]
)
def test_the_script_puts_the_job_back_when_it_is_to_go_on_and_ends_as_srun_did(
    node: Node, status: int, srun: int, requeued: bool
) -> None:
    ranks_end(node, status, srun)
    assert node.run() == srun
    assert [call for call in node.calls("scontrol") if "show" not in call] == [
        ["scontrol", "requeue", "101"]
    ] * requeued
    assert [run.restart for run in read_history(node.request.folder)] == [0]


@pytest.mark.parametrize(("current", "requeued"), [(0, True), (1, False), (12, False)])
def test_a_run_that_slurm_has_given_up_does_not_put_the_job_back_under_its_successor(
    node: Node, current: int, requeued: bool
) -> None:
    ranks_end(node, -9, 137)
    node.command("scontrol", f'[ "$2" = show ] && echo "JobId=101 Requeue=1 Restarts={current} BatchFlag=1"; exit 0')
    node.run()
    assert ([call for call in node.calls("scontrol") if call[1] == "requeue"] != []) == requeued


def test_the_script_asks_again_while_the_controller_is_away(node: Node) -> None:
    ranks_end(node, 75, 0)
    node.command("scontrol", f"[ $(grep -c requeue {node.folder}/calls) -ge 3 ]")
    assert node.run() == 0
    assert len([call for call in node.calls("scontrol") if call[1] == "requeue"]) == 3
    assert node.calls("sleep") == [["sleep", "30"]] * 2


def test_a_job_whose_record_is_another_jobs_is_not_put_back(node: Node) -> None:
    ranks_end(node, 75, 0)
    write_job(node.request.folder, Job("generic", "102", 2, "login", "2026-01-01T00:00:00+00:00", []))
    assert node.run() == 0
    assert [call for call in node.calls("scontrol") if call[1] == "requeue"] == []


def test_srun_gets_paths_in_one_piece_and_ranks_an_address(node: Node) -> None:
    ranks_end(node, 0, 0)
    node.run()
    (srun,) = node.calls("srun")
    jobs = str(node.request.folder / "jobs")
    assert srun[-1] == jobs
    assert srun[srun.index("--output") + 1] == f"{jobs}/%j_%t_log.out"
    environment = (node.folder / "environment").read_text().splitlines()
    assert {"MASTER_ADDR=nid001", "MASTER_PORT=20101", "OMP_NUM_THREADS=1", "ALASIN_ENDED_AS="} <= set(environment)


def test_after_a_requeue_the_port_is_another_and_the_former_end_is_looked_up(node: Node) -> None:
    ranks_end(node, 0, 0, restart=2)
    node.run(restart=2)
    environment = (node.folder / "environment").read_text().splitlines()
    assert {"MASTER_PORT=20295", "ALASIN_ENDED_AS=NODE_FAIL"} <= set(environment)
