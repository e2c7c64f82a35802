"""What training tells while it runs: a line of JSON a step, TensorBoard, and a line a person can read.

Sums that need all ranks travel in one float64 vector per step, `Tally`. Only rank 0 writes.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, TextIO

import numpy as np
import torch
import torch.distributed as dist

from common.quantities import amount, clock
from model.loss import Losses
from model.training.data import MicroBatch

_BLOCK_BYTES = 1 << 16
"""Read of a log at once: some two hundred lines."""


class Tally:
    """Sums over one global batch: loss and hits by language, tokens by component, and three questions to all ranks."""

    def __init__(self, languages: int, components: int, device: torch.device) -> None:
        """Begin with zeros; all ranks use the same numbers of languages and components."""
        self._languages = languages
        self._vector = torch.zeros(3 * languages + components + 3, dtype=torch.float64, device=device)
        self._values: list[float] = []

    def add(self, batch: MicroBatch, losses: Losses) -> None:
        """Count the masked positions of a micro-batch."""
        n = self._languages
        ones = torch.ones_like(losses.each)
        for i, values in enumerate((losses.each.detach(), losses.correct, ones)):
            self._vector[i * n : (i + 1) * n].index_add_(0, batch.languages, values.double())

    def share(self, drawn: np.ndarray, stop: bool, checkpoint_due: bool, order: int) -> None:
        """Add up over all ranks.

        Args:
            drawn: int64[components], tokens drawn here.
            stop: whether this rank was asked to stop.
            checkpoint_due: whether it finds that it is time for a checkpoint.
            order: of its gradients, as `Engine.order`.

        Raises:
            RuntimeError: on one rank at least, if gradients did not come in the same order on all. What was reduced
                are then sums of the gradients of different weights.
        """
        self._vector[3 * self._languages : -3] = torch.from_numpy(drawn.astype(np.float64))
        asked = (float(order), float(checkpoint_due), float(stop))
        for place, value in enumerate(asked, start=-3):
            self._vector[place] = value
        dist.all_reduce(self._vector)
        self._values = self._vector.tolist()
        if self._values[-3] != dist.get_world_size() * float(order):
            raise RuntimeError(
                f"rank {dist.get_rank()} computes its gradients in another order than others, so that gradients of "
                "different weights were added up; nothing was trained by them. The last checkpoint is whole. Run again "
                "with TORCHDYNAMO_DISABLE=1 in the environment, which compiles nothing, and tell us."
            )

    @property
    def stop(self) -> bool:
        """Whether any rank was asked to stop."""
        return self._values[-1] > 0

    @property
    def checkpoint_due(self) -> bool:
        """Whether any rank finds that it is time for a checkpoint."""
        return self._values[-2] > 0

    @property
    def drawn(self) -> list[int]:
        """Real tokens by component."""
        return [int(value) for value in self._values[3 * self._languages : -3]]

    def summary(self, languages: list[str]) -> dict[str, Any]:
        """Return loss (nats per masked token), accuracy and masked tokens, overall, and loss by language."""
        n = self._languages
        losses, hits, counts = (self._values[i * n : (i + 1) * n] for i in range(3))
        masked = max(1.0, sum(counts))
        by_language = {name: losses[i] / counts[i] for i, name in enumerate(languages) if counts[i]}
        return {
            "loss": sum(losses) / masked,
            "accuracy": sum(hits) / masked,
            "masked": int(sum(counts)),
            "language_loss": by_language,
        }


class Log:
    """The metrics of one phase, on rank 0.

    A run that goes on from step s drops what an earlier attempt wrote about later steps: each step appears once.
    """

    def __init__(self, folder: Path, step: int) -> None:
        """Continue the log in `folder` after `step`."""
        from torch.utils.tensorboard import SummaryWriter

        path = folder / "metrics.jsonl"
        self.repeated = cut_after(path, step)
        """Steps of an earlier attempt that came after its last checkpoint and are trained again."""
        self._stream: TextIO = path.open("a", encoding="utf-8", buffering=1)
        self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1)

    def write(self, metrics: Mapping[str, Any]) -> None:
        """Append one step. Numbers that are not finite, which JSON does not know, are null."""
        self._stream.write(json.dumps(_finite(metrics), allow_nan=False) + "\n")
        step = metrics["step"]
        for name, value in metrics.items():
            if isinstance(value, float):
                self._board.add_scalar(name, value, step)
        for prefix, measured in (("", metrics), ("validation/", metrics.get("validation", {"language_loss": {}}))):
            for language, loss in measured["language_loss"].items():
                self._board.add_scalar(f"{prefix}language_loss/{language}", loss, step)
        for name in ("loss", "accuracy") if "validation" in metrics else ():
            self._board.add_scalar(f"validation/{name}", metrics["validation"][name], step)

    def close(self) -> None:
        """Flush everything to disk."""
        self._stream.close()
        self._board.close()


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _finite(one) for name, one in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def cut_after(path: Path, step: int) -> int:
    """Cut a log after its last line of a step up to `step`; return how many steps are cut off.

    It is read from its end, no further than that line. What a kill or a full disk left at the end, a line cut short or
    one that is no JSON, goes with the rest and counts as no step. A log that is not there has nothing to cut.
    """
    if not path.exists():
        return 0
    cut = kept_bytes = 0
    with path.open("rb+") as stream:
        for end, line in _backwards(stream):
            found = _step_of(line)
            if found is not None and found <= step:
                kept_bytes = end
                break
            cut += found is not None
        stream.truncate(kept_bytes)
    return cut


def _step_of(line: bytes) -> int | None:
    """Return the step that a line tells of, None if it is damaged."""
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return None


def _backwards(stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Yield each whole line of a file, from the last to the first, and where it ends."""
    begin, read = stream.seek(0, os.SEEK_END), b""  # what lies from `begin` up to the line that was yielded last
    while begin or read:
        before = read.rfind(b"\n", 0, -1) + 1
        if not before and begin:  # the line may begin further back
            size = min(_BLOCK_BYTES, begin)
            begin = stream.seek(begin - size)
            read = stream.read(size) + read
            continue
        if read.endswith(b"\n"):
            yield begin + len(read), read[before:]
        read = read[:before]


class Progress:
    """A line now and then: where a phase stands and when it will be done."""

    def __init__(self, name: str, total: int, done: int, every: float = 5.0) -> None:
        """Count slots of `total`, `done` of them before this start; print at most once in `every` seconds."""
        self._name, self._total, self._start, self._every = name, total, done, every
        self._began = self._last = time.monotonic()

    def show(self, done: int, loss: float, tokens_per_second: float, last: bool) -> None:
        """Print the line if it is time."""
        now = time.monotonic()
        if not last and now - self._last < self._every:
            return
        self._last = now
        pace = (done - self._start) / (now - self._began)
        left = (self._total - done) / pace
        print(
            f"{self._name}  {100 * done / self._total:5.1f} %  {amount(done)} of {amount(self._total)} slots  "
            f"loss {loss:.3f}  {amount(tokens_per_second)} tokens/s  {clock(left)} left",
            flush=True,
        )


def memory_bytes(device: torch.device) -> int:
    """Return the largest amount of memory this rank has held: the device's, or the process's where there is none."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
