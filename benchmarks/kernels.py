"""Where the time of a step goes, by groups of kernels, from what torch's profiler saw.

On a GPU each kernel and copy is an interval of the device's time; what no interval covers is idle. On a CPU it is the
time of each operator without those that it calls, and idle is what lies between operators. Groups are told by name: by
those of vendors' libraries, of flash-attn and of torch's own kernels.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Any, NamedTuple

from torch._C._autograd import DeviceType

IDLE = "idle"
REST = "norm, elementwise"
GROUPS = (
    ("communication", r"nccl|rccl|all_?reduce|all_?gather|reduce_?scatter|c10d|gloo|broadcast_"),
    ("attention", r"flash|fmha|attention|sdpa|ck_tile.*fmha|flex"),
    ("optimizer", r"multi_tensor|adam|foreach|lpnorm|l2norm|norm_kernel.*Multi|linalg_vector_norm"),
    ("loss", r"log_?softmax|softmax|nll|cross_?entropy|logsumexp|arg_?max"),
    ("matrix products", r"gemm|cutlass|nvjet|xmma|cublas|cijk_|splitk|aten::(mm|addmm|bmm|baddbmm)$|mkldnn.*linear"),
    ("copies", r"memcpy|memset|copy|catarray|aten::cat$|gather|scatter|index|embedding|aten::(fill_|zero_)$"),
)
"""Group -> what names of its kernels hold, whatever the case; the first that fits counts."""
NAMES = (*(group for group, _ in GROUPS), REST, IDLE)
_PATTERNS = [(group, re.compile(pattern, re.IGNORECASE)) for group, pattern in GROUPS]


class Work(NamedTuple):
    """A kernel on the device, or an operator on the CPU."""

    name: str
    microseconds: float
    """Of the device's time that are counted for it."""


class Profile(NamedTuple):
    """What a device did in some time."""

    shares: dict[str, float]
    """Group of `NAMES` -> share of the time; they sum to 1."""
    longest: list[tuple[str, str, float]]
    """Group, name and share of the kernels that took longest, the longest first."""


def group_of(name: str) -> str:
    """Return the group of a kernel or operator."""
    return next((group for group, pattern in _PATTERNS if pattern.search(name)), REST)


def work_of(events: Iterable[Any], on_gpu: bool) -> list[Work]:
    """Return what ran, from `torch.profiler.profile().events()`."""
    kind = DeviceType.CUDA if on_gpu else DeviceType.CPU
    # A name that a person gave to a stretch of steps spans the kernels in it on the device's own track as well.
    seen = [event for event in events if event.device_type == kind and not event.is_user_annotation]
    if not on_gpu:
        return [Work(event.name, event.self_cpu_time_total) for event in seen]
    works, last = [], float("-inf")
    for event in sorted(seen, key=lambda event: event.time_range.start):
        # Time that kernels of two streams share is counted once.
        works.append(Work(event.name, max(0.0, event.time_range.end - max(last, event.time_range.start))))
        last = max(last, event.time_range.end)
    return works


def profile_of(works: Iterable[Work], seconds: float, many: int = 6) -> Profile:
    """Sort what ran into groups.

    Args:
        works: of one device.
        seconds: of the clock, while they ran.
        many: of the kernels that took longest are told.
    """
    times: dict[str, float] = defaultdict(float)
    for work in works:
        times[work.name] += work.microseconds
    whole = max(sum(times.values()), 1e6 * seconds)  # clocks differ a little where nothing was idle
    shares = dict.fromkeys(NAMES, 0.0)
    for name, time in times.items():
        shares[group_of(name)] += time / whole
    shares[IDLE] = 1 - sum(shares.values())
    ranked = sorted(times.items(), key=lambda item: -item[1])[:many]
    return Profile(shares, [(group_of(name), name, time / whole) for name, time in ranked])
