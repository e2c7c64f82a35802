"""Too little memory: it is told from other errors, and a person reads what to lower."""

import errno
import os
import subprocess
from dataclasses import replace

import numpy as np
import pytest
import torch

from model.training.memory import MicroBatches, too_little_memory, what_to_lower
from tests.model.training.small_phases import ROOT, command

ROWS = MicroBatches(4096, 1024, "phases.stable.stages[1]")
ONE_ROW = MicroBatches(512, 1024, "phases.stable.stages[1]")
OF_TORCH = RuntimeError(
    "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate "
    "4294967296 bytes. Error code 12 (Cannot allocate memory)"
)
OF_GPU = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has a total capacity of 64 GiB.")


@pytest.fixture(autouse=True)
def one_rank(monkeypatch):
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)


def of(make):
    """The error that a real request raises which no machine grants."""
    with pytest.raises((RuntimeError, MemoryError, ValueError)) as caught:
        make()
    return caught.value


@pytest.mark.parametrize("make", [lambda: torch.empty(2**55), lambda: np.empty(2**58), lambda: bytearray(2**60)])
def test_what_no_machine_grants_is_too_little_memory(make):
    error = of(make)
    assert too_little_memory(error)
    assert what_to_lower(error, ROWS, on_gpu=False).startswith("this machine has too little memory")


@pytest.mark.parametrize(
    "error",
    [
        OF_TORCH,
        OF_GPU,
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("std::bad_alloc"),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
    ],
)
def test_libraries_tell_it_in_words_of_their_own(error):
    assert too_little_memory(error)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("mat1 and mat2 shapes cannot be multiplied"),
        OSError(errno.ENOSPC, "No space left on device"),
        ValueError("out of memory"),
        RuntimeError("Connection closed by peer"),
    ],
)
def test_other_errors_keep_their_traceback(error):
    assert not too_little_memory(error)


def test_where_several_rows_are_trained_at_once_fewer_are_advised_with_the_present_value():
    told = what_to_lower(OF_TORCH, ROWS, on_gpu=False)
    assert "too little memory (4 GiB more were asked for) to train 4 rows of 1024 slots at once" in told
    assert "lower micro_batch_slots in the profile (now 4096), which changes no result" in told


def test_rows_that_were_found_to_fit_and_do_not_are_told_as_found():
    told = what_to_lower(OF_TORCH, replace(ROWS, automatic=True), on_gpu=False)
    assert "lower micro_batch_slots in the profile (now auto, which is 4096), which changes no result" in told


@pytest.mark.parametrize(("asked", "told"), [(33_554_432, "(32 MiB more"), (1 << 30, "(1 GiB more")])
def test_what_was_asked_for_is_told_in_a_unit_that_suits(asked, told):
    error = RuntimeError(f"DefaultCPUAllocator: can't allocate memory: you tried to allocate {asked} bytes.")
    assert told in what_to_lower(error, ROWS, on_gpu=False)


def test_where_one_row_is_too_much_the_recipe_s_length_is_named():
    told = what_to_lower(OF_GPU, ONE_ROW, on_gpu=True)
    assert "this GPU has too little memory (2.50 GiB more were asked for) to train 1 row of 1024 slots" in told
    assert "micro_batch_slots in the profile (now 512) cannot make it less than one row" in told
    assert "lower phases.stable.stages[1].length in the recipe (now 1024)" in told
    assert "set activation_checkpointing to 1 in the profile" in told
    assert "activation_checkpointing" not in what_to_lower(OF_GPU, replace(ONE_ROW, recomputed=True), on_gpu=True)


def test_before_the_first_step_no_micro_batch_is_blamed_but_the_model():
    told = what_to_lower(OF_GPU, None, on_gpu=True)
    assert "for weights, gradients and moments, before the first step" in told
    assert "layers, hidden, intermediate, the tokenizer's vocabulary" in told
    assert "micro_batch_slots" not in told


def test_ranks_that_share_a_machine_may_be_fewer(monkeypatch):
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    assert "fewer ranks (processes_per_node in the profile, now 2)" in what_to_lower(OF_TORCH, ROWS, on_gpu=False)
    assert "processes_per_node" not in what_to_lower(OF_GPU, ROWS, on_gpu=True)


def test_the_machine_s_own_memory_is_not_saved_by_micro_batches_that_lie_on_a_gpu():
    told = what_to_lower(MemoryError(), ROWS, on_gpu=True)
    assert told.startswith("this machine has too little memory; give it more memory (memory_gib in the profile")


@pytest.mark.parametrize(
    ("where", "told"),
    [
        ("_step", "to train 3 rows of 32 slots at once: lower micro_batch_slots in the profile (now 96)"),
        ("_open_streams", "for weights, gradients and moments, before the first step"),
    ],
)
def test_a_phase_with_too_little_memory_ends_with_what_to_lower_and_no_traceback(data, where, told):
    program = "import os, torch, model.training.trainer as trainer; from common.errors import run_command; "
    program += f"trainer.Phase.{where} = lambda *_: torch.empty(2**55); "
    program += "run_command(trainer.main, lasting_status=os.EX_DATAERR)"
    wanted = command(data, data / "runs" / where, ranks=1)
    place = wanted.index("model.training.trainer")
    wanted[place - 1 : place + 1] = ["-c", program]
    done = subprocess.run(wanted, cwd=ROOT, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert done.returncode == 1
    assert "ran out of memory" in done.stderr
    assert told in done.stderr
    assert "Traceback" not in done.stderr
