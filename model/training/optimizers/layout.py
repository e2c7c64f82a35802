"""Where the tensors of a group lie in the flat partitions that ZeRO cuts it into.

A group is its tensors one after another, flattened, and padded at the end so that all ranks' partitions are of one
size. A tensor may lie in the partitions of several ranks.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

import torch
import torch.distributed as dist


class Run(NamedTuple):
    """The part of a tensor that lies in a partition."""

    tensor: int
    """Number of the tensor in its group."""
    first: int
    """Element of the flattened tensor that the part begins with."""
    begin: int
    """Element of the partition that it begins at."""
    length: int

    def of(self, partition: torch.Tensor) -> torch.Tensor:
        """Return the part of a partition, of the weights or of a moment, as a view."""
        return partition.narrow(0, self.begin, self.length)


def runs(sizes: Sequence[int], partition: int, rank: int) -> list[Run]:
    """Return what lies in the partition of a rank, in order.

    Args:
        sizes: elements of each tensor of the group.
        partition: elements of each partition.
        rank: whose partition.
    """
    found = []
    low, high = rank * partition, (rank + 1) * partition
    for number, (end, size) in enumerate(zip(accumulate(sizes), sizes, strict=True)):
        begin = end - size
        if begin < high and end > low:
            first = max(low - begin, 0)
            found.append(Run(number, first, begin + first - low, min(end, high) - begin - first))
    return found


class Exchange:
    """What ranks give each other so that each has the whole of every tensor of which it has a part."""

    def __init__(self, sizes: Sequence[int], partition: int, rank: int, world_size: int) -> None:
        """Plan it for a group whose tensors have `sizes`, and whose partitions are of `partition` elements."""
        held = [runs(sizes, partition, other) for other in range(world_size)]
        self.sizes = sizes
        self.mine = held[rank]
        here = {run.tensor: run for run in self.mine}
        held[rank] = []  # nothing of its own comes from another
        self._received = [[run for run in theirs if run.tensor in here] for theirs in held]
        self._sent = [[here[run.tensor] for run in shared] for shared in self._received]
        self._alone = world_size == 1

    def whole(self, partition: torch.Tensor) -> dict[int, torch.Tensor]:
        """Return the tensors of which this rank has a part, whole and flat, by number. All ranks call this together."""
        found = {run.tensor: partition.new_empty(self.sizes[run.tensor]) for run in self.mine}
        for run in self.mine:
            found[run.tensor].narrow(0, run.first, run.length).copy_(run.of(partition))
        if self._alone:
            return found
        sent = [run.of(partition) for shared in self._sent for run in shared]
        received = [run for shared in self._received for run in shared]
        incoming, outgoing = (
            [sum(run.length for run in shared) for shared in side] for side in (self._received, self._sent)
        )
        target = partition.new_empty(sum(incoming))
        dist.all_to_all_single(target, torch.cat([*sent, partition.new_empty(0)]), incoming, outgoing)
        for run, part in zip(received, torch.split_with_sizes(target, [run.length for run in received]), strict=True):
            found[run.tensor].narrow(0, run.first, run.length).copy_(part)
        return found
