"""How many ranks a phase has on this machine, where nobody says."""

import os
import subprocess

import pytest

from slurm.node import local_ranks


@pytest.mark.parametrize(("cores", "ranks"), [({0}, 1), ({0, 1}, 2), (set(range(64)), 2)])
def test_without_gpus_two_ranks_share_the_cores_and_one_core_has_one(monkeypatch, cores, ranks):
    monkeypatch.setattr(local_ranks, "_GPU_FILES", ())
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: cores)
    assert local_ranks.local_ranks() == ranks


@pytest.mark.parametrize(("said", "status", "ranks"), [("4\n", 0, 4), ("0\n", 0, 2), ("", 1, 2)])
def test_a_rank_for_each_gpu_that_torch_sees(monkeypatch, said, status, ranks):
    monkeypatch.setattr(local_ranks, "_GPU_FILES", ("null",))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], status, said))
    assert local_ranks.local_ranks() == ranks
