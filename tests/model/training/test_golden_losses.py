"""Training computes what it computed when the golden losses were written, by each optimizer."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.model.training.golden_losses import RATES
from tests.model.training.small_phases import ROOT

KIND = "cuda" if torch.cuda.is_available() else "cpu"
GOLDEN = Path(__file__).with_name("golden") / f"{KIND}.json"
TOLERANCE = {"cpu": 1e-4}
"""Relative, by kind of device; processors differ in the order of sums."""


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    output = tmp_path_factory.mktemp("golden") / "losses.json"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tests.model.training.golden_losses", output]
    subprocess.run(command, cwd=ROOT, env=os.environ | {"MASTER_PORT": str(port)}, check=True)
    return json.loads(output.read_text())


@pytest.mark.skipif(not GOLDEN.exists(), reason=f"no golden losses have been written on {KIND}")
@pytest.mark.parametrize("name", RATES)
def test_losses_are_those_of_the_golden_file(found, name):
    golden = json.loads(GOLDEN.read_text())[name]
    assert found[name] == pytest.approx(golden, rel=TOLERANCE[KIND])
    assert golden[-1] < golden[0] - 0.3
