"""Held-out loss against transformers, and what the measurement promises about rows, masks and its baseline."""

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForMaskedLM

from common.errors import UserError
from common.files import sha256_of
from corpus.rows.keys import derive_key
from corpus.rows.store import RowReader
from evaluation.masked import scoring
from evaluation.masked.mlm import Unmeasured, evaluate, note_use
from evaluation.masked.rows import EvaluationRows
from evaluation.masked.scoring import Score, ratio_stderr, unigram_losses
from model import held_out
from model.export import load_encoder
from model.held_out import held_out_rows, row_order
from model.masking import mask_row
from model.modernbert import ModernBert, Shape
from recipe.slices.types import EvaluationSlice
from tests.rows import index_rows, write_shards

ENTRIES, PADDED = 320, 384
SEED, RATE, LENGTH = 11, 0.3, 48
CPU = torch.device("cpu")


class Data:
    """Shards of random tokens below a folder, and rows over them."""

    def __init__(self, folder: Path, tokenizer: Path) -> None:
        self.folder, self.fingerprint = folder, sha256_of(tokenizer)

    def source(self, name: str, language: str, *, train: int = 0, validation: int = 0, fingerprint: str = "") -> Path:
        """Write documents that two by two fill so many rows; return the manifest of their shards."""
        documents = {}
        for split, rows in (("train", train), ("validation", validation)):
            generator = np.random.default_rng([len(name), len(split), rows])
            longer = [int(size) for size in generator.integers(0, 4, size=rows)]
            sizes = [size for more in longer for size in (LENGTH - 17 + more, 13 - more)]
            documents[split] = [generator.integers(5, 60, size=size).tolist() for size in sizes]
        fingerprint = fingerprint or self.fingerprint
        return write_shards(self.folder, name, language, documents, padded_vocabulary=PADDED, fingerprint=fingerprint)

    def rows(self, *sources: str, split: str = "validation") -> Path:
        """Index the rows of sources, and return the list of them."""
        index_rows(self.folder, [(source, split, str(LENGTH)) for source in sources], self.folder / "rows.json")
        return self.folder / "rows.json"

    def reader(self, source: str, split: str = "validation") -> RowReader:
        (one,) = index_rows(self.folder, [(source, split, str(LENGTH))])
        return RowReader(one.index)


@pytest.fixture
def data(tmp_path: Path, tokenizer_manifest: Path) -> Data:
    return Data(tmp_path, tokenizer_manifest.with_name("tokenizer.json"))


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
            "context_documents": 5,
            "pseudo_perplexity_tokens": 40,
            "rope_theta": 70_000.0,
            "languages": languages,
            "sources": {source: language for language, sources in languages.items() for source in sources},
            "prompts": {},
            "components": [],
            "lineage": [["small", "stable"]],
        }
    )


def measure(model: Path, rows: Path, baseline: list[Path], content: EvaluationSlice) -> list[Any]:
    data = EvaluationRows(rows, baseline, model.with_name("tokenizer.json"))
    return list(evaluate(content, load_encoder(model), data, CPU))


def test_loss_and_accuracy_equal_those_of_transformers_piece_by_piece(exported_model: Path, data: Data) -> None:
    shards = data.source("alpha", "fi", train=9, validation=7)
    (score,) = measure(exported_model, data.rows("alpha"), [shards], slice_of({"fi": ["alpha"]}))
    reader, theirs = data.reader("alpha"), AutoModelForMaskedLM.from_pretrained(exported_model.parent)
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
    exported_model: Path, data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    shards = data.source("alpha", "fi", train=3, validation=6)
    paths = data.rows("alpha"), [shards]
    (together,) = measure(exported_model, *paths, slice_of({"fi": ["alpha"]}))
    monkeypatch.setattr(held_out, "TOKENS_PER_FORWARD", 1)
    (alone,) = measure(exported_model, *paths, slice_of({"fi": ["alpha"]}))
    assert alone.loss == pytest.approx(together.loss, rel=1e-6)
    assert alone.loss_stderr == pytest.approx(together.loss_stderr, rel=1e-4)
    assert (alone.masked, alone.accuracy) == (together.masked, together.accuracy)


