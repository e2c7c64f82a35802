"""The trainer's command line."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from common.errors import UserError
from model.history.options import add_options

PLACE = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
"""Environment variables that tell a process its place among the ranks."""


def read_options() -> argparse.Namespace:
    """Return what the command line says.

    Raises:
        UserError: a value is out of range, or the environment does not say which rank this is.
    """
    parser = argparse.ArgumentParser(
        prog="python -m model.training.trainer",
        description="Train one phase. Each rank is a process with RANK, LOCAL_RANK, WORLD_SIZE, MASTER_ADDR and "
        "MASTER_PORT in its environment; slurm.launch sets them. Run again, it continues from the newest whole "
        "checkpoint. At SIGTERM it finishes the step, writes a checkpoint and exits with status 75.",
    )
    add_options(parser)
    parser.add_argument(
        "--validation", type=Path, help="JSON slice: what is measured while training (default: nothing)"
    )
    parser.add_argument("--validation-rows", type=Path, help="rows.json of the held-out rows that are measured")
    parser.add_argument("--keeping", type=Path, help="JSON slice: which checkpoints are kept (default: few)")
    parser.add_argument(
        "--micro-batch-slots",
        type=_slots,
        default=8192,
        help="slots computed at once on a rank, as memory allows, or auto: as many as fit, found by trying; does not "
        "change the batch (default: 8192)",
    )
    parser.add_argument(
        "--activation-checkpointing",
        type=int,
        choices=(0, 1),
        default=0,
        help="1: compute each layer again for its gradients: less memory, a third more time, the same result "
        "(default: 0)",
    )
    parser.add_argument(
        "--deterministic",
        type=int,
        choices=(0, 1),
        default=0,
        help="1: on a GPU, take slower kernels that always give the same bits, as a CPU does (default: 0)",
    )
    parser.add_argument(
        "--checkpoint-seconds", type=float, default=900.0, help="seconds between checkpoints (default: 900)"
    )
    arguments = parser.parse_args()
    if arguments.micro_batch_slots is not None and arguments.micro_batch_slots < 1:
        raise UserError(f"--micro-batch-slots is {arguments.micro_batch_slots}; give at least 1, or auto.")
    if absent := [name for name in PLACE if name not in os.environ]:
        raise UserError(
            f"the environment has no {', '.join(absent)}, which say which rank this is; put `python -m slurm.launch "
            f"--folder {arguments.folder} --done {arguments.folder / 'checkpoint.json'} --` before this command."
        )
    return arguments


def _slots(text: str) -> int | None:
    """Return the slots that an option says, None for `auto`."""
    if text == "auto":
        return None
    if not text.lstrip("-").isdecimal():
        raise argparse.ArgumentTypeError(f"needs a number of slots or auto, but is {text}")
    return int(text)
