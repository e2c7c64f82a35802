"""Counting a sample: what is drawn, what a killed count leaves, what is left out."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import UserError
from common.files import read_json, write_json
from corpus.sampling.sample import sample
from corpus.tokens import words as stage
from corpus.tokens.words import WordCounter, count_words, language_words, sample_rates, tell_pruned, times_taken
from recipe.slices.types import SampleSlice, SourceSlice
from tests.texts import encoded

ROOT = Path(__file__).parents[3]
PROPERTY = settings(deadline=None, derandomize=True)


def write_source(directory: Path, name: str, parts: list[list[str]], language: str = "fi") -> Path:
    """Make a source's documents, all of them train text, in so many parts."""
    directory.mkdir(parents=True, exist_ok=True)
    raw = [directory / f"{name}-{number}.jsonl" for number in range(len(parts))]
    for path, texts in zip(raw, parts, strict=True):
        path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
    source = SourceSlice(name=name, seed=1, language=language, files=list(map(str, raw)), held_out=0.0)
    manifest = directory / name / "manifest.json"
    sample(source, raw, manifest, workers=1, part_bytes=max(path.stat().st_size for path in raw))
    return manifest


def sample_slice(**changes: Any) -> SampleSlice:
    fields: dict[str, Any] = {"seed": 1, "sample_bytes": 10**9, "factors": {"one": 1.0}, "languages": {"one": "fi"}}
    return SampleSlice(**{**fields, **changes})


def counted(manifest: Path) -> dict[str, dict[bytes, int]]:
    return {
        language: dict(zip(table["word"].to_pylist(), table["count"].to_pylist(), strict=True))
        for language, table in language_words(manifest)
    }


def test_sample_rates_follow_the_factors_and_fill_the_sample() -> None:
    rates = sample_rates({"a": 1.0, "b": 30.0}, {"a": 1000, "b": 10}, sample_bytes=130)
    assert rates == pytest.approx({"a": 0.1, "b": 3.0})


def test_a_small_corpus_is_not_repeated_further_than_the_factors_say() -> None:
    assert sample_rates({"a": 5.0, "b": 15.0}, {"a": 10, "b": 10}, 10**9) == pytest.approx({"a": 1.0, "b": 3.0})


@PROPERTY
@given(rate=st.floats(0, 40), text=st.text(st.characters(exclude_categories=["Cs"])).map(str.encode))
def test_a_text_is_taken_its_rate_rounded_down_or_up(rate: float, text: bytes) -> None:
    assert times_taken(text, rate, 7) - int(rate) in (0, 1)
    assert times_taken(text, rate, 7) <= times_taken(text, rate + 0.5, 7)


def test_times_taken_average_the_rate() -> None:
    taken = sum(times_taken(str(number).encode(), 2.3, 7) for number in range(10_000))
    assert 22_700 < taken < 23_300


def test_the_sample_is_the_same_whatever_the_order_and_the_parts(tmp_path: Path) -> None:
    texts = [f"sana{number} ja toinen" for number in range(300)]
    recipe = sample_slice(sample_bytes=2500)
    for name, parts in {"a": [texts], "b": [texts[200:], texts[199::-1]]}.items():
        count_words(recipe, {"one": write_source(tmp_path / name, "one", parts)}, tmp_path / name / "w.json", 1)
    first, second = counted(tmp_path / "a" / "w.json"), counted(tmp_path / "b" / "w.json")
    assert first == second
    assert 80 < first["fi"][b" ja"] < 160


def test_words_are_counted_by_language_as_often_as_their_text_is_taken(tmp_path: Path) -> None:
    manifests = {
        "one": write_source(tmp_path, "one", [["a b", "a"], ["a"]]),
        "two": write_source(tmp_path, "two", [["a  c"]], "sv"),
        "three": write_source(tmp_path, "three", [["a"]], "sv"),
    }
    recipe = sample_slice(
        factors={"one": 1.0, "two": 3.0, "three": 1.0}, languages={"one": "fi", "two": "sv", "three": "sv"}
    )
    manifest = count_words(recipe, manifests, tmp_path / "w" / "manifest.json", 1)
    assert counted(tmp_path / "w" / "manifest.json") == {"fi": {b"a": 3, b" b": 1}, "sv": {b"a": 4, b"c": 3}}
    assert manifest["sample"]["two"] == {"bytes": 12, "documents": 3}
    assert manifest["languages"]["sv"]["words"] == 2
    assert manifest["languages"]["sv"]["count"] == 7
    assert not tell_pruned(manifest, recipe.word_bytes)


def test_a_source_without_train_text_takes_no_part(tmp_path: Path) -> None:
    manifests = {name: write_source(tmp_path, name, [["sana"]]) for name in ("one", "two")}
    content = read_json(manifests["two"])
    content["splits"]["train"] = {"documents": 0, "bytes": 0, "words": 0, "files": []}
    write_json(manifests["two"], content)
    recipe = sample_slice(factors={"one": 1.0, "two": 1.0}, languages={"one": "fi", "two": "sv"})
    count_words(recipe, manifests, tmp_path / "manifest.json", 1)
    assert counted(tmp_path / "manifest.json") == {"fi": {b"sana": 1}, "sv": {}}


