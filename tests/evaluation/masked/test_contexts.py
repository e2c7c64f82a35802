"""The same masked tokens with more context and less, for every checkpoint that was kept at the end of a stage."""

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.files import sha256_of, write_json
from corpus.tokens.special import CLS, SEP
from evaluation.masked.contexts import in_pieces, long_documents
from model.held_out import HeldOutRow
from model.history.position import Position
from model.history.store import FORMAT, write_pointer
from model.masking import MaskedRow, mask_row
from model.modernbert import ModernBert, Shape
from model.training.engine import fresh_tensors
from recipe.slices.types import EvaluationSlice, PhaseSlice
from tests.model.whole_checkpoints import write_checkpoint
from tests.rows import index_rows, write_shards

ROOT = Path(__file__).parents[3]
SHAPE = {"layers": 2, "hidden": 32, "heads": 2, "intermediate": 48, "local_attention": 8}


def document(size: int, seed: int) -> HeldOutRow:
    """Return a masked document of `size` tokens."""
    ids = np.random.default_rng(seed).integers(5, 320, size - 2)
    tokens = np.concatenate(([CLS], ids, [SEP])).astype(np.uint16)
    return HeldOutRow("alpha", mask_row(tokens, seed, b"k" * 16, 0.3, 320), np.array([size]))


@given(size=st.integers(3, 200), seed=st.integers(0, 9), context=st.integers(3, 90))
def test_pieces_hold_the_document_and_its_masked_tokens(size: int, seed: int, context: int) -> None:
    whole = document(size, seed)
    cut = in_pieces(whole, context)
    assert cut.lengths.sum() == len(cut.masked.inputs)
    assert cut.lengths.max() <= context
    ends = np.cumsum(cut.lengths)
    assert set(cut.masked.inputs[ends - 1].tolist()) == {SEP}
    assert set(cut.masked.inputs[ends - cut.lengths].tolist()) == {CLS}
    inside = np.ones(len(cut.masked.inputs), dtype=bool)
    inside[ends - 1] = inside[ends - cut.lengths] = False
    np.testing.assert_array_equal(cut.masked.inputs[inside], whole.masked.inputs[1:-1])
    np.testing.assert_array_equal(cut.masked.labels, whole.masked.labels)
    hidden = np.zeros(len(inside), dtype=bool)
    hidden[cut.masked.positions] = True
    np.testing.assert_array_equal(np.flatnonzero(hidden[inside]), whole.masked.positions - 1)


def test_a_document_that_fits_stays_as_it_is() -> None:
    whole = document(40, 1)
    cut = in_pieces(whole, 40)
    np.testing.assert_array_equal(cut.masked.inputs, whole.masked.inputs)
    np.testing.assert_array_equal(cut.masked.positions, whole.masked.positions)


def test_long_documents_are_taken_out_of_packed_rows_with_their_masks() -> None:
    parts = [document(20, 1), document(41, 2), document(60, 3)]
    inputs = np.concatenate([part.masked.inputs for part in parts])
    starts = (0, 20, 61)
    positions = np.concatenate([part.masked.positions + start for part, start in zip(parts, starts, strict=True)])
    labels = np.concatenate([part.masked.labels for part in parts])
    row = HeldOutRow("alpha", MaskedRow(inputs, positions, labels), np.array([20, 41, 60]))
    found = long_documents([row, row], 3, 40)
    assert [int(one.lengths[0]) for one in found] == [41, 60, 41]
    for one, part in zip(found, [parts[1], parts[2], parts[1]], strict=True):
        for name in ("inputs", "positions", "labels"):
            np.testing.assert_array_equal(getattr(one.masked, name), getattr(part.masked, name))


