"""The files of a result in its record: weights of a model, the checkpoint of a phase; each is hashed once."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from common.files import sha256_of, write_json
from tests.workflow.finished import finish
from tests.workflow.provenance.test_records import note
from workflow.provenance import checksums
from workflow.provenance.records import read_record, record_path, write_records
from workflow.provenance.text import made

MODEL = "results/models/small/config.json"
WEIGHTS = "results/models/small/model.safetensors"
CARD = "results/models/small/README.md"
CHECKPOINT = "results/runs/small/stable/checkpoint.json"
FIGURES = "results/figures"
GUESSES = "results/evaluation/small/fill_mask.json"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A finished workflow with a card, of which Snakemake has noted some results."""
    directory = tmp_path / 'it\'s "mine"'
    finish(directory)
    (directory / CARD).write_text("A card.")
    for output, rule, inputs in (
        (MODEL, "export", [CHECKPOINT]),
        (CARD, "model_card", [MODEL]),
        (CHECKPOINT, "train", []),
        (GUESSES, "fill_mask", [MODEL]),
    ):
        note(directory, output, rule=rule, input=inputs)
    write_records(directory)
    return directory


def files(directory: Path, output: str) -> dict[str, Any]:
    record = read_record(directory, output)
    assert record is not None
    return {one["name"]: one for one in record["files"]}


def test_a_model_is_its_weights_too_and_not_the_card_that_another_rule_writes(directory: Path) -> None:
    found = files(directory, MODEL)
    assert list(found) == [MODEL, WEIGHTS]
    assert found[WEIGHTS]["sha256"] == sha256_of(directory / WEIGHTS)
    assert found[WEIGHTS]["bytes"] == (directory / WEIGHTS).stat().st_size
    assert list(files(directory, CARD)) == [CARD]


def test_what_is_made_from_a_model_names_its_weights(directory: Path) -> None:
    record = read_record(directory, GUESSES)
    assert record is not None
    (model,) = record["inputs"]
    assert [one["name"] for one in model["files"]] == [WEIGHTS]
    assert WEIGHTS in made(record)


def test_a_phase_is_the_checkpoint_that_it_names(directory: Path) -> None:
    found = files(directory, CHECKPOINT)
    assert list(found)[1:] == ["results/runs/small/stable/checkpoints/step-00000040/shard-00000-of-00001.safetensors"]


def test_a_folder_is_all_files_in_it(directory: Path) -> None:
    for name in ("b.svg", "a.svg"):
        (directory / FIGURES).mkdir(exist_ok=True)
        (directory / FIGURES / name).write_text(f"<svg>{name}</svg>")
    note(directory, FIGURES, rule="report", input=[])
    write_records(directory)
    found = files(directory, FIGURES)
    assert list(found) == [f"{FIGURES}/a.svg", f"{FIGURES}/b.svg"]
    assert found[f"{FIGURES}/b.svg"]["sha256"] == sha256_of(directory / FIGURES / "b.svg")


def test_a_file_is_read_again_only_where_its_size_or_time_has_changed(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    monkeypatch.setattr(checksums, "sha256_of", lambda path: read.append(path.name) or sha256_of(path))
    record_path(directory, MODEL).unlink()
    assert write_records(directory) == 1
    assert read == []
    os.utime(directory / WEIGHTS, ns=(1, 1))
    record_path(directory, MODEL).unlink()
    assert write_records(directory) == 1
    assert read == ["model.safetensors"]


@pytest.mark.parametrize("content", ["{", "[]", '{"results/models/small/model.safetensors": 3}'])
def test_damaged_checksums_are_computed_anew(directory: Path, content: str) -> None:
    (directory / checksums.NAME).write_text(content)
    record_path(directory, MODEL).unlink()
    assert write_records(directory) == 1
    assert json.loads((directory / checksums.NAME).read_text())[WEIGHTS][2] == sha256_of(directory / WEIGHTS)


def test_records_of_the_format_before_are_written_anew(directory: Path) -> None:
    record = read_record(directory, MODEL)
    assert record is not None
    write_json(record_path(directory, MODEL), record | {"format": 1})
    assert write_records(directory) == 1
