"""A source on the hub, through Snakemake: a dry run asks nobody, a fetch is one local job, what was fetched may go."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from common.files import read_json
from tests.corpus.hub.server import Hub, serving
from tests.workflow.test_whole_recipe import PLAIN as RECIPE
from tests.workflow.test_whole_recipe import ROOT

COMMIT = "c" * 40
ADDRESS = "hf://datasets/org/set/*.jsonl"
FIRST, SECOND = RECIPE["sources"]


class Place:
    """A directory with a recipe whose first source is on a hub."""

    def __init__(self, directory: Path, hub: Hub) -> None:
        self.directory, self.hub = directory, hub
        self.name(FIRST)

    def name(self, source: str) -> None:
        """Write the recipe, with this name for the first source."""
        names = {FIRST: source, SECOND: SECOND}
        sources = {names[name]: settings for name, settings in RECIPE["sources"].items()}
        sources[source] = sources[source] | {"files": [ADDRESS]}
        mixtures = {
            mixture: {"factors": {names[name]: factor for name, factor in content["factors"].items()}}
            for mixture, content in RECIPE["mixtures"].items()
        }
        recipe = {**RECIPE, "sources": sources, "mixtures": mixtures}
        (self.directory / "recipe.yaml").write_text(yaml.safe_dump(recipe))
        self.manifest = self.directory / f"results/corpus/{source}/sampled.json"

    def run(self, *options: str) -> str:
        """Let Snakemake sample the source; return what it said."""
        command = [sys.executable, "-m", "snakemake", "--snakefile", ROOT / "Snakefile", "--cores", "1", "--nolock"]
        command += ["--configfile", self.directory / "recipe.yaml", "--directory", self.directory]
        command += ["--show-failed-logs", "--rerun-triggers", "mtime", "input", *options]
        command += ["--", self.manifest.relative_to(self.directory)]
        environment = os.environ | {"HF_ENDPOINT": self.hub.endpoint, "HF_HOME": str(self.directory / "home")}
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stderr + done.stdout


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """The directory, and the hub as long as it is asked."""
    directory = tmp_path_factory.mktemp("hub")
    lines = [json.dumps({"text": f"document {n} says {n * n}"}) + "\n" for n in range(80)]
    files = {"b.jsonl": "".join(lines[40:]).encode(), "a.jsonl": "".join(lines[:40]).encode()}
    (directory / f"{SECOND}.jsonl").write_text("".join(lines))
    with serving(Hub(commits={COMMIT: files}, revisions={"main": COMMIT})) as hub:
        yield Place(directory, hub)


def test_a_dry_run_asks_nobody_and_a_run_fetches_once_and_samples(place: Place) -> None:
    planned = place.run("-n")
    assert "hub_files" in planned
    assert not place.hub.asked
    assert place.hub.questions == 0
    place.run()
    (listed,) = (place.directory / "results/hub").glob("*.json")
    assert [(one["name"], one["commit"]) for one in read_json(listed)["files"]] == [
        ("a.jsonl", COMMIT),
        ("b.jsonl", COMMIT),
    ]
    assert read_json(place.manifest)["read"] == 80
    assert len(place.hub.asked) == 2


def test_what_was_fetched_may_go_and_the_source_may_get_another_name(place: Place) -> None:
    shutil.rmtree(place.directory / "text")
    assert "Nothing to be done" in place.run()
    place.name("latest")
    place.run()
    assert read_json(place.manifest)["source"] == "latest"
    assert len(place.hub.asked) == 2


def test_a_list_of_files_that_are_gone_is_told_by_whoever_would_read_them(place: Place) -> None:
    (listed,) = (place.directory / "results/hub").glob("*.json")
    source = place.directory / "results/recipe/source/latest.json"
    command = [sys.executable, "-m", "corpus.sampling", "--slice", source, "--output", place.directory / "x/m.json"]
    for more, told in (([], "fetch it with `python -m corpus.hub`"), (["--hub", listed], f"delete {listed}, and it")):
        done = subprocess.run([*command, *more], capture_output=True, text=True, cwd=place.directory, env=_here())
        assert done.returncode == 1
        assert told in done.stderr


def _here() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT)}
