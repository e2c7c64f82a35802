"""How many ranks a phase has on this machine, where nobody says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_GPU_FILES = ("nvidia[0-9]*", "kfd")
"""Below /dev, where there may be GPUs: of NVIDIA, of AMD."""
_COUNT = "import torch; print(torch.cuda.device_count())"


def local_ranks() -> int:
    """Return one for each GPU that torch sees here; without GPUs two, which share the cores, or one on one core."""
    return _gpus() or min(2, len(os.sched_getaffinity(0)))


def _gpus() -> int:
    """Ask torch, in a process of its own: to import it takes seconds, and launch lives as long as a phase."""
    if not any(path for name in _GPU_FILES for path in Path("/dev").glob(name)):
        return 0
    done = subprocess.run([sys.executable, "-c", _COUNT], capture_output=True, text=True, check=False)
    return int(done.stdout) if done.returncode == 0 else 0