@pytest.fixture
def phase(tmp_path: Path, tokenizer_manifest: Path) -> dict[str, Path]:
    """A phase of two stages, whose checkpoints are kept, one within a stage beside them, and held-out rows."""
    fingerprint = sha256_of(tokenizer_manifest.with_name("tokenizer.json"))
    generator = np.random.default_rng(1)
    documents = [generator.integers(5, 320, size).tolist() for size in (60, 20, 55, 62)]
    splits = {"train": documents, "validation": documents}
    shards = write_shards(tmp_path, "alpha", "fi", splits, padded_vocabulary=384, fingerprint=fingerprint)
    index_rows(tmp_path, [("alpha", "validation", "64")], tmp_path / "rows.json")
    stage = {"length": 16, "tokens": 160, "batch": {"tokens": 16}, "learning_rate": {"peak": 1e-3}, "components": []}
    stages = [stage | {"rope_theta": 1e4, "masking_rate": 0.3}, stage | {"rope_theta": 1e6, "masking_rate": 0.3}]
    stages[1]["length"] = 64
    content = {"run": "small", "phase": "one", "seed": 1, "model": SHAPE, "tokenizer": "t", "optimizer": {}}
    slices = {"phase": PhaseSlice.model_validate(content | {"stages": stages})}
    slices["slice"] = EvaluationSlice.model_validate(
        {"run": "small", "seed": 1, "model": SHAPE, "tokenizer": "t", "lengths": [16, 64], "rows": 9}
        | {
            "masking_rate": 0.3,
            "context_documents": 3,
            "pseudo_perplexity_tokens": 40,
            "rope_theta": 1e6,
            "languages": {"fi": ["alpha"]},
        }
        | {"sources": {"alpha": "fi"}, "prompts": {}, "components": [], "lineage": [["small", "one"]]}
    )
    paths = {name: tmp_path / f"{name}.json" for name in slices}
    for name, one in slices.items():
        paths[name].write_text(one.model_dump_json())
    for step, number, end in ((10, 0, True), (15, 1, False), (20, 1, True)):
        directory = tmp_path / "run" / "checkpoints" / f"step-{step:08}"
        encoder = ModernBert(Shape(padded_vocabulary=384, global_rope_theta=1e4, **SHAPE), seed=step)
        position = Position(step=step, slots=16 * step, stage=number, stage_end=end)
        write_checkpoint(directory, fresh_tensors(encoder), {"format": FORMAT, "position": asdict(position)}, ranks=2)
    write_pointer(tmp_path / "run" / "checkpoint.json", directory, {})
    return paths | {
        "shards": shards,
        "checkpoint": tmp_path / "run" / "checkpoint.json",
        "rows": tmp_path / "rows.json",
    }


def test_every_kept_checkpoint_is_measured_at_every_context_on_the_same_tokens(
    phase: dict[str, Path], tokenizer_manifest: Path, tmp_path: Path
) -> None:
    options = [part for name, path in phase.items() for part in (f"--{name}", path)]
    command = [sys.executable, "-m", "evaluation.masked.contexts", *options, "--tokenizer", tokenizer_manifest]
    subprocess.run([*command, "--output", tmp_path / "contexts.json"], cwd=ROOT, check=True)
    lines = json.loads((tmp_path / "contexts.json").read_text())["rows"]
    assert [(line["stage"], line["step"], line["trained_length"], line["context"]) for line in lines] == [
        (0, 10, 16, 16),
        (0, 10, 16, 64),
        (1, 20, 64, 16),
        (1, 20, 64, 64),
    ]
    assert {line["masked"] for line in lines} == {lines[0]["masked"]}
    assert {line["documents"] for line in lines} == {3}
    # An encoder of random weights guesses as badly with any context.
    assert all(line["loss"] == pytest.approx(np.log(384), abs=0.5) for line in lines)
    assert len({line["loss"] for line in lines}) == 4


def test_a_language_without_long_documents_is_named(
    phase: dict[str, Path], tokenizer_manifest: Path, tmp_path: Path
) -> None:
    content = json.loads(phase["slice"].read_text())
    write_json(phase["slice"], content | {"languages": {"fi": ["alpha"], "sv": ["beta"]}})
    options = [part for name, path in phase.items() for part in (f"--{name}", path)]
    command = [sys.executable, "-m", "evaluation.masked.contexts", *options, "--tokenizer", tokenizer_manifest]
    done = subprocess.run(
        [*command, "--output", tmp_path / "contexts.json"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert "no held-out document of more than 32 tokens: sv" in done.stdout
    assert json.loads((tmp_path / "contexts.json").read_text())["absent"] == ["sv"]
