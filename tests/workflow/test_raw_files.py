"""Raw files of a finished source: they may go, and a change of them stops the run before any job."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from tests.workflow.test_whole_recipe import PLAIN as RECIPE
from tests.workflow.test_whole_recipe import ROOT

SOURCE = next(iter(RECIPE["sources"]))
MANIFEST = f"results/corpus/{SOURCE}/sampled.json"


def write(path: Path, first: int) -> None:
    path.write_text(
        "".join(json.dumps({"text": f"document {n} says {n * n}"}) + "\n" for n in range(first, first + 60))
    )


def run(place: Path, *options: str, target: str = MANIFEST) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "snakemake", "--snakefile", ROOT / "Snakefile", "--cores", "1", "--nolock"]
    command += ["--configfile", place / "recipe.yaml", "--directory", place, "--rerun-triggers", "mtime", "input"]
    return subprocess.run([*command, *options, "--", target], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def sampled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory in which two files of one source have been sampled."""
    place = tmp_path_factory.mktemp("raw")
    sources = {name: {**source, "files": [f"{name}-*.jsonl"]} for name, source in RECIPE["sources"].items()}
    for name in sources:
        write(place / f"{name}-1.jsonl", 0)
        write(place / f"{name}-2.jsonl", 1000)
    (place / "recipe.yaml").write_text(yaml.safe_dump({**RECIPE, "sources": sources}))
    done = run(place)
    assert done.returncode == 0, done.stderr
    return place


def test_raw_files_that_are_gone_or_were_touched_lead_to_nothing(sampled: Path) -> None:
    first, second = (sampled / f"{SOURCE}-{number}.jsonl" for number in (1, 2))
    os.utime(first)
    second.rename(sampled / "elsewhere")
    done = run(sampled)
    assert done.returncode == 0, done.stderr
    assert "Nothing to be done" in done.stderr
    (sampled / "elsewhere").rename(second)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda path: write(path.with_name(f"{SOURCE}-3.jsonl"), 5), f"{SOURCE}-3.jsonl was not there"),
        (lambda path: write(path, 0), "has"),
        (lambda path: path.write_text(path.read_text().replace("document", "dokument")), "replaced by a newer one"),
    ],
)
def test_files_that_are_others_stop_the_run_and_a_dry_run_tells(sampled: Path, change, told: str) -> None:
    path = sampled / f"{SOURCE}-2.jsonl"
    before, status = path.read_bytes(), path.stat()
    change(path)
    time.sleep(0.01)
    tokenizer = f"results/tokenizers/{next(iter(RECIPE['tokenizers']))}/manifest.json"
    for options in ([], ["-n"]):
        done = run(sampled, *options, target=tokenizer)
        assert done.returncode == (0 if options else 1), done.stderr
        assert not (sampled / tokenizer).exists()
        words = done.stderr + done.stdout
        assert f"the files of source {SOURCE} are not those that were sampled" in words
        assert told in words
        assert f"delete {MANIFEST} to sample them anew" in words
    (sampled / f"{SOURCE}-3.jsonl").unlink(missing_ok=True)
    path.write_bytes(before)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert "not those that were sampled" not in run(sampled).stderr


def test_an_older_file_in_its_place_is_told_as_one(sampled: Path) -> None:
    path = sampled / f"{SOURCE}-1.jsonl"
    before, status = path.read_bytes(), path.stat()
    path.write_bytes(before.replace(b"document", b"dokument"))
    os.utime(path, ns=(0, 0))
    assert "was replaced by an older one" in run(sampled).stderr
    path.write_bytes(before)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_a_deleted_manifest_accepts_the_change(sampled: Path) -> None:
    write(sampled / f"{SOURCE}-3.jsonl", 5000)
    (sampled / MANIFEST).unlink()
    done = run(sampled)
    assert done.returncode == 0, done.stderr
    assert json.loads((sampled / MANIFEST).read_text())["read"] == 180
    origins = json.loads((sampled / MANIFEST).with_name("origins.json").read_text())
    assert [Path(entry["path"]).name for entry in origins["files"]] == [f"{SOURCE}-{n}.jsonl" for n in (1, 2, 3)]


def test_a_source_that_is_renamed_needs_no_raw_files_and_two_that_change_names_lose_nothing(tmp_path: Path) -> None:
    one, other = list(RECIPE["sources"])[:2]
    sources = {name: {**RECIPE["sources"][name], "files": [f"{name}-*.jsonl"]} for name in (one, other)}
    for number, name in enumerate(sources):
        write(tmp_path / f"{name}-1.jsonl", 1000 * number)
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump({**RECIPE, "sources": sources}))
    manifests = {name: f"results/corpus/{name}/sampled.json" for name in sources}
    for manifest in manifests.values():
        assert run(tmp_path, target=manifest).returncode == 0
    for name in sources:
        (tmp_path / f"{name}-1.jsonl").unlink()
    kept = {name: (tmp_path / manifest).read_bytes() for name, manifest in manifests.items()}

    swapped = yaml.safe_dump({**RECIPE, "sources": {one: sources[other], other: sources[one]}})
    (tmp_path / "recipe.yaml").write_text(swapped)
    refused = run(tmp_path, target=manifests[one])
    assert refused.returncode == 1
    assert f"{other}-*.jsonl" in refused.stderr
    assert {name: (tmp_path / manifest).read_bytes() for name, manifest in manifests.items()} == kept

    renamed = json.loads(json.dumps(RECIPE).replace(f'"{one}":', '"called-so":'))
    renamed |= {"sources": {"called-so": sources[one], other: sources[other]}, "evaluation": RECIPE["evaluation"]}
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(renamed))
    done = run(tmp_path, target="results/corpus/called-so/sampled.json")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "results/corpus/called-so/sampled.json").read_text())["source"] == "called-so"