def test_an_empty_sample_is_refused(tmp_path: Path) -> None:
    manifest = write_source(tmp_path, "one", [["alku"]])
    with pytest.raises(UserError, match="sample_bytes is 1;"):
        count_words(sample_slice(sample_bytes=1, seed=2), {"one": manifest}, tmp_path / "manifest.json", 1)


def test_words_beyond_the_bound_are_left_out_and_told(tmp_path: Path) -> None:
    texts = [" ".join(f"{number:06d}" for number in range(start, start + 100)) for start in range(0, 20_000, 100)]
    manifests = {"one": write_source(tmp_path, "one", [[*texts, "aina aina aina"]])}
    recipe = sample_slice(word_bytes=7000)
    manifest = count_words(recipe, manifests, tmp_path / "manifest.json", 1)
    words = counted(tmp_path / "manifest.json")["fi"]
    assert words[b" aina"] == 2
    assert sum(map(len, words)) <= 7000
    assert manifest["pruned"]["count"] + sum(words.values()) == 20_003
    assert "of the rarest distinct words" in tell_pruned(manifest, recipe.word_bytes)


def test_bounded_batches_count_like_one(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [f"sana {number % 7} {number % 5}" for number in range(100)]
    results = []
    for batch, held in ((1 << 20, 1 << 20), (10, 1 << 20), (10, 50)):
        monkeypatch.setattr(stage, "BATCH_BYTES", batch)
        monkeypatch.setattr(stage, "HELD_BYTES", held)
        counter = WordCounter(1 << 20)
        for text in texts:
            counter.add(encoded([text]), 2)
        table, _ = counter.result()
        results.append(dict(zip(table["word"].to_pylist(), table["count"].to_pylist(), strict=True)))
    assert results[0] == results[1] == results[2]
    assert results[0][b"sana"] == 200


def test_a_part_that_was_counted_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifests = {"one": write_source(tmp_path, "one", [["eka"], ["toka"], ["kolmas"]])}
    read: list[str] = []
    texts = stage.part_texts

    def dies_at_the_third(manifest: Path, part: dict[str, Any]) -> Any:
        read.append(part["name"])
        if len(read) == 3:
            raise KeyboardInterrupt
        return texts(manifest, part)

    monkeypatch.setattr(stage, "part_texts", dies_at_the_third)
    output = tmp_path / "words" / "manifest.json"
    with pytest.raises(KeyboardInterrupt):
        count_words(sample_slice(), manifests, output, 1)
    assert not output.exists()
    count_words(sample_slice(), manifests, output, 1)
    assert read[3:] == read[2:3]
    assert counted(output) == {"fi": {b"eka": 1, b"toka": 1, b"kolmas": 1}}
    assert not (tmp_path / "words" / "parts").exists()


def test_changed_documents_are_counted_anew_and_unchanged_ones_are_not(tmp_path: Path) -> None:
    output = tmp_path / "words" / "manifest.json"
    count_words(sample_slice(), {"one": write_source(tmp_path, "one", [["eka"]])}, output, 1)
    before = output.stat().st_mtime_ns
    count_words(sample_slice(), {"one": write_source(tmp_path, "one", [["eka"]])}, output, 1)
    assert output.stat().st_mtime_ns == before
    count_words(sample_slice(), {"one": write_source(tmp_path, "one", [["toka"]])}, output, 1)
    assert counted(output) == {"fi": {b"toka": 1}}


def test_a_killed_count_goes_on_and_ends_in_the_same_bytes(tmp_path: Path) -> None:
    parts = [[f"sana{number} osa{part}" for number in range(3000)] for part in range(6)]
    manifest = write_source(tmp_path, "one", parts)
    (tmp_path / "slice.json").write_text(sample_slice().model_dump_json())

    def command(output: str) -> list[str]:
        given = ["--slice", "slice.json", "--documents", str(manifest), "--workers", "2"]
        return [sys.executable, "-m", "corpus.tokens.words", *given, "--output", f"{output}/manifest.json"]

    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run(command("whole"), cwd=tmp_path, env=environment, check=True, capture_output=True)
    killed = subprocess.Popen(command("killed"), cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL)
    done = tmp_path / "killed" / "parts" / "one"
    while killed.poll() is None and not list(done.glob("[!.]*.arrow")):
        time.sleep(0.005)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    subprocess.run(command("killed"), cwd=tmp_path, env=environment, check=True, capture_output=True)
    for path in (tmp_path / "whole").iterdir():
        assert (tmp_path / "killed" / path.name).read_bytes() == path.read_bytes()


def test_words_that_were_changed_are_refused(tmp_path: Path) -> None:
    output = tmp_path / "words" / "manifest.json"
    count_words(sample_slice(), {"one": write_source(tmp_path, "one", [["eka"]])}, output, 1)
    path = output.parent / read_json(output)["languages"]["fi"]["name"]
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(UserError, match=r"run python -m corpus\.tokens\.words again"):
        list(language_words(output))
