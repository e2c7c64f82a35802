"""One rank of test_engine.py: trains a small network and writes what it saw."""

import json
import math
import os
import sys
import warnings
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn

from model.history.store import staged_name
from model.training import engine as engine_module
from model.training.checkpoint import complete, load_tensors, write_shard
from model.training.engine import Engine, fresh_tensors, start_process_group
from recipe.schema import Optimizer

OPTIMIZERS = {
    "adamw": Optimizer(weight_decay=0.1),
    "stable_adamw": Optimizer(name="stable_adamw", weight_decay=0.1, gradient_clip=None),
    "muon": Optimizer(name="muon", weight_decay=0.1, rest_rate_factor=0.5),
}
ROWS = 8


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(7, 13), nn.Tanh(), nn.Linear(13, 3))


def batch(step: int):
    generator = torch.Generator().manual_seed(step)
    return torch.randn(ROWS, 7, generator=generator), torch.randn(ROWS, 3, generator=generator)


def row_loss(model, inputs, targets, row):
    return ((model(inputs[row]) - targets[row]) ** 2).sum()


def train(engine: Engine, rank: int, steps: range, judge=lambda norm: None) -> list[float]:
    norms = []
    for step in steps:
        inputs, targets = batch(step)
        rows = list(range(rank, ROWS, engine.world_size))
        for row in rows or [0]:
            weight = engine.world_size / ROWS if rows else 0.0
            engine.backward(row_loss(engine.model, inputs, targets, row) * weight, last=row == (rows or [0])[-1])
        norms.append(engine.step(1e-2, judge).norm)
    return norms


def saved(engine: Engine, rank: int, directory: Path):
    """Write what the ranks own, and return all of it, whole."""
    staged = staged_name(directory, "1")
    write_shard(staged, rank, engine.world_size, {name: own.contiguous() for name, own in engine.owned().items()})
    if rank == 0:
        complete(staged, directory, engine.world_size, {})
    dist.barrier()
    return load_tensors(directory, engine.moments)


def poisoned(engine: Engine, rank: int, steps: range) -> list[float]:
    """Train with a gradient of the last rank's alone that is not a number."""
    if rank < engine.world_size - 1:
        return train(engine, rank, steps, judge)
    hook = engine.model[0].bias.register_hook(lambda gradient: gradient * float("nan"))
    norms = train(engine, rank, steps, judge)
    hook.remove()
    return norms


def judge(norm: float) -> str | None:
    """Object to norms that are not finite."""
    return None if math.isfinite(norm) else "not finite"


def declined(engine: Engine, rank: int, steps: range) -> list[float]:
    """Train with an objection to each step."""
    return train(engine, rank, steps, lambda norm: f"the norm is {norm}")


def equal(one, other) -> bool:
    return all(torch.equal(one[kind][name], other[kind][name]) for kind in one for name in one[kind])


def skipping(settings: Optimizer, halfway, rank: int, folder: Path, final) -> dict[str, bool]:
    """Train the second half again with steps between that are skipped; tell what they left."""
    found = {}
    for name, act in {"poisoned": poisoned, "declined": declined}.items():
        engine = Engine(network(), settings)
        engine.load(halfway, 5)
        norms = act(engine, rank, range(20, 22))
        found[f"{name} changes nothing"] = equal(saved(engine, rank, folder / f"{name}-at-once"), halfway)
        found[f"{name} is not counted"] = engine.updates == 5
        found[f"{name} tells the norm"] = all(map(math.isinf if name == "poisoned" else math.isfinite, norms))
        train(engine, rank, range(5, 10), judge)
        found[f"{name} leaves no trace"] = equal(saved(engine, rank, folder / name), final)
    return found


def addresses() -> int:
    """Bytes of addresses that this process has had at most."""
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmPeak:")]
    return int(line.split()[1]) * 1024


def trained(name: str, rank: int, folder: Path):
    """Train with an optimizer, halfway saved and resumed; return what is to be told of it."""
    settings = OPTIMIZERS[name]
    first = Engine(network(), settings)
    first.load(fresh_tensors(first.model), 0)
    norms = train(first, rank, range(5))
    halfway = saved(first, rank, folder / "halfway")
    norms += train(first, rank, range(5, 10))
    final = saved(first, rank, folder / "final")
    second = Engine(network(), settings)
    second.load(halfway, 5)
    train(second, rank, range(5, 10))
    exact = equal(final, saved(second, rank, folder / "resumed"))
    skipped = skipping(settings, halfway, rank, folder, final)
    weights = {name: value.tolist() for name, value in final["weights"].items()}
    return {"norms": norms, "exact": exact, "weights": weights, "skipped": skipped}


def copied(name: str, rank: int, source: Path, target: Path) -> bool:
    """Load a checkpoint, of whatever number of ranks, and save it again; tell whether the two are equal."""
    engine = Engine(network(), OPTIMIZERS[name])
    before = load_tensors(source, engine.moments)
    engine.load(before, 5)
    return equal(saved(engine, rank, target), before)


def main() -> None:
    torch.set_num_threads(1)
    engine_module._BUCKET = 60  # the first layer's weight is larger, and the others fill a bucket
    start_process_group()
    before = addresses()
    rank, output = int(os.environ["RANK"]), Path(sys.argv[1])
    if len(sys.argv) > 2:
        places = [[folder / name / "halfway" for folder in (Path(sys.argv[2]), output.parent)] for name in OPTIMIZERS]
        told = {name: copied(name, rank, *place) for name, place in zip(OPTIMIZERS, places, strict=True)}
    else:
        told = {name: trained(name, rank, output.parent / name) for name in OPTIMIZERS}
        told["taken"] = addresses() - before
        warnings.warn("something else will change", FutureWarning, stacklevel=1)
    if rank == 0:
        output.write_text(json.dumps(told))
    # A rank that ends while its connections are open may be aborted by their threads.
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
