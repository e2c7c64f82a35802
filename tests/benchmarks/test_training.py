"""What is timed beside each other computes the same, and what measures a GPU runs, all but the GPU."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.batches import masked_batches
from benchmarks.measure import PackedRow
from benchmarks.training import recipe_shape
from benchmarks.training_on_device import anew
from benchmarks.transformers_steps import packed, padded, with_weights_of
from corpus.tokens.special import CLS, SEP
from model.modernbert import ModernBert

ROOT = Path(__file__).parents[2]
CPU = torch.device("cpu")


def rows(*lengths: list[int]) -> list[PackedRow]:
    return anew([PackedRow(np.zeros(sum(each), dtype=np.int64), each) for each in lengths], 384)


def test_rows_of_other_tokens_have_the_same_pieces():
    [row] = rows([3, 5, 4])
    assert np.flatnonzero(row.tokens == CLS).tolist() == [0, 3, 8]
    assert np.flatnonzero(row.tokens == SEP).tolist() == [2, 7, 11]


def test_a_document_costs_the_same_packed_and_padded(small_encoder: ModernBert) -> None:
    theirs = with_weights_of(small_encoder, CPU)
    [batch] = masked_batches(rows([20], [31]), 2, 384)
    expected = packed(theirs, batch, 32, small_encoder.shape.local_attention // 2, CPU)()
    torch.testing.assert_close(padded(theirs, batch, 32, CPU)(), expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(padded(theirs, batch, 48, CPU)(), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("name", "vocabulary"), [("tiny", 27_264), ("base", 42_240), ("large", 55_616)])
def test_shapes_are_those_of_the_recipe(name, vocabulary):
    assert recipe_shape(name).padded_vocabulary == vocabulary
    assert recipe_shape(name, 8192).padded_vocabulary == 8192


DEVICE = """
import argparse, sys
from pathlib import Path
from benchmarks.training_on_device import measure_device
from model.modernbert import Shape

shape = Shape(layers=3, hidden=32, heads=2, intermediate=48, padded_vocabulary=384, global_rope_theta=10_000.0)
arguments = argparse.Namespace(device="cpu", data=Path(sys.argv[1]), slots=256, rounds=1, deterministic=True)
measure_device(arguments, {"small": shape}, [64], 320)
"""


def test_what_measures_a_gpu_prints_its_tables(tmp_path: Path) -> None:
    words = "the anvil is old and the hammer is new " * 4
    texts = [words[: 20 + 13 * number] for number in range(60)]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    ran = subprocess.run(
        [sys.executable, "-c", DEVICE, tmp_path], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    lines = [line.split(" | ") for line in ran.stdout.splitlines() if line.startswith("| small")]
    speeds, times = lines
    assert speeds[0] == times[0] == "| small, 64"
    assert speeds[3] == "-", "nobody knows the peak of this CPU"
    shares = [float(cell.strip(" |")) for cell in times[1:]]
    assert sum(shares) == pytest.approx(100, abs=0.5)
    assert min(shares) >= 0
    assert "its peak is not known here, so that there is no MFU" in ran.stdout
