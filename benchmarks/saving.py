"""How long training stands still for a checkpoint: `model.training.saving`, and what it replaced.

    ours     each rank copies what it owns; a thread writes it while training goes on
    before   all ranks gather everything, then wait while rank 0 writes three whole files, and hashes them

An encoder of `--layers` x `--hidden` is put under DeepSpeed on this machine's CPUs, with moments, and saved several
times by each way. No step is made: the ranks only wait for what a step would wait for. *stall* is the wall
time of that on rank 0, *processor* what of it this thread computed, *written* the time until the checkpoint is in
place, all medians. *of the time* is what the stalls take of a run that saves every 15 minutes.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psutil
import torch
import torch.distributed as dist
from safetensors.torch import save_file

from benchmarks.measure import print_table
from benchmarks.ranks import run_ranks
from common.errors import UserError, run_command
from common.files import write_json
from common.listed import describe
from model.history.store import FORMAT
from model.modernbert import ModernBert, Shape
from model.training.checkpoint import MOMENTS, Tensors
from model.training.engine import Engine, start_process_group
from model.training.saving import Saving
from recipe.schema import Optimizer

EVERY_SECONDS = 900
"""Between two checkpoints, the trainer's default."""
COPIES = 3
"""Of a weight in a checkpoint: itself and two moments."""
FIRST = 1
"""Saves that are not counted: memory is taken and files are made for the first time."""


class Zeros(dict[str, torch.Tensor]):
    """Moments of zero for every name, which take no memory."""

    def __init__(self, weights: Mapping[str, torch.Tensor]) -> None:
        """Have the shapes of the weights."""
        super().__init__({name: torch.zeros(1).expand(weight.shape) for name, weight in weights.items()})


def opened(arguments: argparse.Namespace) -> Engine:
    """Return an engine with weights and moments."""
    shape = Shape(
        padded_vocabulary=arguments.vocabulary,
        layers=arguments.layers,
        hidden=arguments.hidden,
        heads=arguments.heads,
        intermediate=arguments.intermediate,
        global_rope_theta=10_000.0,
    )
    engine = Engine(ModernBert(shape, 0), Optimizer())
    weights = {name: parameter.detach() for name, parameter in engine.model.named_parameters()}
    engine.load({"weights": weights, **{moment: Zeros(weights) for moment in MOMENTS}}, 0)
    return engine


def gather_and_write(engine: Engine, directory: Path) -> None:
    """Save as it was done before. All ranks call this together."""
    from deepspeed.utils import safe_get_full_fp32_param, safe_get_full_optimizer_state

    first = dist.get_rank() == 0
    whole: dict[str, Tensors] = {kind: {} for kind in ("weights", *MOMENTS)}
    for name, parameter in engine.model.named_parameters():
        for kind, tensors in whole.items():
            of_weights = kind == "weights"
            got = safe_get_full_fp32_param(parameter) if of_weights else safe_get_full_optimizer_state(parameter, kind)
            if first:  # the others kept it as well, which this machine may have no memory for
                tensors[name] = got
    if first:
        directory.mkdir()
        for kind, tensors in whole.items():
            path = directory / f"{kind}.safetensors"
            save_file(tensors, path)
            with open(path, "rb+") as stream:
                os.fsync(stream.fileno())
        write_json(directory / "manifest.json", {"files": [describe(path) for path in sorted(directory.iterdir())]})
    dist.barrier()


@dataclass(frozen=True)
class Cost:
    """What one save took on rank 0, in seconds."""

    stall: float
    """Wall time that training would have waited for."""
    processor: float
    """Of the thread that trains, while it waited."""
    written: float
    """Wall time until the checkpoint was in place, from the copy on where there is one."""


def measure(arguments: argparse.Namespace) -> None:
    """Save by one way and then by the other, on one rank, and print the table on rank 0."""
    start_process_group()
    engine = opened(arguments)
    costs: dict[str, list[Cost]] = {"before": [], "ours": []}
    for number in range(FIRST + arguments.saves):
        directory = arguments.folder / f"before-{number}"
        began, charged = time.monotonic(), time.thread_time()
        gather_and_write(engine, directory)
        stall = time.monotonic() - began
        costs["before"].append(Cost(stall, time.thread_time() - charged, stall))
        shutil.rmtree(directory, ignore_errors=True)
        dist.barrier()
    saving = Saving(arguments.folder / "ours", (), engine.owned, torch.device("cpu"))
    for number in range(FIRST + arguments.saves):
        charged = time.thread_time()
        saving.save(number, {"format": FORMAT})
        charged = time.thread_time() - charged
        saving.finish()
        seconds = saving.seconds()
        costs["ours"].append(Cost(seconds["save_seconds"], charged, seconds["write_seconds"]))
    if dist.get_rank() == 0:
        show(sum(parameter.numel() for parameter in engine.model.parameters()), costs)
    dist.barrier()
    dist.destroy_process_group()


def show(parameters: int, costs: Mapping[str, list[Cost]]) -> None:
    """Print the table."""
    rows = []
    for way, saves in costs.items():
        counted = saves[FIRST:]
        stall = median(cost.stall for cost in counted)
        cells = [f"{stall:.2f}", f"{max(cost.stall for cost in counted):.2f}"]
        cells += [f"{median(cost.processor for cost in counted):.2f}"]
        cells += [f"{100 * stall / (stall + EVERY_SECONDS):.2f} %", f"{median(cost.written for cost in counted):.1f}"]
        rows.append([f"{parameters / 1e6:,.0f}M, {dist.get_world_size()}, {way}", *cells])
    print_table(["parameters, ranks, way", "stall, s", "longest, s", "processor, s", "of the time", "written, s"], rows)


def refuse_without_memory(arguments: argparse.Namespace, ranks: int) -> None:
    """Raise `UserError` where this would not fit: it would end by the system's killing something."""
    layer = 4 * arguments.hidden**2 + 3 * arguments.hidden * arguments.intermediate
    parameters = arguments.layers * layer + arguments.vocabulary * arguments.hidden
    # Weights of each rank while DeepSpeed copies them, one copy of its own, moments, and what is saved; gloo's buffers.
    needed = 4 * parameters * (2 * ranks + 1 + 2 + COPIES) + (2 << 30)
    if psutil.virtual_memory().available < needed:
        raise UserError(f"{ranks} ranks need {needed / 2**30:.0f} GiB of free memory; give fewer --layers or --ranks.")


def main() -> None:
    """Measure each number of ranks and print a table of each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ranks", type=int, nargs="+", default=[1, 2])
    for name, value in (
        ("layers", 28),
        ("hidden", 1024),
        ("heads", 16),
        ("intermediate", 2624),
        ("vocabulary", 128000),
    ):
        parser.add_argument(f"--{name}", type=int, default=value, help="of the encoder (default: %(default)s)")
    parser.add_argument("--saves", type=int, default=5, help="saves that are counted (default: %(default)s)")
    parser.add_argument("--folder", type=Path, help="where checkpoints are written (default: a temporary directory)")
    parser.add_argument("--as-rank", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.as_rank:
        measure(arguments)
        return
    for ranks in arguments.ranks:
        refuse_without_memory(arguments, ranks)
        with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
            run_ranks("benchmarks.saving", [*sys.argv[1:], "--folder", folder, "--as-rank"], ranks)


if __name__ == "__main__":
    run_command(main)
