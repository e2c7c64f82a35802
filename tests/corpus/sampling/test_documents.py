"""Manifests of documents are found by their source, and told from other files."""

import subprocess
import sys
from pathlib import Path

import pytest

from common.errors import UserError
from common.files import write_json
from corpus.sampling.documents import FORMAT, manifests_by_source, split_texts
from recipe.slices.files import to_json
from recipe.slices.types import SourceSlice


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


def test_no_stage_of_the_corpus_imports_pandas_which_takes_longer_than_a_small_part(tmp_path: Path) -> None:
    raw = tmp_path / "raw.jsonl"
    raw.write_text('{"id": "1", "text": "one text", "score": 1}\n{"text": "another"}\n', encoding="utf-8")
    source = SourceSlice(name="s", seed=1, language="fi", files=[str(raw)], held_out=0)
    (tmp_path / "slice.json").write_text(to_json(source), encoding="utf-8")
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "import corpus.rows.index, corpus.tokens.shards\n"
        "from corpus.sampling.__main__ import main\n"
        "from corpus.sampling.documents import split_texts\n"
        "main()\n"
        "assert len(list(split_texts(Path(sys.argv[4]), 'train'))) == 2\n"
        "assert 'pandas' not in sys.modules\n"
    )
    output = tmp_path / "documents" / "manifest.json"
    command = [sys.executable, "-c", program, "--slice", tmp_path / "slice.json", "--output", output]
    done = subprocess.run(command, cwd=Path(__file__).parents[3], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
