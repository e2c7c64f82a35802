"""How fast an encoder reads: both ways encode the same, and the result says what was measured on what."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from common.errors import UserError
from common.files import write_json
from evaluation.speed import document_lengths, measure, packed, padded, reach
from model.export import load_encoder, transformers_config
from model.modernbert import ModernBert, Shape

SHAPE = Shape(
    padded_vocabulary=128, layers=4, hidden=32, heads=2, intermediate=48, local_attention=8, global_rope_theta=10_000
)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    weights = {name: tensor.contiguous() for name, tensor in ModernBert(SHAPE, 1).state_dict().items()}
    save_file(weights, folder / "model.safetensors")
    write_json(folder / "config.json", transformers_config(SHAPE, 64))
    return folder / "config.json"


@pytest.mark.parametrize("lengths", [[7, 7, 7], [30, 1, 12, 5]])
def test_packed_and_padded_encode_the_same(config: Path, lengths: list[int]) -> None:
    from transformers import AutoModel

    own, tokens = np.array(lengths), torch.arange(sum(lengths)) % 100 + 28
    with torch.inference_mode():
        flat = packed(load_encoder(config), own, tokens)()
        rows = padded(AutoModel.from_pretrained(config.parent), own, tokens)()
    there = torch.arange(rows.shape[1]) < torch.tensor(lengths)[:, None]
    torch.testing.assert_close(rows[there], flat, atol=2e-5, rtol=1e-4)


def test_mixed_lengths_spread_over_the_orders_and_the_first_is_the_longest() -> None:
    lengths = document_lengths(1024, "mixed", 200_000, seed=1)
    assert lengths[0] == lengths.max() == 1024
    assert lengths.min() >= 1024 // 16
    assert 200_000 <= lengths.sum() < 201_024
    halves = [(lengths >= 1024 / 2**k).sum() for k in range(1, 5)]
    assert np.allclose(np.diff([0, *halves]) / len(lengths), 0.25, atol=0.06)
    assert document_lengths(100, "same", 1000, seed=1).tolist() == [100] * 10
    assert (document_lengths(1024, "mixed", 200_000, seed=1) == lengths).all()


def test_lengths_beyond_a_model_are_left_out_and_another_kind_of_model_is_measured_padded(tmp_path: Path) -> None:
    from transformers import XLMRobertaConfig, XLMRobertaModel

    shape = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    other = XLMRobertaConfig(vocab_size=99, max_position_embeddings=66, pad_token_id=1, **shape)
    assert reach(other) == 64
    XLMRobertaModel(other).save_pretrained(tmp_path)
    rows = list(measure(str(tmp_path / "config.json"), [64, 65], torch.device("cpu"), 1, tokens=256))
    assert [(row.length, row.lengths, row.way) for row in rows] == [(64, "same", "padded"), (64, "mixed", "padded")]


def test_an_absent_model_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none/config.json does not exist; export the model"):
        next(measure(str(tmp_path / "none" / "config.json"), [16], torch.device("cpu"), 1))


def test_the_command_writes_each_way_with_the_machine(config: Path, tmp_path: Path) -> None:
    output = tmp_path / "speed.json"
    command = [sys.executable, "-m", "evaluation.speed", "--model", config, "--name", "tiny", "--lengths", "16", "64"]
    done = subprocess.run(
        [*map(str, command), "--tokens", "4096", "--output", str(output)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(output.read_text())
    assert result["run"] == "tiny"
    assert result["machine"]["precision"] == "fp32"
    assert result["machine"]["device"]
    rows = {(row["length"], row["lengths"], row["way"]): row for row in result["rows"]}
    assert len(rows) == 8
    for (length, lengths, way), row in rows.items():
        assert row["tokens_per_second"] == pytest.approx(row["tokens"] / row["seconds"])
        assert row["slots"] == (row["tokens"] if way == "packed" else row["documents"] * length)
        assert row["slots"] == row["tokens"] or lengths == "mixed"
    most = rows[64, "mixed", "padded"]
    assert most["memory_bytes"] > 4 * 32 * most["slots"]
    assert "64 tokens, mixed lengths, padded: " in done.stdout
