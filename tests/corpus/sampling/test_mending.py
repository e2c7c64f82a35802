"""Texts that sampling mends: as the recipe asks, counted, and the same by any number of processes."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest

from common.files import read_json
from corpus.cleaning.private_data import KINDS
from corpus.sampling.documents import split_texts
from corpus.sources.records import Batch
from recipe.cleaning import Cleaning, PrivateData
from recipe.cleaning_defaults import settled
from recipe.slices.types import SourceSlice

ROOT = Path(__file__).parents[3]
DAMAGED = [
    "P&auml;&auml;t&ouml;s\r\non sitova.",
    "PÃ¤Ã¤tÃ¶s on sitova: soita 040 123 4567 tai 09 123 4567.",
    "a\u0308iti\xad, a.b@c.fi",
    "\x00\x01",
    "Selvä juttu.",
]


def sampled(directory: Path, language: str, cleaning: Cleaning, *more: str) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Return the manifest of a source that the command makes of the damaged texts, and all files beside it."""
    directory.mkdir()
    for number, name in enumerate(("a.jsonl", "b.jsonl")):
        lines = [json.dumps({"text": text, "id": f"{number}{n}"}) + "\n" for n, text in enumerate(DAMAGED[number::2])]
        (directory / name).write_text("".join(lines) * 30)
    source = SourceSlice(
        name="x", seed=1, language=language, files=[f"{directory}/*.jsonl"], held_out=0.0, cleaning=cleaning
    )
    (directory / "slice.json").write_text(source.model_dump_json())
    manifest = directory / "x" / "manifest.json"
    command = [
        sys.executable,
        "-m",
        "corpus.sampling",
        "--slice",
        directory / "slice.json",
        "--output",
        manifest,
        *more,
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    parts = {path.name: path.read_bytes() for path in manifest.parent.glob("*.parquet")}
    return read_json(manifest) | {"texts": list(split_texts(manifest, "train")), "told": done.stdout}, parts


def test_the_command_mends_and_counts_alike_by_one_and_two_processes(tmp_path: Path) -> None:
    cleaning = settled(Cleaning(), "fi")
    made, parts = sampled(tmp_path / "one", "fi", cleaning, "--part-bytes", "1000")
    assert len(parts) > 2
    assert sampled(tmp_path / "two", "fi", cleaning, "--part-bytes", "1000", "--workers", "2")[1] == parts
    assert set(made["texts"]) == {
        "Päätös\non sitova.",
        "Päätös on sitova: soita <PHONE> tai <PHONE>.",
        "äiti, <EMAIL>",
        "Selvä juttu.",
    }
    assert made["changed"] == {
        "repaired: HTML entities": 30,
        "repaired: encoding": 30,
        "repaired: control characters": 60,
        "repaired: soft hyphens": 30,
        "repaired: NFC": 30,
        "replaced: phone": 60,
        "replaced: email": 30,
    }
    assert sum(made["dropped"].values()) == 30
    left = {step["step"]: step["documents"] for step in made["steps"]}
    assert left == {"reading": 150, "repair": 150, "filters": 120, "private data": 120}
    assert "changed: 60 (replaced: phone)" in made["told"]


def test_what_the_recipe_leaves_out_is_not_done(tmp_path: Path) -> None:
    made, _ = sampled(tmp_path / "none", "fi", Cleaning(repair=False, private_data=["email"]))
    assert set(made["texts"]) == {*DAMAGED[:2], DAMAGED[2].replace("a.b@c.fi", "<EMAIL>"), *DAMAGED[3:]}
    assert made["changed"] == {"replaced: email": 30}


@pytest.mark.parametrize(("language", "repair", "kinds"), [("fi", True, list(KINDS)), ("code", False, [])])
def test_what_is_done_by_default_follows_from_the_language(language: str, repair: bool, kinds: list[str]) -> None:
    assert settled(Cleaning(), language) == Cleaning.model_validate({"repair": repair, "private_data": kinds})
    given = Cleaning(repair=not repair, private_data=["phone"])
    assert settled(given, language) == given


def test_the_recipe_names_each_kind_of_private_data() -> None:
    assert get_args(PrivateData) == tuple(KINDS)


def test_a_batch_with_other_texts_counts_their_characters_and_keeps_the_rest() -> None:
    batch = Batch("f")
    batch.add(["sana", "työ", "yö"], [{}, {"a": 1}, {}], [1, 2, 4])
    other = batch.with_texts([batch.texts[0], "työtön".encode(), b""])
    assert (other.characters, other.lines, other.fields[1]) == ([4, 6, 0], [1, 2, 4], {"a": 1})
