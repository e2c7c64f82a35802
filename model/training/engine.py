"""DeepSpeed, set up once: ZeRO stage 1 over fp32 weights, and its state as plain tensors.

Weights, gradients and moments are fp32 everywhere; on a GPU the forward pass computes in bf16 under autocast. ZeRO
splits the optimizer's moments over the ranks. `backward` accumulates on its rank; the last of a step reduces the
gradients besides, a bucket of them as soon as it is full, while those of the layers below are still computed. DeepSpeed
averages over ranks; callers scale the loss by the world size to get a sum.

State goes in by parameter name, whole, so that a checkpoint does not depend on how many ranks wrote it. It goes out
as what each rank owns, under the names of `model.training.checkpoint`.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
import warnings
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from functools import cache, partial
from typing import Any, NamedTuple, NoReturn

import numpy as np
import torch
import torch.distributed as dist
from torch import nn

from common.errors import UserError
from model.training.checkpoint import Tensors
from model.training.optimizers.layout import Run, runs
from model.training.optimizers.making import make_optimizer
from recipe.schema import Optimizer

PATIENCE = timedelta(days=1)
"""How long a rank waits for the others. What hangs is found by `slurm.node.worker`, whose limits stand in the profile;
torch's own ten minutes would end a start or a save that the profile allows."""
VISIBLE = {"ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES"}
"""Environment variables that say which GPUs a process is shown."""
_BUCKET = 10_000_000
"""Gradients that are reduced at once: 40 MB, one layer or some, so that the first of a dozen reductions or more begins
when the last layers are done. DeepSpeed keeps two buckets on each rank, of 2 GB each where nothing is said. A parameter
that is larger, as embeddings are, is reduced by itself, without a copy."""


def start_process_group() -> torch.device:
    """Join the other ranks (RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT of the environment); return the device.

    Raises `UserError` if the job asked for GPUs (ALASIN_DEVICES of each node) and this process sees none.
    """
    if not torch.cuda.is_available():
        if int(asked := os.environ.get("ALASIN_DEVICES", "0")):
            raise UserError(
                f"torch {torch.__version__} sees no GPU on {socket.gethostname()}, though the job asked for {asked} on "
                "each node; see that this torch is one for these GPUs, and that the container is given them."
            )
        os.environ.setdefault("DS_ACCELERATOR", "cpu")
        _deepspeed().init_distributed(dist_backend="gloo", verbose=False, timeout=PATIENCE)
        return torch.device("cpu")
    device = torch.device("cuda", device_number(int(os.environ["LOCAL_RANK"]), torch.cuda.device_count(), os.environ))
    torch.cuda.set_device(device)
    # DeepSpeed takes the rank's number on its node for that of its device, when the ranks meet and when an engine is
    # made; there is no such device where Slurm shows each rank its own alone.
    os.environ["LOCAL_RANK"] = str(device.index)
    _deepspeed().init_distributed(dist_backend="nccl", verbose=False, timeout=PATIENCE)
    return device


def device_number(local_rank: int, shown: int, environment: Mapping[str, str]) -> int:
    """Return which of the GPUs that this process is shown is its own; two ranks never share one.

    Args:
        local_rank: number of the rank on its node.
        shown: GPUs that this process sees, at least one.
        environment: tells whether the GPUs were chosen for this process.

    Raises:
        UserError: if there are fewer GPUs than ranks.
    """
    if local_rank < shown:
        return local_rank
    # Where each process is shown only its own device, that device is number 0.
    if shown == 1 and VISIBLE & environment.keys():
        return 0
    raise UserError(
        f"rank {local_rank} of this node has no GPU of its own: {shown} are seen; set processes_per_node in the "
        "profile to the number of GPUs."
    )


