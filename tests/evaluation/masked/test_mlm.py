"""Held-out loss against transformers, and what the measurement promises about rows, masks and its baseline."""

import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForMaskedLM

from common.errors import UserError
from common.files import sha256_of, write_json
from common.listed import describe
from corpus.rows.permutation import derive_key
from corpus.rows.store import RowBatch, RowReader, write_rows
from evaluation.masked import scoring
from evaluation.masked.mlm import Shards, Unmeasured, evaluate
from evaluation.masked.scoring import Score, held_out_rows, ratio_stderr, unigram_losses
from model.export import load_encoder
from model.masking import mask_row
from model.modernbert import ModernBert, Shape
from recipe.slices.types import EvaluationSlice

ENTRIES, PADDED = 320, 384
SEED, RATE, LENGTH = 11, 0.3, 48
CPU = torch.device("cpu")
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path, tokenizer_manifest: Path) -> Write:
    """Write rows of random tokens as shards, and return their index."""

    def write_shards(source: str, language: str, split: str, rows: int, seed: int = 0, fingerprint: str = "") -> Path:
        generator = np.random.default_rng([seed, len(source), rows])
        directory = tmp_path / "shards" / source / split / str(LENGTH)
        directory.mkdir(parents=True)
        pieces = [generator.integers(3, LENGTH // 2, size=2) for _ in range(rows)]
        contents = [
            np.concatenate([[1, *generator.integers(5, 60, size=n - 2), 4] for n in row]).astype(np.uint16)
            for row in pieces
        ]
        counts = np.bincount(np.concatenate([[], *contents]).astype(int), minlength=PADDED)
        with (directory / "unigram.npy").open("wb") as stream:
            np.save(stream, counts)
        batch = RowBatch(
            np.concatenate([np.zeros(0, np.uint16), *contents]),
            np.cumsum([0, *map(len, contents)]),
            np.concatenate([np.zeros(0, np.int64), *pieces]),
            2 * np.arange(rows + 1),
        )
        index = {
            "format": 1,
            "source": source,
            "language": language,
            "split": split,
            "length": LENGTH,
            "rows": rows,
            "tokenizer": fingerprint or sha256_of(tokenizer_manifest.with_name("tokenizer.json")),
            "files": write_rows(directory, iter([batch] if rows else [])),
            "unigram": describe(directory / "unigram.npy"),
        }
        write_json(directory / "index.json", index)
        return directory / "index.json"

    return write_shards


def slice_of(languages: dict[str, list[str]], rows: int = 100) -> EvaluationSlice:
    shape = {"layers": 5, "hidden": 32, "heads": 2, "intermediate": 48, "global_every": 2, "local_attention": 8}
    return EvaluationSlice.model_validate(
        {
            "run": "small",
            "seed": SEED,
            "model": shape | {"local_rope_theta": 3_000.0, "norm_eps": 1e-4},
            "tokenizer": "t",
            "lengths": [LENGTH],
            "rows": rows,
            "masking_rate": RATE,
            "rope_theta": 70_000.0,
            "languages": languages,
            "sources": {source: language for language, sources in languages.items() for source in sources},
            "prompts": {},
            "components": [],
            "lineage": [["small", "stable"]],
        }
    )


def measure(model: Path, validation: list[Path], train: list[Path], content: EvaluationSlice) -> list[Any]:
    shards = Shards(validation, train, model.with_name("tokenizer.json"))
    return list(evaluate(content, load_encoder(model), shards, CPU))


def test_loss_and_accuracy_equal_those_of_transformers_piece_by_piece(exported_model: Path, write: Write) -> None:
    validation = write("alpha", "fi", "validation", 7)
    (score,) = measure(exported_model, [validation], [write("alpha", "fi", "train", 9)], slice_of({"fi": ["alpha"]}))
    reader, theirs = RowReader(validation), AutoModelForMaskedLM.from_pretrained(exported_model.parent)
    key = derive_key(SEED, "evaluation", "alpha", LENGTH)
    losses, hits, tokens = [], [], 0
    for number in range(7):
        row, lengths = reader.row(number)
        masked = mask_row(row, number, key, RATE, ENTRIES)
        pieces = torch.from_numpy(masked.inputs).split(lengths.tolist())
        with torch.no_grad():
            logits = torch.cat([theirs(piece[None]).logits[0] for piece in pieces])[masked.positions]
        labels = torch.from_numpy(masked.labels)
        losses += torch.nn.functional.cross_entropy(logits, labels, reduction="none").tolist()
        hits += (logits.argmax(-1) == labels).tolist()
        tokens += len(row)
    assert (score.rows, score.tokens, score.masked) == (7, tokens, len(losses))
    assert score.loss == pytest.approx(np.mean(losses), abs=1e-4)
    assert score.accuracy == np.mean(hits)


def test_the_measurement_does_not_depend_on_how_rows_are_batched(
    exported_model: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [write("alpha", "fi", "validation", 6)], [write("alpha", "fi", "train", 3)]
    (together,) = measure(exported_model, *paths, slice_of({"fi": ["alpha"]}))
    monkeypatch.setattr(scoring, "TOKENS_PER_FORWARD", 1)
    (alone,) = measure(exported_model, *paths, slice_of({"fi": ["alpha"]}))
    assert alone.loss == pytest.approx(together.loss, rel=1e-6)
    assert alone.loss_stderr == pytest.approx(together.loss_stderr, rel=1e-4)
    assert (alone.masked, alone.accuracy) == (together.masked, together.accuracy)


def test_rows_are_taken_from_the_sources_in_turn(write: Write) -> None:
    readers = {
        "b": RowReader(write("b", "fi", "validation", 1)),
        "a": RowReader(write("a", "fi", "validation", 5)),
        "c": RowReader(write("c", "fi", "validation", 0)),
    }
    rows = held_out_rows(readers, 4, LENGTH, SEED, RATE, ENTRIES)
    expected = [readers["a"].row(0), readers["b"].row(0), readers["a"].row(1), readers["a"].row(2)]
    assert [row.lengths.tolist() for row in rows] == [lengths.tolist() for _, lengths in expected]


def test_a_row_is_masked_alike_however_many_are_measured(write: Write) -> None:
    readers = {"a": RowReader(write("a", "fi", "validation", 5))}
    few, many = (held_out_rows(readers, limit, LENGTH, SEED, RATE, ENTRIES) for limit in (2, 5))
    assert all(np.array_equal(x.masked.inputs, y.masked.inputs) for x, y in zip(few, many, strict=False))
    other_seed = held_out_rows(readers, 5, LENGTH, SEED + 1, RATE, ENTRIES)
    assert any(not np.array_equal(x.masked.inputs, y.masked.inputs) for x, y in zip(many, other_seed, strict=True))


@given(st.lists(st.integers(0, 10**12), min_size=6, max_size=50))
def test_the_baseline_is_a_distribution_over_ordinary_tokens(counts: list[int]) -> None:
    losses = unigram_losses(np.array(counts))
    assert np.exp(-losses).sum() == pytest.approx(1.0)
    assert np.all(np.isfinite(losses))


def test_the_baseline_loss_is_that_of_the_train_shards_of_the_language(exported_model: Path, write: Write) -> None:
    validation = write("alpha", "fi", "validation", 4)
    train = [write("alpha", "fi", "train", 6), write("beta", "fi", "train", 3), write("gamma", "sv", "train", 50)]
    (score,) = measure(exported_model, [validation], train, slice_of({"fi": ["alpha"]}))
    readers = [RowReader(path) for path in train[:2]]
    seen = np.concatenate([reader.row(i)[0] for reader in readers for i in range(reader.rows)])
    counts = np.bincount(seen, minlength=ENTRIES)[5:] + 1
    rows = held_out_rows({"alpha": RowReader(validation)}, 4, LENGTH, SEED, RATE, ENTRIES)
    labels = np.concatenate([row.masked.labels for row in rows])
    assert score.unigram_loss == pytest.approx(-np.log(counts[labels - 5] / counts.sum()).mean())


def test_an_encoder_that_knows_nothing_scores_the_log_of_the_vocabulary(exported_model: Path, write: Write) -> None:
    shards = Shards(
        [write("alpha", "fi", "validation", 4)],
        [write("b", "sv", "train", 1)],
        exported_model.parent / "tokenizer.json",
    )
    shape = Shape(padded_vocabulary=PADDED, layers=1, hidden=8, heads=1, intermediate=8, global_rope_theta=1e4)
    encoder = ModernBert(shape, seed=0)
    torch.nn.init.zeros_(encoder.model.embeddings.tok_embeddings.weight)
    (score,) = evaluate(slice_of({"fi": ["alpha"]}), encoder, shards, CPU)
    assert score.loss == pytest.approx(math.log(PADDED))
    assert score.unigram_loss == pytest.approx(math.log(ENTRIES - 5)), "no train text of the language: uniform"


def test_the_standard_error_is_that_of_the_mean_where_rows_are_alike_in_size() -> None:
    sums = np.array([3.0, 5.0, 4.0, 9.0])
    assert ratio_stderr(sums, np.full(4, 2)) == pytest.approx(np.std(sums / 2, ddof=1) / 2)
    assert ratio_stderr(sums[:1], np.array([2])) is None


def test_the_standard_error_covers_the_spread_over_samples() -> None:
    generator = np.random.default_rng(0)
    counts = generator.integers(1, 40, size=(4000, 50))
    sums = counts * 2.0 + generator.normal(size=counts.shape) * np.sqrt(counts)
    spread = np.std(sums.sum(1) / counts.sum(1))
    errors = [ratio_stderr(row, sizes) for row, sizes in zip(sums[:200], counts[:200], strict=True)]
    assert np.mean(errors) == pytest.approx(spread, rel=0.05)


def test_a_language_without_held_out_rows_is_told_and_the_others_are_measured(
    exported_model: Path, write: Write
) -> None:
    validation = [write("alpha", "fi", "validation", 2), write("samitext", "sme", "validation", 0)]
    train = [write("alpha", "fi", "train", 2)]
    scores = measure(exported_model, validation, train, slice_of({"fi": ["alpha"], "sme": ["samitext"]}))
    assert [score.language for score in scores] == ["fi", "sme"]
    assert isinstance(scores[0], Score)
    assert scores[1] == Unmeasured("sme", LENGTH, "no held-out document")


def test_shards_of_another_split_or_tokenizer_are_refused(exported_model: Path, write: Write) -> None:
    train = write("alpha", "fi", "train", 2)
    tokenizer = exported_model.with_name("tokenizer.json")
    with pytest.raises(UserError, match="holds rows of the train split; give the index of validation rows"):
        Shards([train], [train], tokenizer)
    with pytest.raises(UserError, match="another tokenizer"):
        Shards([write("beta", "fi", "validation", 2, fingerprint="0" * 64)], [train], tokenizer)


def test_the_command_writes_the_results(exported_model: Path, write: Write, tmp_path: Path) -> None:
    (tmp_path / "slice.json").write_text(slice_of({"fi": ["alpha"]}).model_dump_json(by_alias=True))
    options = {
        "--slice": tmp_path / "slice.json",
        "--model": exported_model,
        "--validation": write("alpha", "fi", "validation", 3),
        "--train": write("alpha", "fi", "train", 3),
        "--output": tmp_path / "mlm.json",
    }
    command = [
        sys.executable,
        "-m",
        "evaluation.masked.mlm",
        *(str(part) for option in options.items() for part in option),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[3])
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"fi at {LENGTH} tokens: loss ")
    result = json.loads((tmp_path / "mlm.json").read_text())
    assert (result["format"], result["run"]) == (1, "small")
    assert {"language", "length", "rows", "tokens", "masked", "loss", "loss_stderr", "accuracy", "unigram_loss"} == set(
        result["rows"][0]
    )
