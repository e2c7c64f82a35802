"""Tokens per word and bytes per token on validation text."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from common.files import read_json
from corpus.sampling.documents import split_texts
from corpus.sampling.sample import sample
from corpus.tokens.bpe import make
from corpus.tokens.encoding import read_encoder
from evaluation.tokenizer.fertility import count, count_pattern_words, gini, measure, sampled_texts
from recipe.slices.types import FertilitySlice, SourceSlice, TokenizerSlice

ROOT = Path(__file__).parents[3]
LANGUAGES = {"fi-news": "fi", "fi-wiki": "fi", "sv-wiki": "sv"}


def fertility_slice(languages: dict[str, str]) -> FertilitySlice:
    return FertilitySlice(seed=1, sources=languages)


def write_documents(directory: Path, name: str, language: str, held_out: float) -> Path:
    raw = directory / f"{name}.jsonl"
    texts = [f"{name} sanoo, että työ {number} on {number * number} kertaa tehty." for number in range(60)]
    raw.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
    source = SourceSlice(name=name, seed=1, language=language, files=[str(raw)], held_out=held_out)
    sample(source, [raw], directory / name / "manifest.json", workers=1)
    return directory / name / "manifest.json"


@pytest.fixture(scope="module")
def manifests(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    directory = tmp_path_factory.mktemp("documents")
    return {name: write_documents(directory, name, language, 0.2) for name, language in LANGUAGES.items()}


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory, manifests: dict[str, Path]) -> Path:
    directory = tmp_path_factory.mktemp("tokenizer")
    factors = dict.fromkeys(LANGUAGES, 1.0)
    fields = {"name": "small", "seed": 1, "vocabulary": 350, "multiple": 64, "sample_bytes": 10**6}
    recipe = TokenizerSlice.model_validate({**fields, "factors": factors, "languages": LANGUAGES})
    make(recipe, manifests, directory / "manifest.json")
    return directory / "manifest.json"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", 0),
        (" \n\t\u00a0", 0),
        ("Työ tekijäänsä opettaa.", 4),
        ("f(x_1) == ½", 9),
        ("e-mail: a@b.fi", 9),
        ("čállit 2.5 日本語", 5),
    ],
)
def test_a_word_is_a_run_of_letters_and_digits_or_another_visible_character(text: str, words: int) -> None:
    assert count_pattern_words(text) == words


def test_counts_are_those_of_the_validation_texts(manifests: dict[str, Path], tokenizer: Path) -> None:
    result = measure(fertility_slice(LANGUAGES), read_encoder(tokenizer), manifests, 1000)
    texts = list(split_texts(manifests["sv-wiki"], "validation"))
    plain = Tokenizer.from_file(str(tokenizer.with_name("tokenizer.json")))
    tokens = sum(len(plain.encode(text, add_special_tokens=False).ids) for text in texts)
    words = sum(count_pattern_words(text) for text in texts)
    size = sum(len(text.encode()) for text in texts)
    assert result["rows"][1] == {
        "language": "sv",
        "sources": ["sv-wiki"],
        "documents": len(texts),
        "words": words,
        "tokens": tokens,
        "bytes": size,
        "unknown": 0,
        "tokens_per_word": tokens / words,
        "bytes_per_token": size / tokens,
    }


def test_a_part_of_the_texts_is_drawn_at_random_and_by_the_seed(manifests: dict[str, Path]) -> None:
    every = list(split_texts(manifests["sv-wiki"], "validation"))
    drawn = {seed: list(sampled_texts(manifests["sv-wiki"], 4, seed, "sv-wiki")) for seed in range(6)}
    assert all(len(texts) == 4 for texts in drawn.values())
    assert drawn[1] == list(sampled_texts(manifests["sv-wiki"], 4, 1, "sv-wiki"))
    assert all(sorted(texts, key=every.index) == texts for texts in drawn.values())
    assert len({text for texts in drawn.values() for text in texts}) > 6
    assert list(sampled_texts(manifests["sv-wiki"], 1000, 1, "sv-wiki")) == every


def test_a_language_is_the_sum_of_its_sources(manifests: dict[str, Path], tokenizer: Path) -> None:
    result = measure(fertility_slice(LANGUAGES), read_encoder(tokenizer), manifests, 1000)
    assert [row["language"] for row in result["rows"]] == ["fi", "sv"]
    assert result["rows"][0]["sources"] == ["fi-news", "fi-wiki"]
    for field in ("documents", "words", "tokens", "bytes"):
        assert result["rows"][0][field] == sum(row[field] for row in result["sources"] if row["language"] == "fi")
    assert result["rows"][0]["documents"] > result["sources"][0]["documents"] > 0


@pytest.mark.parametrize(
    ("values", "expected"),
    [([], None), ([0.3], 0.0), ([0.25, 0.25, 0.25], 0.0), ([1.0, 3.0], 0.25), ([0.0, 0.0, 0.0, 1.0], 0.75)],
)
def test_the_gini_coefficient_is_0_for_equal_values_and_grows_with_inequality(
    values: list[float], expected: float | None
) -> None:
    assert gini(values) == (None if expected is None else pytest.approx(expected))


def test_the_gini_coefficient_is_that_of_the_languages_tokens_per_byte(
    manifests: dict[str, Path], tokenizer: Path
) -> None:
    result = measure(fertility_slice(LANGUAGES), read_encoder(tokenizer), manifests, 1000)
    fi, sv = (row["tokens"] / row["bytes"] for row in result["rows"])
    assert result["gini"] == pytest.approx(abs(fi - sv) / (fi + sv) / 2)


def test_no_more_documents_of_a_source_are_read_than_asked_for(manifests: dict[str, Path], tokenizer: Path) -> None:
    result = measure(fertility_slice(LANGUAGES), read_encoder(tokenizer), manifests, 2)
    assert [row["documents"] for row in result["sources"]] == [2, 2, 2]


def test_the_sum_over_texts_does_not_depend_on_how_they_are_batched(tokenizer: Path) -> None:
    encoder = read_encoder(tokenizer)
    texts = [f"työ {number}" for number in range(50)]
    assert count(encoder, texts) == count(encoder, texts[:7]) + count(encoder, texts[7:])


def test_a_language_without_validation_text_has_no_row(
    tmp_path: Path, manifests: dict[str, Path], tokenizer: Path
) -> None:
    bare = write_documents(tmp_path, "la-bare", "la", 0.0)
    encoder = read_encoder(tokenizer)
    result = measure(fertility_slice({**LANGUAGES, "la-bare": "la"}), encoder, {**manifests, "la-bare": bare}, 100)
    assert [row["language"] for row in result["rows"]] == ["fi", "sv"]
    assert measure(fertility_slice({"la-bare": "la"}), encoder, {"la-bare": bare}, 100)["rows"] == []


def test_the_command_writes_the_file_and_names_missing_documents(
    tmp_path: Path, manifests: dict[str, Path], tokenizer: Path
) -> None:
    (tmp_path / "slice.json").write_text(fertility_slice(LANGUAGES).model_dump_json())
    command = [sys.executable, "-m", "evaluation.tokenizer.fertility", "--slice", str(tmp_path / "slice.json")]
    command += ["--tokenizer", str(tokenizer), "--name", "small", "--output", str(tmp_path / "fertility.json")]
    paths = [str(path) for path in manifests.values()]
    done = subprocess.run([*command, "--documents", *paths], cwd=ROOT, capture_output=True, text=True, check=True)
    result = read_json(tmp_path / "fertility.json")
    assert (result["format"], result["tokenizer"], result["vocabulary"]) == (1, "small", 350)
    assert f"fi: {result['rows'][0]['tokens_per_word']:.3f} tokens per word" in done.stdout
    failed = subprocess.run(
        [*command, "--documents", *paths[:2]], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert failed.returncode == 1
    assert "trained on sv-wiki too; give it in --documents" in failed.stderr
