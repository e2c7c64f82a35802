"""How many rows are computed at once where a profile leaves that open."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from model.modernbert import ModernBert, Shape
from model.training import fitting
from tests.model.training.small_phases import finish, metrics, same, weights

SHAPE = Shape(
    layers=2, hidden=32, heads=2, intermediate=48, local_attention=16, padded_vocabulary=64, global_rope_theta=1e4
)
CPU = torch.device("cpu")
MIB = 1 << 20
ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("limit", [0, 1, 2, 3, 4, 7, 8, 31, 32, 33, 100, 10**6])
@pytest.mark.parametrize("most", [1, 2, 3, 5, 8, 100])
def test_the_largest_number_that_fits_is_found_by_trying_few(limit, most):
    tried = []

    def fits(rows):
        tried.append(rows)
        return rows <= limit

    assert fitting.largest(fits, most) == max(1, min(limit, most))
    assert all(1 < rows <= most for rows in tried)
    assert len(tried) <= 2 * most.bit_length()


def test_on_a_gpu_rows_are_fitted_into_nine_tenths_of_its_memory(monkeypatch):
    fractions = []
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", lambda share, device: fractions.append(share))
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)

    def attempt(rows):
        assert fractions == [0.9]
        if rows > 11:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    assert fitting._on_gpu(attempt, 100, torch.device("cuda", 0)) == 11
    assert fractions == [0.9, 1.0]


def test_an_error_of_another_kind_is_no_lack_of_memory(monkeypatch):
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", lambda share, device: None)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)

    def attempt(rows):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="shapes"):
        fitting._on_gpu(attempt, 100, torch.device("cuda", 0))


@pytest.mark.parametrize(("room", "rows"), [(0, 1), (100 * MIB, 2), (149 * MIB, 2), (500 * MIB, 10), (9999 * MIB, 64)])
def test_on_processors_what_a_second_row_adds_says_how_many_have_room(monkeypatch, room, rows):
    monkeypatch.setattr(fitting, "_peak_bytes", lambda attempt, rows: (300 + 50 * rows) * MIB)
    assert fitting._on_host(lambda rows: None, 64, room) == rows


def test_the_memory_that_rows_take_is_measured():
    # In a process of its own: here other threads, and what the allocator keeps of other tests, come and go meanwhile.
    program = """
import torch
from model.training.fitting import _peak_bytes
print([_peak_bytes(lambda rows: torch.ones(rows * 2**25).sum(), rows) >> 20 for rows in (1, 1, 3)])
"""
    ran = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    _, one, three = json.loads(ran.stdout)
    assert 224 < three - one < 288  # MiB: two more rows of 128


def write(root, files):
    for name, text in {"proc/meminfo": "MemTotal: 9 kB\nMemAvailable:    4096 kB\n", **files}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


V1 = {
    "proc/self/cgroup": "4:cpu,memory:/some/job\n3:cpu:/\n",
    "sys/fs/cgroup/memory/some/memory.limit_in_bytes": "9223372036854771712\n",
    "sys/fs/cgroup/memory/some/memory.usage_in_bytes": "7\n",
    "sys/fs/cgroup/memory/some/memory.stat": "total_inactive_file 0\n",
    "sys/fs/cgroup/memory/some/job/memory.limit_in_bytes": "3000000\n",
    "sys/fs/cgroup/memory/some/job/memory.usage_in_bytes": "1000000\n",
    "sys/fs/cgroup/memory/some/job/memory.stat": "cache 5\ntotal_inactive_file 400000\n",
}
V2 = {
    "proc/self/cgroup": "0::/slurm/job\n",
    "sys/fs/cgroup/slurm/memory.max": "1500000\n",
    "sys/fs/cgroup/slurm/memory.current": "1000000\n",
    "sys/fs/cgroup/slurm/memory.stat": "anon 3\ninactive_file 250000\n",
    "sys/fs/cgroup/slurm/job/memory.max": "max\n",
}
NONE = {"proc/self/cgroup": "0::/\n"}


@pytest.mark.parametrize(("files", "left"), [(V1, 2_400_000), (V2, 750_000), (NONE, 4096 * 1024)])
def test_memory_that_is_left_is_that_of_the_narrowest_cgroup_or_of_the_machine(tmp_path, files, left):
    write(tmp_path, files)
    assert fitting.memory_left(tmp_path) == left


def test_the_memory_of_this_machine_can_be_read():
    assert fitting.memory_left() > MIB


@pytest.mark.parametrize("length", [64, 8192])
def test_trying_leaves_weights_and_gradients_as_they_are_and_takes_no_more_rows_than_are_useful(monkeypatch, length):
    monkeypatch.setattr(fitting.dist, "all_reduce", lambda tensor, operation: None)
    model = ModernBert(SHAPE, 0)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    rows = fitting.fitted_rows(model, length, 0.3, 50, CPU)
    assert rows == min(50, 8192 // length)
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(torch.equal(parameter, before[name]) for name, parameter in model.named_parameters())


def test_a_phase_that_finds_its_micro_batches_trains_as_one_that_was_told_them(data, whole):
    folder = data / "runs" / "fitted"
    output = finish(data, folder, every=900.0, micro="auto")
    assert "micro-batches of 8 rows of 32 slots, where a rank has 8 of a batch" in output
    assert "micro-batches of 6 rows of 48 slots, where a rank has 6 of a batch" in output
    assert [line["loss"] for line in metrics(folder)] == pytest.approx(
        [line["loss"] for line in metrics(whole)], rel=1e-4
    )
    assert same(weights(folder), weights(whole), tolerance=1e-3)
