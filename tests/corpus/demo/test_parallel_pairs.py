"""The demo's retrieval: pairs of a string and its translation, no string of the test in the training."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import orjson
import pytest

from corpus.demo.interface_text import parallel
from evaluation.retrieval.tasks import read_task

ROOT = Path(__file__).parents[3]


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """A wheel of 60 integrations, in each two strings of its own, one that all have, a short and an untranslated one."""
    path = tmp_path / "a wheel.whl"
    with zipfile.ZipFile(path, "w") as content:
        for number in range(60):
            for language, word in (("fi", "laite"), ("sv", "enhet"), ("en", "device")):
                strings = {
                    "one": f"{word} {number} ei nyt vastaa",
                    "two": f"{word} {number} on jo valmis",
                    "shared": f"{word} on jo valmiiksi määritetty",
                    "short": f"{word} {number}",
                    "untranslated": "nobody has translated this yet",
                }
                place = f"homeassistant/components/set{number}/translations/{language}.json"
                content.writestr(place, json.dumps(strings))
    return path


def test_each_string_is_in_one_part_with_its_translation(wheel: Path) -> None:
    pairs = parallel(wheel, "fi", "sv")
    every = [pair for part in pairs.values() for pair in part]
    assert all(answer == query.replace("laite", "enhet") for query, answer in every)
    assert len({query for query, _ in every}) == len(every) == 121
    assert all(len(part) > 1 for part in pairs.values())
    assert len(pairs["train"]) > len(pairs["test"]) > len(pairs["dev"])


def test_the_command_writes_a_task_that_is_read_and_pairs_to_train_on(tmp_path: Path, wheel: Path) -> None:
    pairs = parallel(wheel, "fi", "sv")
    contents = []
    for folder in (tmp_path / "it's one", tmp_path / "two"):
        command = [sys.executable, "-m", "corpus.demo.parallel_pairs", "--wheel", wheel, "--output", folder / "train.jsonl"]
        subprocess.run(command, cwd=ROOT, check=True)
        files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        contents.append({path.relative_to(folder): path.read_bytes() for path in files})
    assert contents[0] == contents[1]
    trained = [orjson.loads(line) for line in (tmp_path / "two" / "train.jsonl").read_bytes().splitlines()]
    assert [(row["query"], row["positive"]) for row in trained] == pairs["train"]
    for split in ("dev", "test"):
        task = read_task("t", tmp_path / "two", split)
        found = [(task.queries[query], task.corpus[document]) for query, own in task.relevant.items() for document in own]
        assert found == pairs[split]
