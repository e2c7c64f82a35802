"""Held-out loss while a phase trains: of the weights then, the same on any ranks, and of no effect on training."""

import json
import signal

import numpy as np
import pytest
import torch

from corpus.rows.store import RowReader
from model.held_out import guess, held_out_rows
from model.modernbert import ModernBert, Shape
from tests.model.training.small_phases import (
    LANGUAGES,
    SHAPE,
    finish,
    metrics,
    same,
    start,
    weights,
)


def test_validation_changes_no_bit_and_is_that_of_the_weights_then(data):
    finish(data, data / "alone", phase="half", ranks=1)
    output = finish(data, data / "validated", phase="half", ranks=1, validation=True)
    assert "validating every 1.2k slots on held-out rows of en, la" in output
    assert same(weights(data / "alone"), weights(data / "validated"))
    lines = metrics(data / "validated")
    assert [line["slots"] // 1200 for line in lines if "validation" in line] == [1, 2]
    assert not [line for line in metrics(data / "alone") if "validation" in line]
    vocabulary = json.loads((data / "tokenizers" / "t" / "manifest.json").read_text())
    shape = Shape(padded_vocabulary=vocabulary["padded_vocabulary"], global_rope_theta=10_000.0, **SHAPE)
    encoder = ModernBert(shape, None)
    encoder.load_state_dict({name: torch.from_numpy(one) for name, one in weights(data / "validated").items()})
    for language in LANGUAGES:
        reader = RowReader(data / "rows" / "t" / language / "validation" / "32" / "index.json")
        rows = list(held_out_rows({language: reader}, 3, 32, 1, 0.3, vocabulary["vocabulary"]))
        losses = np.concatenate([guesses.loss for guesses in guess(encoder, rows, torch.device("cpu"))])
        assert lines[-1]["validation"]["language_loss"][language] == pytest.approx(losses.mean(), rel=1e-6)


def test_validation_is_the_same_on_any_number_of_ranks_and_after_a_restart(data):
    finish(data, data / "one rank", phase="whole", ranks=1, validation=True)
    process = start(data, data / "stopped", phase="whole", ranks=2, validation=True)
    for line in process.stdout:
        if "slots" in line:
            break
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=180)
    finish(data, data / "stopped", phase="whole", ranks=2, validation=True)
    one, other = ([line for line in metrics(data / name) if "validation" in line] for name in ("one rank", "stopped"))
    assert [line["step"] for line in one] == [line["step"] for line in other]
    assert len(one) == 4
    for line, again in zip(one, other, strict=True):
        assert line["validation"]["loss"] == pytest.approx(again["validation"]["loss"], rel=1e-4)
        assert line["validation"]["language_loss"] == pytest.approx(again["validation"]["language_loss"], rel=1e-4)
        assert line["validation"]["masked"] == again["validation"]["masked"] > 0