def test_sources_and_positions_part_the_masked_tokens(exported_model: Path, data: Data) -> None:
    shards = [data.source("alpha", "fi", train=3, validation=6), data.source("betas", "fi", validation=3)]
    both = slice_of({"fi": ["alpha", "betas"]})
    (score,) = measure(exported_model, data.rows("alpha", "betas"), shards, both)
    for parts in (score.sources, score.positions):
        assert sum(part.masked for part in parts) == score.masked
        for field in ("loss", "accuracy", "unigram_loss"):
            whole = sum(getattr(part, field) * part.masked for part in parts) / score.masked
            assert whole == pytest.approx(getattr(score, field))
    assert [(part.source, part.rows) for part in score.sources] == [("alpha", 6), ("betas", 3)]
    (alone,) = measure(exported_model, data.rows("alpha"), shards[:1], slice_of({"fi": ["alpha"]}))
    assert score.sources[0].loss == pytest.approx(alone.loss)
    assert score.sources[0].loss_stderr == pytest.approx(alone.loss_stderr)
    places = [
        place
        for row in held_out_rows({"alpha": data.reader("alpha")}, 6, LENGTH, SEED, RATE, ENTRIES)
        for place in offsets(row)
    ]
    counted = {(part.begin, part.end): part.masked for part in alone.positions}
    assert counted == {(0, 32): sum(place < 32 for place in places), (32, 64): sum(place >= 32 for place in places)}


def offsets(row: Any) -> list[int]:
    """Where in their piece the masked tokens of a row stand."""
    starts = np.cumsum([0, *row.lengths])
    return [int(place - starts[starts <= place][-1]) for place in row.masked.positions]


@pytest.mark.parametrize(
    ("offset", "expected"),
    [(0, (0, 32)), (31, (0, 32)), (32, (32, 64)), (64, (64, 128)), (127, (64, 128)), (8191, (4096, 8192))],
)
def test_ranges_of_positions_double(offset: int, expected: tuple[int, int]) -> None:
    assert scoring.position_range(int(scoring._range_of(np.array([offset]))[0])) == expected


def test_rows_are_taken_from_the_sources_in_turn(data: Data) -> None:
    for name, rows in (("b", 1), ("a", 5), ("c", 0)):
        data.source(name, "fi", validation=rows)
    readers = {name: data.reader(name) for name in "bac"}
    rows = list(held_out_rows(readers, 4, LENGTH, SEED, RATE, ENTRIES))
    order = row_order(5, 4, SEED, "a", LENGTH)
    assert len({*order}) == 4
    expected = [readers["a"].row(order[0]), readers["b"].row(0), readers["a"].row(order[1]), readers["a"].row(order[2])]
    assert [row.lengths.tolist() for row in rows] == [lengths.tolist() for _, lengths in expected]


def test_a_row_is_masked_alike_however_many_are_measured(data: Data) -> None:
    data.source("a", "fi", validation=5)
    readers = {"a": data.reader("a")}
    few, many = (list(held_out_rows(readers, limit, LENGTH, SEED, RATE, ENTRIES)) for limit in (2, 5))
    assert all(np.array_equal(x.masked.inputs, y.masked.inputs) for x, y in zip(few, many, strict=False))
    other_seed = list(held_out_rows(readers, 5, LENGTH, SEED + 1, RATE, ENTRIES))
    assert any(not np.array_equal(x.masked.inputs, y.masked.inputs) for x, y in zip(many, other_seed, strict=True))


@given(st.lists(st.integers(0, 10**12), min_size=6, max_size=50))
def test_the_baseline_is_a_distribution_over_ordinary_tokens(counts: list[int]) -> None:
    losses = unigram_losses(np.array(counts))
    assert np.exp(-losses).sum() == pytest.approx(1.0)
    assert np.all(np.isfinite(losses))


