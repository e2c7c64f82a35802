"""Slices, tokenizer and rows of a small recipe, and a phase of it that is trained."""

import json

import pytest

from corpus.demo.made_text import made_documents
from corpus.rows.index import make as make_rows
from corpus.rows.index import write_list
from corpus.sampling.sample import sample
from corpus.tokens.bpe import make as make_tokenizer
from corpus.tokens.shards import make as make_shards
from recipe.needs import Rows, all_phases, rows_of
from recipe.reading import load_recipe
from recipe.slices.files import to_json
from recipe.slices.making import phase_slice, source_slice, tokenizer_slice, train_rows_slice
from recipe.slices.types import KeepingSlice, ValidationSlice
from tests.model.training.small_phases import (
    COMMON,
    LANGUAGES,
    RECIPE,
    finish,
)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Slices, tokenizer and rows of a recipe, made by the stages, in a folder with blank and quote in its name."""
    folder = tmp_path_factory.mktemp("it's training") / "results"
    recipe = load_recipe(RECIPE, "test")
    manifests = {}
    for language in ("en", "la"):
        raw = folder / f"{language}.jsonl"
        raw.parent.mkdir(exist_ok=True)
        documents = list(made_documents(language, language, COMMON))[:60]
        raw.write_text("".join(json.dumps({"text": text}) + "\n" for _, text in documents), encoding="utf-8")
        manifests[language] = folder / "corpus" / language / "manifest.json"
        sample(source_slice(recipe, language), [raw], manifests[language], workers=1)
    tokenizer = folder / "tokenizers" / "t" / "manifest.json"
    make_tokenizer(tokenizer_slice(recipe, "t"), manifests, tokenizer)
    for language, manifest in manifests.items():
        make_shards(manifest, tokenizer, folder / "shards" / "t" / language / "manifest.json", "tokie", workers=1)
    for run, phase in all_phases(recipe):
        content = phase_slice(recipe, run, phase)
        (folder / f"{phase}.json").write_text(to_json(content), encoding="utf-8")
        wanted = rows_of(train_rows_slice(content))
        write_list(make_rows(wanted, folder / "shards", folder / "rows", 1), folder / f"{phase}-rows.json")
    content = ValidationSlice(every_tokens=1200, rows=3, length=32, seed=1, masking_rate=0.3, languages=LANGUAGES)
    (folder / "validation.json").write_text(to_json(content), encoding="utf-8")
    (folder / "keeping.json").write_text(to_json(KeepingSlice(every_tokens=1)), encoding="utf-8")
    held_out = [Rows("t", language, "validation", "32") for language in LANGUAGES]
    write_list(make_rows(held_out, folder / "shards", folder / "rows", 1), folder / "held-out-rows.json")
    return folder


@pytest.fixture(scope="module")
def whole(data):
    """A phase trained without interruption, with two ranks."""
    folder = data / "runs" / "whole"
    finish(data, folder, every=900.0)
    return folder
