"""Rows that are kept one by one: they add up to the losses, and are the same for every run of a tokenizer."""

from pathlib import Path

import numpy as np
import pytest
import torch

from common.files import sha256_of
from corpus.rows.store import RowReader
from evaluation.masked.each import Each, each_row
from evaluation.masked.scoring import score_rows, summary
from model.held_out import HeldOutRow, held_out_rows
from model.modernbert import ModernBert, Shape
from tests.rows import index_rows, write_shards

ENTRIES, PADDED, LENGTH = 320, 384, 48


@pytest.fixture
def readers(tmp_path: Path, tokenizer_manifest: Path) -> dict[str, RowReader]:
    fingerprint = sha256_of(tokenizer_manifest.with_name("tokenizer.json"))
    for name in ("alpha", "betas"):
        generator = np.random.default_rng(len(name))
        documents = {"validation": [generator.integers(5, 60, size=46).tolist() for _ in range(5)]}
        write_shards(tmp_path, name, "fi", documents, padded_vocabulary=PADDED, fingerprint=fingerprint)
    sets = index_rows(tmp_path, [(name, "validation", str(LENGTH)) for name in ("alpha", "betas")])
    return {one.rows.source: RowReader(one.index) for one in sets}


def rows_of(readers: dict[str, RowReader], limit: int = 100, seed: int = 11, rate: float = 0.3) -> list[HeldOutRow]:
    return list(held_out_rows(readers, limit, LENGTH, seed, rate, ENTRIES))


def kept(rows: list[HeldOutRow], seed: int = 0) -> tuple[dict[str, Each], float]:
    """Return what an encoder of random weights makes of rows, one by one and together."""
    shape = Shape(padded_vocabulary=PADDED, layers=1, hidden=8, heads=1, intermediate=8, global_rope_theta=1e4)
    encoder = ModernBert(shape, seed=seed).eval()
    scores = score_rows(encoder, rows, np.ones(ENTRIES), torch.device("cpu"))
    return each_row(rows, scores), summary("fi", LENGTH, rows, scores).loss


def test_rows_add_up_to_the_loss(readers: dict[str, RowReader]) -> None:
    each, loss = kept(rows_of(readers))
    assert {source: len(own["key"]) for source, own in each.items()} == {"alpha": 5, "betas": 5}
    total = sum(sum(own["loss"]) for own in each.values()) / sum(sum(own["masked"]) for own in each.values())
    assert total == pytest.approx(loss, abs=1e-4)


def test_two_encoders_of_one_tokenizer_are_asked_the_same(readers: dict[str, RowReader]) -> None:
    (one, loss), (other, other_loss) = kept(rows_of(readers)), kept(rows_of(readers), seed=1)
    assert [(own["key"], own["masked"]) for own in one.values()] == [(o["key"], o["masked"]) for o in other.values()]
    assert loss != other_loss


def test_a_run_that_reads_fewer_sources_or_rows_is_asked_the_same_of_those(readers: dict[str, RowReader]) -> None:
    every, _ = kept(rows_of(readers))
    alone, _ = kept(rows_of({"betas": readers["betas"]}, limit=3))
    assert set(alone) == {"betas"}
    assert alone["betas"]["key"] == every["betas"]["key"][:3]


@pytest.mark.parametrize("other", [{"seed": 12}, {"rate": 0.4}])
def test_other_masks_are_other_keys(readers: dict[str, RowReader], other: dict[str, float]) -> None:
    one, _ = kept(rows_of(readers))
    changed, _ = kept(rows_of(readers, **other))  # type: ignore[arg-type]
    assert not {*one["alpha"]["key"]} & {*changed["alpha"]["key"]}


def test_a_row_without_a_masked_token_is_left_out(readers: dict[str, RowReader]) -> None:
    rows = rows_of(readers)
    empty = np.zeros(0, dtype=np.int64)
    rows[0] = rows[0]._replace(masked=rows[0].masked._replace(positions=empty, labels=empty))
    each, _ = kept(rows)
    assert sum(len(own["key"]) for own in each.values()) == 9
