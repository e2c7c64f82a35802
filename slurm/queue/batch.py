"""The batch script of a phase's job, and its submission, through submitit.

submitit writes the script, pickles the worker, submits, and starts the worker in every rank. Through its parameters
goes what follows from a phase being longer than a job: it is submitted held, so that no job ever runs unrecorded; and
what happens after the ranks have ended is decided in the batch script (`slurm.node.aftermath`), outside any container
and without the help of a login shell.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import shlex
import sys
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

import submitit

from common.errors import UserError
from slurm.cluster.cost import Resources, training_request
from slurm.cluster.description import Cluster, Container
from slurm.node.worker import Worker
from slurm.queue.commands import AbsentError, options_hidden, refusal
from slurm.records.progress import signal_seconds
from slurm.records.request import Request

_ROOT = Path(__file__).parents[2]
_REQUEUE_ATTEMPTS = 20
_OF_THE_USER = ("account", "partition", "qos", "reservation", "constraint")
"""Options of sbatch that its own variables may give, such as SBATCH_ACCOUNT: who pays, and where. The script says them;
sbatch itself hears of no variable, for it would put those before the script."""
_WAIT_SECONDS = 120
"""Ranks that are left so long after the first one ended wait for it in vain."""


def job_name(folder: Path) -> str:
    """Return the name of a phase's jobs: `run.phase-` and six digits that tell two working directories apart."""
    readable = re.sub(r"[^A-Za-z0-9.-]", "_", f"{folder.parent.name}.{folder.name}")
    return f"{readable}-{hashlib.sha256(str(folder).encode()).hexdigest()[:6]}"


def submit_held(request: Request, cluster: Cluster) -> str:
    """Submit the phase's next job, held, and return its id.

    Raises `SlurmError` if Slurm would not take it, `AwayError` if it does not answer: then it may have the job or not;
    `AbsentError` where there is no Slurm, `UserError` where the environment lacks something that the job needs.
    """
    executor = _executor(request, cluster)
    try:
        # submitit would print what it raises.
        with options_hidden(), redirect_stderr(io.StringIO()):
            return str(executor.submit(Worker.of(request)).job_id)
    except submitit.core.utils.FailedJobError as error:
        raise refusal(str(error)) from None
    except FileNotFoundError:
        raise AbsentError("there is no sbatch on PATH") from None
    finally:
        for left in (*executor.folder.glob(".submission_file_*"), *executor.folder.glob(f"{'?' * 32}.pkl")):
            left.unlink()


_RESTARTS = r"""scontrol --oneliner show job "$SLURM_JOB_ID" 2>/dev/null | sed -n 's/.* Restarts=\([0-9]*\).*/\1/p'"""
"""How often Slurm says that the job was put back: which of its runs is the current one."""


def _executor(request: Request, cluster: Cluster) -> submitit.SlurmExecutor:
    jobs = request.folder / "jobs"
    if set(str(jobs)) & set("%\\\n"):
        raise UserError(
            f"{jobs} has a %, a backslash or a line break in its path, which Slurm would read as something else; work "
            "in another directory."
        )
    asked = resources(request, cluster)
    python = _python(cluster.container)
    signal_at = signal_seconds(request.folder, request.minutes)
    try:
        executor = submitit.SlurmExecutor(
            jobs, python=_python(cluster.container, "/bin/sh", str(_ROOT / "slurm/node/hold_signals.sh"))
        )
    except RuntimeError:  # submitit looks for it
        raise AbsentError("there is no srun on PATH") from None
    executor.update_parameters(
        job_name=job_name(request.folder),
        time=request.minutes,
        nodes=request.nodes,
        ntasks_per_node=request.processes_per_node,
        signal_delay_s=signal_at,
        setup=_setup(cluster, asked.devices),
        teardown=_teardown(request, python, signal_at),
        # A site's default may be to give ranks no environment, and then no PATH.
        srun_args=["--export=ALL", "--kill-on-bad-exit=1", f"--wait={_WAIT_SECONDS}", *_binding(request, cluster)],
        # submitit would book all its users' jobs under a key of its name, which some sites do not have.
        wckey=os.environ.get("SBATCH_WCKEY", ""),
        additional_parameters={"hold": True, "requeue": True, **_accounting(request, cluster)},
        **_share(asked, cluster),
    )
    return executor


def _accounting(request: Request, cluster: Cluster) -> dict[str, str]:
    given = {name: os.environ.get(f"SBATCH_{name.upper()}", "") for name in _OF_THE_USER}
    given["partition"] = request.partition or given["partition"]
    if cluster.account_required and not given["account"]:
        raise UserError("SBATCH_ACCOUNT is not set; jobs need your project: export SBATCH_ACCOUNT=project_...")
    return {name: value for name, value in given.items() if value}


