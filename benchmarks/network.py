"""What reducing gradients and gathering weights costs on a cluster, reckoned from published bandwidths.

LUMI-G, by its documentation (docs.lumi-supercomputer.eu, "GPU nodes" and "Network"): 8 GCDs a node; four network
interfaces of 200 Gbit/s, 25 GB/s each way; Infinity Fabric between the two GCDs of a package of 200 GB/s each way, and
links of 50 GB/s each way between packages. Assumed, and not measured by anyone here:

- of W devices each passes on (W - 1) / W of the bytes to gather them, and twice as many to add them up, and what
  enters a node goes through all four of its interfaces;
- half of the published bandwidth is reached, and inside a node two links of 50 GB/s are used at once;
- a round takes 10 microseconds besides: W - 1 of a ring to gather, twice log2 W of a tree to add up, for each bucket;
- what is computed is no slower for what is sent beside it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Network:
    """Devices in nodes, and what connects them."""

    devices_per_node: int
    inside_bytes_per_second: float
    """Each way, that a ring through the devices of a node reaches."""
    node_bytes_per_second: float
    """Each way, of all network interfaces of a node."""
    reached: float
    """Share of these bandwidths that collectives reach."""
    round_seconds: float
    """Latency of each round of a ring."""

    def reducing_seconds(self, payload_bytes: float, devices: int) -> float:
        """Return how long it takes to add up so many bytes over all devices, so that each has the sum."""
        return self._seconds(2 * passed_on(payload_bytes, devices), 2 * math.ceil(math.log2(devices)), devices)

    def gathering_seconds(self, payload_bytes: float, devices: int) -> float:
        """Return how long it takes until each device has so many bytes, of which each owned a part."""
        return self._seconds(passed_on(payload_bytes, devices), devices - 1, devices)

    def _seconds(self, passed: float, rounds: int, devices: int) -> float:
        bandwidth = self.inside_bytes_per_second
        if devices > self.devices_per_node:
            bandwidth = min(bandwidth, self.node_bytes_per_second)
        return passed / (self.reached * bandwidth) + rounds * self.round_seconds


LUMI = Network(
    devices_per_node=8,
    inside_bytes_per_second=2 * 50e9,
    node_bytes_per_second=4 * 25e9,
    reached=0.5,
    round_seconds=10e-6,
)


def passed_on(payload_bytes: float, devices: int) -> float:
    """Return how many bytes each device passes on to gather so many; to add them up it passes on twice as many.

    Patarasuk and Yuan 2009, "Bandwidth optimal all-reduce algorithms for clusters of workstations".
    """
    return payload_bytes * (devices - 1) / devices


@dataclass(frozen=True)
class Step:
    """An optimizer step on many devices, in seconds."""

    compute: float
    """Forward and backward."""
    reducing: float
    """Gradients, in fp32, to all devices."""
    gathering: float
    """Weights, in fp32, from their owners."""
    hidden: float
    """Of reducing, what goes on beside the backward pass of the last micro-batch, two thirds of its time, if all of it
    is used."""

    @property
    def share(self) -> float:
        """Of the step in which nothing is computed."""
        exposed = self.reducing - self.hidden + self.gathering
        return exposed / (self.compute + exposed)

    @property
    def seconds(self) -> float:
        """All of it."""
        return self.compute + self.reducing - self.hidden + self.gathering


def step_on(
    network: Network,
    devices: int,
    parameters: int,
    bucket: int,
    tokens: tuple[int, int],
    tokens_per_second: float,
) -> Step:
    """Return what a step takes.

    Args:
        network: between the devices.
        devices: how many.
        parameters: of the model.
        bucket: gradients that are reduced at once.
        tokens: of a step, over all devices, and of a micro-batch on one.
        tokens_per_second: that a device computes.
    """
    batch, micro_batch = tokens
    full, rest = divmod(parameters, bucket)
    sizes = [*[bucket] * full, *([rest] if rest else [])]
    reducing = sum(network.reducing_seconds(4.0 * size, devices) for size in sizes)
    last_backward = 2 / 3 * min(micro_batch, batch / devices) / tokens_per_second
    return Step(
        compute=batch / devices / tokens_per_second,
        reducing=reducing,
        gathering=network.gathering_seconds(4.0 * parameters, devices),
        hidden=min(reducing, last_backward),
    )
