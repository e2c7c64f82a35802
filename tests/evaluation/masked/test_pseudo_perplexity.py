"""Pseudo-perplexity against transformers, one mask at a time, and the bytes that it is told of."""

import json
import subprocess
import sys
from math import exp, log
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from transformers import AutoModelForMaskedLM

from common.files import sha256_of
from corpus.tokens.sizes import token_bytes
from corpus.tokens.special import CLS, MASK, SEP
from evaluation.masked.pseudo_perplexity import PER_PIECE, Piece, alone, measure, result
from model.export import load_encoder
from tests.conftest import TEXTS
from tests.rows import index_rows, write_shards

ROOT = Path(__file__).parents[3]
CPU, KEY = torch.device("cpu"), b"k" * 32


@pytest.fixture
def tokenizer(tokenizer_manifest: Path) -> Tokenizer:
    return Tokenizer.from_file(str(tokenizer_manifest.with_name("tokenizer.json")))


def test_each_token_is_guessed_alone_as_transformers_does(exported_model: Path, tokenizer: Tokenizer) -> None:
    ids = tokenizer.encode(TEXTS[1], add_special_tokens=False).ids
    tokens = np.array([CLS, *ids, SEP])
    (piece,) = measure(load_encoder(exported_model), [("a", tokens)], 5, token_bytes(tokenizer), KEY, CPU)
    reference = AutoModelForMaskedLM.from_pretrained(exported_model.parent).eval()
    for place, token in enumerate(ids, 1):
        hidden = tokens.copy()
        hidden[place] = MASK
        with torch.inference_mode():
            logits = reference(torch.from_numpy(hidden)[None]).logits[0, place]
        assert piece.loss[place - 1] == pytest.approx(-float(logits.log_softmax(-1)[token]), abs=1e-4)
    assert len(piece.loss) == len(ids)


def test_pieces_are_measured_until_there_are_enough_tokens(exported_model: Path, tokenizer: Tokenizer) -> None:
    tokens = np.array([CLS, 40, 41, 42, SEP])
    pieces = measure(load_encoder(exported_model), [("a", tokens)] * 9, 7, token_bytes(tokenizer), KEY, CPU)
    assert [len(piece.loss) for piece in pieces] == [3, 3, 3]


def test_of_a_long_piece_some_random_tokens_are_hidden_each_once() -> None:
    tokens = np.array([CLS, *range(5, 105), SEP])
    rows = alone(tokens, "a", KEY)
    places = [int(row.masked.positions[0]) for row in rows]
    assert len(places) == len(set(places)) == PER_PIECE
    assert places == sorted(places)
    assert places[-1] - places[0] > PER_PIECE
    assert all((row.masked.inputs != tokens).sum() == 1 for row in rows)


def test_the_perplexity_is_of_all_tokens_together() -> None:
    row = result("fi", None, [Piece("a", np.array([1.0, 2.0]), 8), Piece("b", np.array([6.0]), 2)])
    assert (row.pieces, row.tokens, row.bytes, row.loss) == (2, 3, 10, 3.0)
    assert row.pseudo_perplexity == pytest.approx(exp(3.0))
    assert row.bits_per_byte == pytest.approx(9 / log(2) / 10)


def test_the_command_tells_languages_and_their_sources(
    exported_model: Path, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    fingerprint = sha256_of(exported_model.with_name("tokenizer.json"))
    documents = [tokenizer.encode(text, add_special_tokens=False).ids for text in TEXTS[:4]]
    for source in ("alpha", "beta"):
        write_shards(tmp_path, source, "fi", {"validation": documents}, padded_vocabulary=384, fingerprint=fingerprint)
    index_rows(tmp_path, [(source, "validation", "64") for source in ("alpha", "beta")], tmp_path / "rows.json")
    shape = {"layers": 5, "hidden": 32, "heads": 2, "intermediate": 48, "global_every": 2, "local_attention": 8}
    content = {"run": "small", "seed": 1, "model": shape, "tokenizer": "t", "lengths": [64], "rows": 9}
    content |= {"masking_rate": 0.3, "context_documents": 3, "pseudo_perplexity_tokens": 60, "rope_theta": 7e4}
    content |= {"languages": {"fi": ["alpha", "beta"], "sv": ["gamma"]}, "sources": {}, "prompts": {}}
    (tmp_path / "slice.json").write_text(json.dumps(content | {"components": [], "lineage": []}))
    command = [sys.executable, "-m", "evaluation.masked.pseudo_perplexity", "--slice", tmp_path / "slice.json"]
    command += ["--model", exported_model, "--rows", tmp_path / "rows.json", "--output", tmp_path / "result.json"]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    assert "sv: no held-out document" in done.stdout
    rows = json.loads((tmp_path / "result.json").read_text())["rows"]
    assert [(row["language"], row["source"]) for row in rows] == [("fi", None), ("fi", "alpha"), ("fi", "beta")]
    assert rows[0]["tokens"] == rows[1]["tokens"] + rows[2]["tokens"] >= 60
