"""Sources that are compared, through the real Snakemake: a source that is added makes nothing before it again."""

import json
import random
from pathlib import Path

import pytest
import yaml

from tests.workflow.test_raw_files import run
from tests.workflow.test_whole_recipe import PLAIN as RECIPE

WHOLE = "results/duplicates/manifest.json"


def write(path: Path, seed: int) -> None:
    rng = random.Random(seed)
    words = [f"sana{n}" for n in range(400)]
    rows = [{"text": " ".join(rng.choices(words, k=40))} for _ in range(60)]
    path.write_text("".join(json.dumps(row) + "\n" for row in [*rows, rows[0], rows[1]]))


def ask(place: Path, names: list[str], **changes: object) -> None:
    model = next(iter(RECIPE["sources"].values()))
    sources = {name: {**model, "files": [f"{name}.jsonl"]} for name in names}
    if "more" in sources:
        sources["more"]["held_out"] = 0
    factors = {"factors": dict.fromkeys(names, 1)}
    recipe = {**RECIPE, "sources": sources, "mixtures": dict.fromkeys(RECIPE["mixtures"], factors), **changes}
    (place / "recipe.yaml").write_text(yaml.safe_dump(recipe, sort_keys=False))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("compared")
    for number, name in enumerate(("one", "two", "more")):
        write(place / f"{name}.jsonl", number)
    (place / "set.jsonl").write_text('{"text": "aivan toinen teksti jota ei ole missään muualla kuin tässä"}\n')
    ask(place, ["one", "two"])
    done = run(place, target=WHOLE)
    assert done.returncode == 0, done.stderr
    return place


def planned(place: Path) -> dict[str, int]:
    done = run(place, "--dry-run", target=WHOLE)
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in (done.stdout + done.stderr).splitlines()]
    return {line[0]: int(line[1]) for line in lines if len(line) == 2 and line[1].isdigit() and line[0] != "total"}


def test_what_is_compared_leads_to_nothing_and_copies_are_gone(place: Path) -> None:
    assert planned(place) == {}
    told = json.loads((place / WHOLE).read_text())
    assert {name: one["left"] + sum(one["dropped"].values()) for name, one in told["sources"].items()} == {
        name: one["sampled"] for name, one in told["sources"].items()
    }
    assert all(one["dropped"]["duplicate"] == 2 for one in told["sources"].values())


def test_a_source_at_the_end_changes_no_manifest_before_it(place: Path) -> None:
    before = {name: (place / f"results/corpus/{name}/manifest.json").stat().st_mtime_ns for name in ("one", "two")}
    ask(place, ["one", "two", "more"])
    assert planned(place) == {"sample": 1, "fingerprints": 1, "survivors": 1}
    done = run(place, target=WHOLE)
    assert done.returncode == 0, done.stderr
    after = {name: (place / f"results/corpus/{name}/manifest.json").stat().st_mtime_ns for name in ("one", "two")}
    assert before == after
    assert set(json.loads((place / WHOLE).read_text())["sources"]) == {"one", "two", "more"}
    assert planned(place) == {}


def test_another_number_that_is_kept_or_an_evaluation_set_samples_nothing_anew(place: Path) -> None:
    names = ["one", "two", "more"]
    ask(place, names, duplicates={"near": {"keep": {1: 1}}})
    assert planned(place) == {"survivors": 1}
    ask(place, names, contamination={"sets": {"task": {"files": ["set.jsonl"]}}})
    assert planned(place) == {"held_out_text": 1, "fingerprints": 3, "survivors": 1}
    ask(place, ["two", "one", "more"])
    assert planned(place) == {"survivors": 1}
