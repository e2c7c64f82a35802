"""What collectives are given is counted, and what is reckoned for LUMI is a table of what it should be."""

import torch
import torch.distributed as dist

from benchmarks import scaling
from benchmarks.scaling import Counter, largest_bytes, parameters, reckoned
from benchmarks.training import recipe_shape


def test_bytes_are_those_of_the_larger_tensor_or_list():
    small, large = torch.zeros(3), torch.zeros(12)
    assert largest_bytes((large, small)) == 48
    assert largest_bytes(([small] * 8, small, "sum")) == 96
    assert largest_bytes((None, 1)) == 0


def test_a_collective_is_counted_and_waited_for(monkeypatch):
    waited = []

    class Work:
        def wait(self):
            waited.append(True)

    for name in (*scaling.REDUCING, *scaling.GATHERING):
        monkeypatch.setattr(dist, name, lambda *_, **__: Work())
    monkeypatch.setattr(dist, "barrier", lambda: None)
    monkeypatch.setattr(dist, "get_world_size", lambda: 4)
    counter = Counter()
    dist.all_reduce(torch.zeros(100), async_op=True)
    dist.all_gather_into_tensor(torch.zeros(100), torch.zeros(25))
    assert dict(counter.bytes) == {"reducing": 400, "gathering": 400}
    assert dict(counter.passed) == {"reducing": 600, "gathering": 300}
    assert len(waited) == 2


def test_models_are_as_large_as_published():
    assert [round(parameters(recipe_shape(name)) / 1e6) for name in ("tiny", "base", "large")] == [52, 143, 401]


def test_more_gcds_spend_more_of_a_step_on_communication():
    table = reckoned()
    assert [row[:2] for row in table] == [[name, gcds] for name in ("tiny", "base", "large") for gcds in ("64", "512")]
    shares = [float(row[4].removesuffix(" %")) for row in table]
    assert all(few < many for few, many in zip(shares[::2], shares[1::2], strict=True))