def leave(status: int) -> NoReturn:
    """End this process at once, with what it has said.

    Threads of gloo and of the store by which ranks meet are still there when the process group has been destroyed. A
    thread that comes back from torch into an interpreter that is being torn down is unwound through C++, which ends the
    process by SIGABRT ("terminate called without an active exception"): a rank that had finished died so.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def describe_place(device: torch.device) -> str:
    """Say where this rank runs: host, device and its memory, cores it is bound to, and devices it is shown."""
    name = "no GPU"
    if device.type == "cuda":
        shown = torch.cuda.get_device_properties(device)
        name = f"GPU {device.index} ({shown.name}, {shown.total_memory / 2**30:.0f} GiB)"
    visible = {key: os.environ[key] for key in sorted(VISIBLE) if key in os.environ}
    words = [f"{key}={value}" for key, value in visible.items()]
    place = f"rank {os.environ['RANK']} of {os.environ['WORLD_SIZE']} on {socket.gethostname()}"
    return ", ".join([place, name, f"cores {_ranges(sorted(os.sched_getaffinity(0)))}", *words])


def _ranges(numbers: list[int]) -> str:
    """Return [0, 1, 2, 5] as "0-2,5"."""
    starts = [number for number in numbers if number - 1 not in numbers]
    ends = [number for number in numbers if number + 1 not in numbers]
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in zip(starts, ends, strict=True))


def _deepspeed() -> Any:
    import deepspeed
    import deepspeed.ops

    # On CPUs DeepSpeed would compile a shared-memory collective at start-up, for a minute and only where there is a
    # compiler; gloo's own collectives serve.
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    logging.getLogger("DeepSpeed").setLevel(logging.ERROR)
    # DeepSpeed calls by its old name what torch has renamed; it stood before every error in the log of a rank.
    old_name = r"`torch\.distributed\.all_gather_into_tensor` is deprecated"
    warnings.filterwarnings("ignore", old_name, FutureWarning, r"torch\.distributed\.c10d_logger")
    return deepspeed


@contextmanager
def _nothing_compiled() -> Iterator[None]:
    """Have torch.compile return what it is given.

    DeepSpeed marks three functions of a Muon of its own, which is not used here, as to be compiled. To mark them is to
    import torch's compiler: a second of each start.
    """
    compiler = torch.compile
    torch.compile = lambda *_, **__: lambda function: function  # type: ignore[assignment]
    try:
        yield
    finally:
        torch.compile = compiler


class Update(NamedTuple):
    """What became of a step."""

    norm: float
    """Of the whole gradient, before clipping; infinite where it is not finite."""
    objection: str | None
    """Why weights and moments were left as they were; None if they were updated."""


class Engine:
    """A model under DeepSpeed with its optimizer; every rank holds the whole weights and its part of the moments."""

    def __init__(self, model: nn.Module, optimizer: Optimizer) -> None:
        """Wrap `model`, whose weights are fp32; all ranks call this together."""
        parameters = sum(parameter.numel() for parameter in model.parameters())
        self._optimizer = make_optimizer(model.named_parameters(), optimizer)
        self.world_size = dist.get_world_size()
        config = {
            "train_batch_size": self.world_size,
            "train_micro_batch_size_per_gpu": 1,
            "zero_optimization": {
                "stage": 1,
                "overlap_comm": True,
                # Gradients lie one after another in the bucket, so that it is reduced without a copy of all.
                "contiguous_gradients": True,
                "reduce_bucket_size": min(_BUCKET, parameters),
                # Else DeepSpeed copies each bucket to reduce it, by an all-reduce as well.
                "reduce_scatter": False,
            },
            "gradient_clipping": optimizer.gradient_clip or 0.0,
            "zero_allow_untested_optimizer": True,
            "steps_per_print": 2**31,
        }
        with _nothing_compiled():
            self._engine = _deepspeed().initialize(model=model, optimizer=self._optimizer, config=config)[0]
        self.model = model
        self._order: list[int] = []
        for number, parameter in enumerate(model.parameters()):
            note = partial(self._note, number)
            parameter.register_post_accumulate_grad_hook(note)  # type: ignore[no-untyped-call]
        self.updates = 0
        """Optimizer steps behind the moments, over the whole lineage: Adam's bias correction depends on it."""

    def backward(self, loss: torch.Tensor, last: bool) -> None:
        """Accumulate the gradients of a scalar on this rank, and reduce them over the ranks if it is the step's last.

        Each must depend on all parameters, by whatever gradient: ranks reduce them in the order in which they come,
        which `order` tells.
        """
        self._order.clear()
        self._engine.set_gradient_accumulation_boundary(last)
        self._engine.backward(loss, scale_wrt_gas=False)

    def step(self, learning_rate: float, judge: Callable[[float], str | None]) -> Update:
        """Clip the gradients that are reduced, and update the weights if nothing speaks against it.

        Args:
            learning_rate: of this step.
            judge: is told the norm of the gradient, once, and returns an objection or None, the same on all ranks.
        """
        for group in self._zero.param_groups:
            group["lr"] = learning_rate * group["rate_factor"]
        # DeepSpeed's norm is the same on all ranks. Where it is not finite, DeepSpeed drops the gradients by itself and
        # asks no optimizer, and says infinite.
        judged = cache(lambda: Update(norm := float(self._zero._global_grad_norm), judge(norm)))
        self._optimizer.permitted = lambda: judged().objection is None
        self._engine.step()
        update = judged()
        self.updates += update.objection is None
        return update

    def _note(self, number: int, _: torch.Tensor) -> None:
        self._order.append(number)

    @property
    def order(self) -> int:
        """A number that stands for the order in which the gradients of the last backward pass came."""
        return zlib.crc32(np.array(self._order, dtype=np.int32).tobytes())

    @property
    def _zero(self) -> Any:
        return self._engine.optimizer

    @property
    def moments(self) -> dict[str, tuple[str, ...]]:
        """The names of each parameter's moments."""
        return {name: group["moments"] for group in self._optimizer.param_groups for name in group["names"]}

    def _runs(self) -> Iterator[tuple[str, torch.Tensor, Run]]:
        """Yield of each parameter that this rank updates some of: name, the partition it lies in, and where."""
        for group in self._optimizer.param_groups:
            [flat] = group["params"]
            for run in runs(group["sizes"], flat.numel(), dist.get_rank()):
                yield group["names"][run.tensor], flat, run

    @torch.no_grad()
    def load(self, tensors: Mapping[str, Mapping[str, torch.Tensor]], updates: int) -> None:
        """Set weights and moments, by parameter name, as after `updates` steps. All ranks call this together.

        Moments of which `tensors` has none are zero.

        Raises:
            KeyError: if a tensor of the model is not in `tensors`.
        """
        for group in self._optimizer.param_groups:
            [flat] = group["params"]
            zeros = {moment: torch.zeros_like(flat) for moment in group["moments"]}
            step = torch.tensor(float(updates), device=flat.device)
            self._optimizer.state[flat] = {"step": step, **zeros}
        for name, flat, run in self._runs():
            targets = {"weights": flat, **self._optimizer.state[flat]}
            for kind, given in tensors.items():
                if kind == "weights" or kind in self.moments[name]:
                    run.of(targets[kind]).copy_(given[name].reshape(-1).narrow(0, run.first, run.length))
        self._zero.update_lp_params()
        self.updates = updates

    def owned(self) -> Tensors:
        """Return what this rank adds to a checkpoint, as views of what is trained: the next step changes them.

        Weights are fp32 and equal on all ranks.
        """
        parameters = dict(self.model.named_parameters())
        names = share_of_weights(parameters, dist.get_rank(), self.world_size)
        owned = {f"weights/{name}": parameters[name].detach() for name in names}
        for name, flat, run in self._runs():
            state = self._optimizer.state[flat]
            owned |= {f"{moment}/{name}/{run.first}": run.of(state[moment]) for moment in self.moments[name]}
        return owned


def share_of_weights(weights: Mapping[str, torch.Tensor], rank: int, world_size: int) -> list[str]:
    """Return the names of the weights that a rank writes: each is one rank's, and all write about as many elements."""
    loads = [0] * world_size
    own = []
    for name in sorted(weights, key=lambda name: (-weights[name].numel(), name)):  # the largest first
        chosen = loads.index(min(loads))
        loads[chosen] += weights[name].numel()
        if chosen == rank:
            own.append(name)
    return own


def fresh_tensors(model: nn.Module) -> dict[str, Tensors]:
    """Return the tensors of a checkpoint taken before the first step: the model's weights, moments of zero."""
    weights = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    zeros = {name: torch.zeros_like(weight) for name, weight in weights.items()}
    return {"weights": weights, "exp_avg": zeros, "exp_avg_sq": {name: z.clone() for name, z in zeros.items()}}