def resources(request: Request, cluster: Cluster) -> Resources:
    """Return what a job of the phase asks for."""
    return training_request(
        cluster,
        request.partition,
        request.nodes,
        request.processes_per_node,
        request.minutes,
        request.devices,
        request.memory_gib,
    )


def _share(asked: Resources, cluster: Cluster) -> dict[str, Any]:
    """Return what the job asks of each node."""
    partition, devices = cluster.partitions.get(asked.partition), asked.devices
    share: dict[str, Any] = {"cpus_per_task": cluster.cores_per_process}
    if partition and partition.whole_nodes:
        share["exclusive"] = True
        devices = cluster.nodes[partition.node].devices
    if asked.memory_mb:
        share["mem"] = f"{asked.memory_mb // 1024}G"
    if devices:
        share["gpus_per_node"] = devices
    return share


def _binding(request: Request, cluster: Cluster) -> list[str]:
    """Return srun's options that tie each rank to its cores; a step does not inherit the job's --cpus-per-task."""
    options = [f"--cpus-per-task={cluster.cores_per_process}"]
    partition = cluster.partitions.get(request.partition)
    if partition and partition.whole_nodes and cluster.nodes[partition.node].cpu_masks:
        masks = cluster.nodes[partition.node].cpu_masks[: request.processes_per_node]
        options.append(f"--cpu-bind=mask_cpu:{','.join(masks)}")
    return options


def _setup(cluster: Cluster, devices: int) -> list[str]:
    return [
        *cluster.setup,
        "# So that ranks which see no GPU do not train without it.",
        f"export ALASIN_DEVICES={devices}",
        *(f'export {name}="{value}"' for name, value in cluster.environment.items()),
        f"export PYTHONPATH={shlex.quote(str(_ROOT))} SUBMITIT_LOG_LEVEL=ERROR",
        "# The first node's name, found here because a container has no scontrol; a port of the job's own.",
        'export MASTER_ADDR=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)',
        "export MASTER_PORT=$((20000 + (SLURM_JOB_ID + 97 * ${SLURM_RESTART_COUNT:-0}) % 10000))",
        "# How Slurm ended the run before this one, if it did so by itself.",
        'export ALASIN_ENDED_AS=""',
        'if [ "${SLURM_RESTART_COUNT:-0}" -gt 0 ]; then',
        '  ALASIN_ENDED_AS=$(sacct -D -n -X -P -j "$SLURM_JOB_ID" -o State 2>/dev/null | tail -n 2 | head -n 1)',
        "fi",
    ]


def _teardown(request: Request, python: str, signal_at: int) -> list[str]:
    folder, done = shlex.quote(str(request.folder)), shlex.quote(str(request.done))
    return [
        "status=$?",
        f"{python} -m slurm.node.aftermath --folder {folder} --done {done} --signal-seconds {signal_at}",
        "if [ $? -eq 75 ]; then",
        "  # Not if Slurm gave this run up, its node was away, and has put the job back by itself: another run trains.",
        f"  current=$({_RESTARTS})",
        '  if [ -n "$current" ] && [ "$current" != "${SLURM_RESTART_COUNT:-0}" ]; then exit "$status"; fi',
        "  # The controller may be away for some minutes.",
        f"  for attempt in $(seq {_REQUEUE_ATTEMPTS}); do",
        '    scontrol requeue "$SLURM_JOB_ID" && break',
        "    sleep 30",
        "  done",
        "fi",
        'exit "$status"',
    ]


def _python(container: Container | None, *before: str) -> str:
    """Return the command that starts Python on a node, as the batch script has it, with words `before` it.

    Variables in the description are those of whoever submits; a bind whose variable is not set is left out. Raises
    `UserError` if the image is not there.
    """
    image = _expand(container.image) if container else None
    if container is None or image is None:
        return shlex.join([*before, sys.executable])
    if not Path(image).exists():
        raise UserError(
            f"the container image {image} (from {container.image}) is not there; set the variable to its path."
        )
    binds = [bind for bind in map(_expand, container.binds) if bind is not None]
    words = [*container.program.split(), *container.options]
    for bind in binds:
        words += ["--bind", bind]
    return shlex.join([*words, image, *before, "python"])


def _expand(value: str) -> str | None:
    """Return `value` with environment variables put in; None if one of them is not set, or empty."""
    names = re.findall(r"\$(\w+)", value)
    if not all(os.environ.get(name) for name in names):
        return None
    return os.path.expandvars(value)
