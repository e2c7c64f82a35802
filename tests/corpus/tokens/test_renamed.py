"""A source that is called otherwise is not sampled, counted, tokenized or trained on again."""

import json
import shutil
from pathlib import Path

import pytest

from common.files import read_json
from corpus.demo.made_text import made_documents
from corpus.sampling.__main__ import main as sample_main
from corpus.tokens.bpe import make as make_tokenizer
from corpus.tokens.renamed import same_sample
from corpus.tokens.shards import make as make_shards
from corpus.tokens.words import count_words
from recipe.slices.files import to_json
from recipe.slices.making import sample_slice
from recipe.slices.types import SourceSlice, TokenizerSlice

WORDS = ["the", "of", "and", "everyone", "has", "right"]


def sampled(folder: Path, name: str, raw: Path, monkeypatch: pytest.MonkeyPatch, **settings: object) -> Path:
    """Sample a source by its command; return its manifest."""
    content = SourceSlice(name=name, seed=1, language="en", files=[str(raw)], held_out=0.1, **settings)
    (folder / "slice.json").write_text(to_json(content))
    manifest = folder / "corpus" / name / "manifest.json"
    options = ["sample", "--slice", str(folder / "slice.json"), "--output", str(manifest)]
    monkeypatch.setattr("sys.argv", options)
    sample_main()
    return manifest


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    path = tmp_path / "text.jsonl"
    documents = list(made_documents("en", "en", WORDS))[:60]
    path.write_text("".join(json.dumps({"text": text}) + "\n" for _, text in documents))
    return path


def tokenizer_slice(source: str) -> TokenizerSlice:
    return TokenizerSlice(
        name="t",
        seed=1,
        vocabulary=400,
        multiple=64,
        sample_bytes=100_000,
        factors={source: 1.0},
        languages={source: "en"},
    )


def test_a_renamed_source_is_taken_over_though_its_raw_text_is_gone(
    tmp_path: Path, raw: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    old = sampled(tmp_path, "old", raw, monkeypatch)
    raw.unlink()
    new = sampled(tmp_path, "new", raw, monkeypatch)
    assert "sampled before under another name" in capsys.readouterr().out
    assert read_json(new) == read_json(old) | {"source": "new"}
    shutil.rmtree(old.parent)
    assert all((new.parent / entry["name"]).is_file() for entry in read_json(new)["splits"]["train"]["files"])


def test_another_filter_or_other_raw_text_is_sampled_anew(
    tmp_path: Path, raw: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sampled(tmp_path, "old", raw, monkeypatch)
    sampled(tmp_path, "other", raw, monkeypatch, fraction=0.5)
    raw.write_text(raw.read_text() + json.dumps({"text": "one more"}) + "\n")
    sampled(tmp_path, "new", raw, monkeypatch)
    assert "taken over" not in capsys.readouterr().out


def test_words_tokenizer_and_shards_of_a_renamed_source_come_from_what_is_there(
    tmp_path: Path, raw: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = {}
    for name in ("old", "new"):
        manifest = sampled(tmp_path, name, raw, monkeypatch)
        words = tmp_path / "words" / name / "manifest.json"
        counted = count_words(sample_slice(tokenizer_slice(name)), {name: manifest}, words, workers=1)
        tokenizer = tmp_path / "tokenizers" / "t" / "manifest.json"
        make_tokenizer(tokenizer_slice(name), {name: manifest}, tokenizer, words)
        shards = tmp_path / "shards" / "t" / name / "manifest.json"
        make_shards(manifest, tokenizer, shards, "tokie", workers=1)
        made[name] = counted, (words.parent / "en.arrow").stat().st_ino, read_json(shards), shards
    (_, arrow, shards, path), (counted, taken, other, other_path) = made["old"], made["new"]
    assert arrow == taken
    assert list(counted["sample"]) == ["new"]
    assert "trained before on the same words" in capsys.readouterr().out
    assert other == shards | {"source": "new"}
    for entry in shards["splits"]["train"]["files"]:
        inodes = {one.with_name(entry["name"]).stat().st_ino for one in (path, other_path)}
        assert len(inodes) == 1


@pytest.mark.parametrize(
    ("change", "same"),
    [({}, True), ({"factors": {"a": 2.0, "b": 1.0}}, False), ({"seed": 2}, False), ({"sample_bytes": 9}, False)],
)
def test_a_sample_is_the_same_if_all_but_names_is(change: dict[str, object], same: bool) -> None:
    def made_from(one: str, two: str, **settings: object) -> dict[str, object]:
        sample = {"seed": 1, "sample_bytes": 5, "factors": {one: 1.0, two: 2.0}, "languages": {one: "fi", two: "sv"}}
        return {"sample": sample | settings, "documents": {one: "digest 1", two: "digest 2"}}

    renamed = same_sample(made_from("zeta", "alpha"), made_from("a", "b", **change))
    assert renamed == ({"zeta": "a", "alpha": "b"} if same else None)


def test_a_tokenizer_that_was_touched_is_trained_again(
    tmp_path: Path, raw: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = sampled(tmp_path, "old", raw, monkeypatch)
    tokenizer = tmp_path / "tokenizers" / "t" / "manifest.json"
    first = make_tokenizer(tokenizer_slice("old"), {"old": manifest}, tokenizer)
    path = tokenizer.with_name("tokenizer.json")
    path.write_text(path.read_text().replace("[UNK]", "[XXX]"))
    assert make_tokenizer(tokenizer_slice("old"), {"old": manifest}, tokenizer) == first
    assert "trained before" not in capsys.readouterr().out
