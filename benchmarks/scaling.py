"""What ranks tell each other in a step, beside what they compute: measured on this machine, and reckoned for LUMI.

Measured: the product's engine, a process a rank on the CPU, over gloo. Before each collective the ranks wait for each
other, so that its time is its own; *reduced* and *gathered* are bytes handed to collectives by a rank, and *passed on*
what a rank sends of these in rings. Compute and optimizer are processor seconds of rank 0, since ranks share cores.

Reckoned, by `benchmarks/network.py`: steps of the Finnish recipe's stable phase on 64 and 512 GCDs of LUMI, with
micro-batches of 8,192 slots; *waiting* is what no backward pass goes on beside. A GCD makes as many operations a
second as for the 13,900 tokens that were published for ModernBERT-large on one, taken to be at 1,024; or twice as
many. LUMI bills half a GPU-hour for a GCD-hour.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from functools import wraps
from typing import Any

import torch
import torch.distributed as dist

from benchmarks.batches import OurStep, masked_batches
from benchmarks.flops import step_flops
from benchmarks.measure import PackedRow, print_table
from benchmarks.network import LUMI, passed_on, step_on
from benchmarks.ranks import run_ranks
from benchmarks.training import RECIPE, recipe_shape
from common.errors import run_command
from model.modernbert import ModernBert, Shape
from model.training.engine import _BUCKET, start_process_group
from recipe.reading import read_recipe
from recipe.schema import lineage

REDUCING = ("all_reduce", "reduce", "reduce_scatter_tensor", "reduce_scatter")
GATHERING = ("all_gather_into_tensor", "all_gather", "broadcast")
PASSES = {"all_reduce": 2}
"""Times that a ring passes the bytes on; once where nothing is said."""
GROUPS = ("compute", "reducing", "gathering", "optimizer")
UNMEASURED = 1
PUBLISHED_TOKENS_PER_SECOND = 13_900.0
"""Of ModernBERT-large on a GCD of LUMI; 64 of them would make 350 billion tokens in 109 hours."""
LENGTH = 1024
MICRO_BATCH = 8192
"""Slots computed at once, the trainer's default."""
GCDS = (64, 512)


class Counter:
    """Counts the bytes and seconds of collectives, which wait for all ranks first and are waited for."""

    def __init__(self) -> None:
        """Take the place of torch's collectives; call it before anything takes hold of them."""
        self.clear()
        self._barrier = dist.barrier
        for name in (*REDUCING, *GATHERING):
            setattr(dist, name, self._counted(name, getattr(dist, name)))

    def clear(self) -> None:
        """Begin anew."""
        self.bytes: dict[str, float] = defaultdict(float)
        self.passed: dict[str, float] = defaultdict(float)
        self.seconds: dict[str, float] = defaultdict(float)
        self.processor = 0.0

    def _counted(self, name: str, collective: Callable[..., Any]) -> Callable[..., Any]:
        kind = "reducing" if name in REDUCING else "gathering"

        @wraps(collective)
        def counted(*arguments: Any, **named: Any) -> Any:
            charged = time.process_time()
            self._barrier()
            began = time.perf_counter()
            work = collective(*arguments, **named)
            if work is not None:
                work.wait()
            self.seconds[kind] += time.perf_counter() - began
            self.processor += time.process_time() - charged
            size = largest_bytes((*arguments, *named.values()))
            self.bytes[kind] += size
            self.passed[kind] += PASSES.get(name, 1) * passed_on(size, dist.get_world_size())
            return work

        return counted


def largest_bytes(arguments: Any) -> int:
    """Return the bytes of the largest tensor, or list of tensors, among the arguments of a collective."""
    sizes = [0]
    for argument in arguments:
        parts = argument if isinstance(argument, list) else [argument]
        sizes.append(sum(part.numel() * part.element_size() for part in parts if isinstance(part, torch.Tensor)))
    return max(sizes)


