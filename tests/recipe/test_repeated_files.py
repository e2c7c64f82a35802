"""A file that a source names several times."""

from pathlib import Path

import pytest
import yaml

from corpus.sources.readers import source_files
from recipe.reading import expand_files, load_recipe, repeated_files
from recipe.schema import Source

DEMO = Path(__file__).parents[2] / "config" / "demo.yaml"


def test_a_file_by_several_names_is_called_as_sampling_calls_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("z.jsonl").touch()
    Path("a.jsonl").symlink_to("z.jsonl")
    named = ["z.jsonl", "a.jsonl", f"{tmp_path}/*.jsonl"]
    assert expand_files(Source(language="fi", files=named)) == ["z.jsonl"] == list(map(str, source_files(named)[0]))


def test_the_other_names_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = yaml.safe_load(DEMO.read_text(encoding="utf-8"))
    name = next(iter(content["sources"]))
    content["sources"][name]["files"] = ["z.jsonl", "./z.jsonl"]
    recipe = load_recipe(content, "here")
    monkeypatch.chdir(tmp_path)
    assert repeated_files(recipe) == []
    Path("z.jsonl").touch()
    assert repeated_files(recipe) == [f"sources.{name}.files: ./z.jsonl is z.jsonl by another name; it is read once."]
