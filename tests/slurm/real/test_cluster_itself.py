"""The Slurm that other tests rely on: shaped like LUMI, and able to fail as a cluster does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.slurm.real.real_cluster import CPU_NODES, GPU_NODES, RealCluster, run

SNAKEFILE = """
rule second:
    input:
        "first.txt",
    output:
        "second.txt",
    shell:
        "hostname | cat {input} - > {output}"

rule first:
    output:
        "first.txt",
    shell:
        "hostname > {output}"
"""


def srun(cluster: RealCluster, *arguments: str) -> list[str]:
    """Run a step of its own and return its lines, sorted."""
    return sorted(run("srun", "--time=1", *arguments, environment=cluster.environment).splitlines())


def test_partitions_have_lumis_names_nodes_and_limits(slurm_cluster: RealCluster) -> None:
    partitions = dict(line.split(" ", 1) for line in run("sinfo", "--noheader", "--format=%R %l %D %G").splitlines())
    gpus, none = "2 gpu:mi250:8", "3 (null)"
    assert partitions == {
        "standard-g": f"2-00:00:00 {gpus}",
        "small-g": f"3-00:00:00 {gpus}",
        "dev-g": f"3:00:00 {gpus}",
        "urgent-g": f"30:00 {gpus}",
        "standard": f"2-00:00:00 {none}",
        "small": f"3-00:00:00 {none}",
        "debug": f"30:00 {none}",
    }


def test_a_step_runs_on_two_nodes_with_their_own_host_names_and_gpus(slurm_cluster: RealCluster) -> None:
    request = ("--partition=standard-g", "--nodes=2", "--ntasks-per-node=2", "--gpus-per-node=8", "--cpus-per-task=7")
    lines = srun(slurm_cluster, *request, "bash", "-c", "echo $(hostname) $SLURM_LOCALID $ROCR_VISIBLE_DEVICES")
    assert lines == [f"{node} {rank} 0,1,2,3,4,5,6,7" for node in GPU_NODES for rank in (0, 1)]


def test_jobs_share_a_node_of_small_but_not_of_standard(slurm_cluster: RealCluster) -> None:
    shared = [slurm_cluster.submit("sleep 60", "--partition=small", f"--nodelist={CPU_NODES[0]}") for _ in range(2)]
    alone = [slurm_cluster.submit("sleep 60", "--partition=standard", f"--nodelist={CPU_NODES[1]}") for _ in range(2)]
    for job in (*shared, alone[0]):
        slurm_cluster.wait_for_state(job, "RUNNING")
    assert {job.job_id: job.state for job in slurm_cluster.jobs()}[alone[1]] == "PENDING"


@pytest.mark.parametrize(
    ("account", "options", "complaint"),
    [
        ("", ["--partition=debug"], "Job violates accounting/QOS policy"),
        ("project_nobody", ["--partition=debug"], "Invalid account"),
        ("project_465000001", [], "No partition specified"),
        ("project_465000001", ["--partition=nowhere"], "invalid partition specified"),
        ("project_465000001", ["--partition=debug", "--time=31"], "Requested time limit is invalid"),
        ("project_465000001", ["--partition=standard-g", "--nodes=3"], "Node count specification invalid"),
        ("project_465000001", ["--partition=standard-g", "--gpus-per-node=9"], "node configuration is not available"),
    ],
)
def test_sbatch_would_not_take_what_the_cluster_does_not_give(
    slurm_cluster: RealCluster, account: str, options: list[str], complaint: str
) -> None:
    environment = {**slurm_cluster.environment, "SBATCH_ACCOUNT": account}
    if not account:
        del environment["SBATCH_ACCOUNT"]
    command = ["sbatch", *options, "--wrap", "true"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert complaint in done.stderr
    assert not slurm_cluster.jobs()


def test_accounting_keeps_each_run_of_a_requeued_job(slurm_cluster: RealCluster) -> None:
    job = slurm_cluster.submit("[ $SLURM_RESTART_COUNT ] || sleep 60", "--partition=debug", "--requeue")
    slurm_cluster.wait_for_state(job, "RUNNING")
    run("scontrol", "requeue", job)
    slurm_cluster.wait_for_state(job, "COMPLETED")
    slurm_cluster.wait_for(
        lambda: [one.state for one in slurm_cluster.history(job)] == ["REQUEUED", "COMPLETED"], "both runs in sacct"
    )


def test_an_urgent_job_preempts_one_that_hears_of_it_when_there_is_grace(slurm_cluster: RealCluster) -> None:
    slurm_cluster.set_grace(60)
    script = "srun bash -c \"trap 'exit 7' USR2; while :; do sleep 0.1; done\""
    options = ("--partition=standard-g", "--nodes=2", "--no-requeue", "--signal=USR2@30")
    preempted = slurm_cluster.submit(script, *options, "--time=10")
    slurm_cluster.wait_for_state(preempted, "RUNNING")
    urgent = slurm_cluster.submit("true", "--partition=urgent-g", "--nodes=1")
    slurm_cluster.wait_for_state(urgent, "COMPLETED")
    slurm_cluster.wait_for(
        lambda: [one.exit_code for one in slurm_cluster.history(preempted)] == ["7:0"], "the job ended by itself"
    )


def test_a_job_of_a_crashed_node_starts_again_when_the_node_is_back(slurm_cluster: RealCluster) -> None:
    job = slurm_cluster.submit(
        "srun bash -c '[ $SLURM_RESTART_COUNT ] || sleep 600'", "--partition=small-g", "--nodes=2"
    )
    slurm_cluster.wait_for_state(job, "RUNNING")
    slurm_cluster.wait_for(slurm_cluster.processes_of_jobs, "the job has processes")
    slurm_cluster.crash(GPU_NODES[1])
    slurm_cluster.wait_for_state(job, "PENDING")
    slurm_cluster.start(GPU_NODES[1])
    slurm_cluster.wait_for_state(job, "COMPLETED")
    slurm_cluster.wait_for(
        lambda: [one.state for one in slurm_cluster.history(job)] == ["NODE_FAIL", "COMPLETED"], "both runs in sacct"
    )


def test_a_job_outlives_the_controller(slurm_cluster: RealCluster) -> None:
    job = slurm_cluster.submit("sleep 3", "--partition=debug")
    slurm_cluster.wait_for_state(job, "RUNNING")
    slurm_cluster.restart_controller(lambda: None)
    slurm_cluster.wait_for_state(job, "COMPLETED")


def test_a_node_that_does_not_answer_is_used_again_when_it_does(slurm_cluster: RealCluster) -> None:
    slurm_cluster.pause(CPU_NODES[0])
    slurm_cluster.wait_for(lambda: slurm_cluster.node_state(CPU_NODES[0]).endswith("*"), "the node is missed")
    slurm_cluster.resume(CPU_NODES[0])
    slurm_cluster.wait_for(
        lambda: slurm_cluster.node_state(CPU_NODES[0]) in ("idle", "mix", "plnd"), "the node is back"
    )


def test_snakemakes_jobs_run_on_the_nodes(slurm_cluster: RealCluster, tmp_path: Path) -> None:
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    snakemake = [sys.executable, Path(__file__).with_name("snakemake_fast.py"), "--directory", tmp_path]
    options = ["--executor", "slurm", "--jobs", "2", "--slurm-init-seconds-before-status-checks", "1"]
    resources = ["--default-resources", "slurm_partition=small", "runtime=2", "mem_mb=500"]
    snakefile = ["--snakefile", tmp_path / "Snakefile"]
    run(*snakemake, *snakefile, *options, *resources, environment=slurm_cluster.environment)
    first, second = (tmp_path / "second.txt").read_text().split()
    assert {first, second} <= set(CPU_NODES)