def measure(arguments: argparse.Namespace) -> None:
    """Make steps on one rank of several; rank 0 prints a row of the table."""
    counter = Counter()
    device = start_process_group()
    torch.set_num_threads(1)
    shape = Shape(
        padded_vocabulary=arguments.vocabulary,
        layers=arguments.layers,
        hidden=arguments.hidden,
        heads=arguments.hidden // 64,
        intermediate=3 * arguments.hidden // 2,
        global_rope_theta=10_000.0,
    )
    generator = torch.Generator().manual_seed(dist.get_rank())
    tokens = torch.randint(5, arguments.vocabulary, (arguments.slots,), generator=generator).numpy()
    [batch] = masked_batches([PackedRow(tokens, [256] * (arguments.slots // 256))], 1, arguments.vocabulary)
    ours = OurStep(shape, device, 1, arguments.slots)
    ready = ours.of(batch)
    compute = optimizer = 0.0
    for number in range(UNMEASURED + arguments.rounds):
        if number == UNMEASURED:
            counter.clear()
            compute = optimizer = 0.0
        before, charged = counter.processor, time.process_time()
        ours.accumulate(ready)
        between = time.process_time()
        compute += between - charged - (counter.processor - before)
        before = counter.processor
        ours.update()
        optimizer += time.process_time() - between - (counter.processor - before)
    if dist.get_rank() == 0:
        each = 1 / arguments.rounds
        communication = each * sum(counter.seconds.values())
        cells = [f"{each * compute:.2f}", f"{each * optimizer:.2f}"]
        for kind in ("reducing", "gathering"):
            cells += [f"{each * counter.bytes[kind] / 1e6:.1f}", f"{each * counter.seconds[kind]:.3f}"]
        cells += [f"{each * sum(counter.passed.values()) / 1e6:.1f}"]
        cells += [f"{100 * communication / (communication + each * (compute + optimizer)):.1f} %"]
        print(f"| {dist.get_world_size()} | {parameters(shape) / 1e6:.1f} | {' | '.join(cells)} |", flush=True)
    counter._barrier()
    dist.destroy_process_group()


def parameters(shape: Shape) -> int:
    """Return how many numbers a model of a shape learns."""
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in ModernBert(shape, None).parameters())


def reckoned() -> list[list[str]]:
    """Return the table for LUMI."""
    recipe, rows = read_recipe(RECIPE), []
    shapes = {name: recipe_shape(name) for name in ("tiny", "base", "large")}
    per_token = {name: step_flops(shape, [LENGTH], 3 * LENGTH // 10) / LENGTH for name, shape in shapes.items()}
    published = PUBLISHED_TOKENS_PER_SECOND * per_token["large"]
    for name, shape in shapes.items():
        [stage] = recipe.phases[lineage(recipe, name)[0][1]].stages
        for gcds in GCDS:
            cells = [name, str(gcds)]
            for times in (1, 2):
                speed = times * published / per_token[name]
                batch = stage.batch.tokens
                step = step_on(LUMI, gcds, parameters(shape), _BUCKET, (batch, MICRO_BATCH), speed)
                sent = f"{1e3 * step.reducing:.0f} + {1e3 * step.gathering:.0f}"
                gcd_hours = gcds * stage.tokens / batch * step.seconds / 3600
                cells += [f"{step.compute:.2f}", sent, f"{100 * step.share:.1f} %", f"{gcd_hours:,.0f}"]
            rows.append(cells)
    return rows


def main() -> None:
    """Measure each number of ranks, and reckon for LUMI."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ranks", type=int, nargs="+", default=[1, 2, 4])
    for name, value in (("layers", 6), ("hidden", 768), ("vocabulary", 8192), ("slots", 2048)):
        parser.add_argument(f"--{name}", type=int, default=value, help="(default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="steps that are counted (default: %(default)s)")
    parser.add_argument("--as-rank", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.as_rank:
        measure(arguments)
        return
    header = ["ranks", "parameters, M", "compute, s", "optimizer, s", "reduced, MB", "s", "gathered, MB", "s"]
    print_table([*header, "passed on, MB", "communication"], [])
    sys.stdout.flush()
    for ranks in arguments.ranks:
        run_ranks("benchmarks.scaling", [*sys.argv[1:], "--as-rank"], ranks)
    print(
        f"\nA step: {arguments.slots:,} slots a rank. Means of {arguments.rounds} steps, torch {torch.__version__}.\n"
    )
    columns = ["compute, s", "reducing + gathering, ms", "waiting", "GCD-hours"]
    print_table(["model", "GCDs", *columns, *(f"{column}, twice as fast" for column in columns)], reckoned())


if __name__ == "__main__":
    run_command(main)