def test_the_baseline_loss_is_that_of_the_train_shards_of_the_language(exported_model: Path, data: Data) -> None:
    baseline = [
        data.source("alpha", "fi", train=6, validation=4),
        data.source("beta", "fi", train=3),
        data.source("gamma", "sv", train=50),
    ]
    (score,) = measure(exported_model, data.rows("alpha"), baseline, slice_of({"fi": ["alpha"]}))
    readers = [data.reader(name, "train") for name in ("alpha", "beta")]
    seen = np.concatenate([reader.row(i)[0] for reader in readers for i in range(reader.rows)])
    counts = np.bincount(seen, minlength=ENTRIES)[5:] + 1
    rows = list(held_out_rows({"alpha": data.reader("alpha")}, 4, LENGTH, SEED, RATE, ENTRIES))
    labels = np.concatenate([row.masked.labels for row in rows])
    assert score.unigram_loss == pytest.approx(-np.log(counts[labels - 5] / counts.sum()).mean())


def test_an_encoder_that_knows_nothing_scores_the_log_of_the_vocabulary(exported_model: Path, data: Data) -> None:
    data.source("alpha", "fi", validation=4)
    baseline = [data.source("b", "sv", train=1)]
    measured = EvaluationRows(data.rows("alpha"), baseline, exported_model.with_name("tokenizer.json"))
    shape = Shape(padded_vocabulary=PADDED, layers=1, hidden=8, heads=1, intermediate=8, global_rope_theta=1e4)
    encoder = ModernBert(shape, seed=0)
    torch.nn.init.zeros_(encoder.model.embeddings.tok_embeddings.weight)
    (score,) = evaluate(slice_of({"fi": ["alpha"]}), encoder, measured, CPU)
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


def test_a_language_without_held_out_rows_is_told_and_the_others_are_measured(exported_model: Path, data: Data) -> None:
    baseline = [data.source("alpha", "fi", train=2, validation=2), data.source("samitext", "sme")]
    scores = measure(
        exported_model, data.rows("alpha", "samitext"), baseline, slice_of({"fi": ["alpha"], "sme": ["samitext"]})
    )
    assert [score.language for score in scores] == ["fi", "sme"]
    assert isinstance(scores[0], Score)
    assert scores[1] == Unmeasured("sme", LENGTH, "no held-out document")


def test_rows_of_another_split_or_tokenizer_are_refused(exported_model: Path, data: Data) -> None:
    shards, tokenizer = data.source("alpha", "fi", train=2), exported_model.with_name("tokenizer.json")
    with pytest.raises(UserError, match="holds rows of the train split; give a list of validation rows"):
        EvaluationRows(data.rows("alpha", split="train"), [shards], tokenizer)
    other = data.source("beta", "fi", train=2, validation=2, fingerprint="0" * 64)
    with pytest.raises(UserError, match="another tokenizer"):
        EvaluationRows(data.rows("beta"), [shards], tokenizer)
    data.source("gamma", "fi", validation=2)
    with pytest.raises(UserError, match="another tokenizer"):
        EvaluationRows(data.rows("gamma"), [other], tokenizer)


def test_the_command_writes_the_results(exported_model: Path, data: Data, tmp_path: Path) -> None:
    (tmp_path / "slice.json").write_text(slice_of({"fi": ["alpha"]}).model_dump_json(by_alias=True))
    options = {
        "--slice": tmp_path / "slice.json",
        "--model": exported_model,
        "--shards": data.source("alpha", "fi", train=3, validation=3),
        "--rows": data.rows("alpha"),
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
    measures = {"rows", "masked", "loss", "loss_stderr", "accuracy", "unigram_loss"}
    (row,) = result["rows"]
    assert set(row) == measures | {"language", "length", "tokens", "sources", "positions", "each"}
    assert [set(part) for part in row["sources"]] == [measures | {"source"}]
    assert all(set(part) == measures | {"begin", "end"} for part in row["positions"])


def test_a_use_of_the_test_split_is_counted_once_for_each_model(tmp_path: Path) -> None:
    log, model = tmp_path / "uses.jsonl", tmp_path / "model" / "config.json"
    model.parent.mkdir()
    counted = []
    for weights in (b"one", b"one", b"two", b"one"):
        model.with_name("model.safetensors").write_bytes(weights)
        counted.append(note_use(log, "small", model))
    assert counted == [1, 1, 2, 2]
    assert [json.loads(line)["run"] for line in log.read_text().splitlines()] == ["small", "small"]
