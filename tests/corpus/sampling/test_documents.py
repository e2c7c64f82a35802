"""Manifests of documents are found by their source, and told from other files."""

from pathlib import Path

import pytest

from common.errors import UserError
from common.files import write_json
from corpus.sampling.documents import FORMAT, manifests_by_source, split_texts


def manifest(directory: Path, source: str) -> Path:
    path = directory / f"{source}.json"
    write_json(path, {"format": FORMAT, "source": source, "splits": {}})
    return path


def test_wanted_sources_are_found_in_their_order_and_others_left_out(tmp_path: Path) -> None:
    paths = {source: manifest(tmp_path, source) for source in ("one", "two", "three")}
    found = manifests_by_source(paths.values(), ["three", "one"], "tokenizer t")
    assert list(found.items()) == [("three", paths["three"]), ("one", paths["one"])]


def test_two_manifests_of_one_source_are_refused(tmp_path: Path) -> None:
    path = manifest(tmp_path, "one")
    with pytest.raises(UserError, match="both of source one; give one of them"):
        manifests_by_source([path, path], ["one"], "tokenizer t")


def test_a_source_without_a_manifest_is_named_with_what_is_trained_on_it(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^tokenizer t is trained on two, three too; give it in --documents\.$"):
        manifests_by_source([manifest(tmp_path, "one")], ["two", "one", "three"], "tokenizer t")


def test_another_json_is_no_manifest(tmp_path: Path) -> None:
    write_json(tmp_path / "other.json", {"format": FORMAT, "vocabulary": 300})
    with pytest.raises(UserError, match="not a manifest of documents"):
        manifests_by_source([tmp_path / "other.json"], [], "run r")


def test_a_manifest_of_another_format_gives_no_text(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"format": 1, "vocabulary": 300}')
    with pytest.raises(UserError, match="not a manifest of documents"):
        next(split_texts(tmp_path / "manifest.json", "train"))
