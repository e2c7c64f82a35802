"""The same bits from the same inputs on a GPU, for a price.

On a CPU a phase that was interrupted ends with the bits of one that was not. On a GPU many kernels add in the order in
which their blocks happen to end. Each of them that this training uses has a slower form that does not.
"""

from __future__ import annotations

import os

import torch

WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"
"""Without it cuBLAS may choose its buffers, and with them the order of sums, anew."""


def add_in_one_order() -> None:
    """Have torch, and attention backends, take the forms whose result is always the same.

    It must be called before anything is computed on a GPU. An operation that has no such form raises `RuntimeError`.
    """
    os.environ.setdefault(WORKSPACE, ":4096:8")
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
