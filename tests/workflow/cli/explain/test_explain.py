"""`alasin explain` against the real Snakemake: why files would be made again, and that nothing is written."""

from __future__ import annotations

import copy
import json
import os
import shutil
import subprocess
import sys
from base64 import urlsafe_b64encode
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest
import yaml

from common.files import sha256_of, write_json
from common.locks import try_lock
from corpus.rows.listing import FORMAT as ROWS_FORMAT
from corpus.sampling.origins import slice_digest, write_origins
from model.history.plan import plan_of
from model.history.position import Position
from model.history.store import load_state, pointed_directory, write_pointer
from recipe.reading import expand_files, load_recipe
from recipe.slices.making import phase_slice, source_slice
from tests.model.history.history_cases import TOKENIZER, write, write_index
from tests.workflow.cli.typed import ROOT, alasin
from workflow.cli.explain.dry_run import planned
from workflow.cli.run import snakemake_arguments

STAGE = {
    "length": 64,
    "tokens": 32_000,
    "batch": {"tokens": 640},
    "learning_rate": {"peak": 3e-3},
    "rope_theta": 10_000,
    "mixture": "base",
}
RECIPE: dict[str, Any] = {
    "title": "A tiny recipe",
    "sources": {
        "en": {"language": "en", "files": ["text/en-*.jsonl"]},
        "la": {"language": "la", "files": ["../la.jsonl"]},
    },
    "tokenizers": {"tiny": {"vocabulary": 600, "sample_bytes": 200_000, "mixture": "base"}},
    "models": {"tiny": {"tokenizer": "tiny", "layers": 2, "hidden": 32, "heads": 2, "intermediate": 48}},
    "mixtures": {"base": {"factors": {"en": 1, "la": 1}}, "late": {"factors": {"en": 2, "la": 1}}},
    "phases": {"stable": {"stages": [STAGE]}, "annealing": {"stages": [STAGE | {"mixture": "late"}]}},
    "runs": {"one": {"model": "tiny", "phases": ["stable", "annealing"]}},
    "evaluation": {"lengths": [64]},
}
MODEL = "results/models/one/config.json"
CHECKPOINT = "results/runs/one/annealing/checkpoint.json"


class Place:
    """A working directory, and a recipe that a test may change."""

    def __init__(self, above: Path) -> None:
        self.directory = above / "work it's"
        self.recipe = copy.deepcopy(RECIPE)

    @property
    def path(self) -> Path:
        path = self.directory.parent / "mine.yaml"
        path.write_text(yaml.safe_dump(self.recipe), encoding="utf-8")
        return path

    def everything(self) -> dict[str, Any]:
        """Each file's content and time of change; a directory's time as well, for what comes and goes in it."""
        return {
            str(path): (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else None)
            for path in sorted(self.directory.rglob("*"))
        }

    def explain(self, file: str = MODEL, status: int = 0) -> str:
        """Ask why a file would be made, and see that asking has changed nothing."""
        path, before = self.path, self.everything()
        told = alasin("explain", file, "--configfile", str(path), "--directory", str(self.directory))
        assert told.returncode == status, told.stdout + told.stderr
        assert self.everything() == before
        return told.stderr if status else told.stdout

    def dry_run(self, *arguments: str) -> str:
        """Return what `alasin run -n` tells."""
        told = alasin("run", str(self.path), "-n", "--directory", str(self.directory), *arguments)
        assert told.returncode == 0, told.stderr
        return told.stdout

    def snakemake(self, *arguments: str) -> None:
        program = [str(Path(sys.executable).with_name("snakemake")), *snakemake_arguments([str(self.path)])]
        command = [*program, "--directory", str(self.directory), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def file(self, name: str) -> Path:
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def train(self, phase: str, first: int, steps: int = 50) -> None:
        """Leave in a phase's folder what its rows and some steps leave, as far as it is looked at."""
        content = phase_slice(load_recipe(self.recipe, "recipe"), "one", phase)
        results = self.directory / "results"
        folder = results / "runs/one" / phase
        parts = [part for stage in content.stages for part in stage.components]
        indexes = {
            (part.source, part.rowset): write_index(results / "rows", part.source, part.source, part.rowset)
            for part in parts
        }
        sets = [
            {"source": source, "rowset": rowset, "index": os.path.relpath(index, folder), "sha256": sha256_of(index)}
            for (source, rowset), index in indexes.items()
        ]
        write_json(folder / "rows.json", {"format": ROWS_FORMAT, "sets": sets})
        write_json(results / "tokenizers/tiny/manifest.json", TOKENIZER)
        before = None
        if first > 1:
            before = Position.read(
                load_state(pointed_directory(results / "runs/one/stable/checkpoint.json"))["position"]
            )
        last = write(folder, plan_of(content, indexes, TOKENIZER, before), first + steps - 1)
        write_pointer(folder / "checkpoint.json", last, {})
        row = {"batch_rows": 10, "length": 64, "step_seconds": 2.0, "tokens_per_second": 300, "loss": 5.0}
        rows = [row | {"step": first + step, "phase_slots": 640 * (step + 1)} for step in range(steps)]
        (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in rows))


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory in which, as Snakemake's records say, all is made."""
    place = Place(tmp_path_factory.mktemp("explain"))
    for name in ("text/en-1.jsonl", "text/en-2.jsonl", "../la.jsonl"):
        place.file(name).write_text('{"text": "anvil"}\n')
    with chdir(place.directory):
        for name, source in (recipe := load_recipe(place.recipe, "recipe")).sources.items():
            digest = slice_digest(source_slice(recipe, name))
            files = list(map(Path, expand_files(source)))
            Path(f"results/corpus/{name}").mkdir(parents=True)
            write_origins(Path(f"results/corpus/{name}/manifest.json"), files, digest)
    for job in planned("all", snakemake_arguments([str(place.path)]), place.directory):
        for name in job.output:
            path = place.file(name)
            path.mkdir() if name == "results/figures" else path.write_text(json.dumps(name))
    place.train("stable", 1)
    place.train("annealing", 51)
    place.snakemake("--touch", "--forceall")
    return place.directory.parent


@pytest.fixture
def place(done: Path, tmp_path: Path) -> Place:
    return Place(Path(shutil.copytree(done, tmp_path / "copy")))


def test_a_finished_file_has_nothing_to_be_done_and_is_named_from_here_or_from_there(place: Place) -> None:
    assert place.explain() == f"{MODEL}: nothing to be done.\n"
    assert place.explain(str(place.directory / MODEL)) == f"{MODEL}: nothing to be done.\n"
    assert place.explain("all") == "all: nothing to be done.\n"


def test_a_longer_stage_goes_on_and_those_after_it_are_trained_anew_and_it_says_what_is_set_aside(place: Place) -> None:
    place.recipe["phases"]["stable"]["stages"][0]["tokens"] = 64_000
    assert place.explain() == (
        f"{MODEL} would be made again by 3 jobs; 32k trained slots would be set aside (one/annealing):\n"
        "  Training one, phase stable\n"
        "      its slice of the recipe differs: stages[0].tokens 32000 -> 64000\n"
        "      goes on from step 50: 32k of 64k slots are trained\n"
        "  Training one, phase annealing\n"
        "      results/runs/one/stable/checkpoint.json is made again\n"
        "      trained anew: 32k slots, about 1 min at the speed it had\n"
        "      50 steps (32k slots) go to results/runs/one/annealing/superseded\n"
        "  Exporting one for transformers\n"
        "      results/runs/one/annealing/checkpoint.json is made again\n"
    )


def test_a_dry_run_tells_what_of_a_phase_is_trained_and_would_be_set_aside(place: Place) -> None:
    place.recipe["phases"]["stable"]["stages"][0]["tokens"] = 64_000
    told = place.dry_run("--", CHECKPOINT)
    assert told.startswith(
        "Training one, phase stable\n"
        "    Updated input files: results/recipe/phase/one.stable.json\n"
        "    goes on from step 50: 32k of 64k slots are trained\n"
        "Training one, phase annealing\n"
    )
    assert told.endswith(
        "2 steps would be done, and nothing was.\n32k trained slots would be set aside (one/annealing).\n"
    )


def test_a_forced_phase_that_is_trained_says_that_nothing_would_be_and_what_to_delete(place: Place) -> None:
    told = place.dry_run("--forcerun", "train", "--", CHECKPOINT)
    kept = "its 32k slots are kept: only checkpoint.json is written. To train it anew, delete "
    assert f"    {kept}finished.json and checkpoints in results/runs/one/stable\n" in told
    assert "set aside" not in told


def test_a_recipe_that_snakemake_has_looked_at_already_is_compared_with_the_checkpoint(place: Place) -> None:
    place.recipe["mixtures"]["late"]["factors"]["en"] = 3
    place.snakemake("--dry-run")
    told = place.explain()
    assert "its slice of the recipe has changed since it was made" not in told
    assert "its slice of the recipe differs: stages[0].components[en].factor 2.0 -> 3.0" in told
    assert "phase stable" not in told


def test_a_file_that_is_gone_costs_only_itself(place: Place) -> None:
    (place.directory / MODEL).unlink()
    told = place.explain()
    assert told.startswith(f"{MODEL} would be made by 1 job:\n")
    assert f"{MODEL} is not there" in told


def test_a_phase_in_the_middle_goes_on(place: Place) -> None:
    shutil.rmtree(place.directory / "results/runs/one/annealing/checkpoints")
    place.train("annealing", 51, steps=25)
    (place.directory / CHECKPOINT).unlink()
    assert "goes on from step 75: 16k of 32k slots are trained" in place.explain(CHECKPOINT)
    place.recipe["phases"]["annealing"]["stages"][0]["learning_rate"] = {"peak": 1e-3}
    told = place.explain(CHECKPOINT)
    assert "its checkpoint is of another slice of the recipe: stages[0].learning_rate.peak 0.003 -> 0.001" in told
    assert "16k trained slots would be set aside (one/annealing)" in told


def test_what_another_run_has_trained_is_told_with_the_run(place: Place) -> None:
    place.recipe["runs"]["two"] = {"model": "tiny", "phases": ["stable"]}
    shutil.copytree(place.directory / "results/runs/one/stable", place.directory / "results/runs/two/stable")
    rows = place.directory / "results/runs/two/stable/rows.json"
    place.snakemake("--touch", str(rows.relative_to(place.directory)))
    for left in ("checkpoints", "checkpoint.json", "metrics.jsonl"):
        path = rows.with_name(left)
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    told = place.explain("results/runs/two/stable/checkpoint.json")
    assert "its 32k slots of results/runs/one/stable are kept: only checkpoint.json is written" in told
    assert "set aside" not in told


def test_changed_text_is_named_and_training_is_kept_if_the_rows_come_out_as_before(place: Place) -> None:
    (place.directory / "../la.jsonl").write_text('{"text": "incus"}\n')
    told = place.explain()
    assert "../la.jsonl was replaced by a newer one" in told
    assert "where you want that, delete results/corpus/la/sampled.json" in told
    assert "; 64k trained slots are at stake (one/stable, one/annealing):\n" in told
    assert "50 steps (32k slots) are kept as far as what is made again before it comes out as it was" in told
    assert "set aside" not in told


def test_text_that_is_only_touched_is_read_for_what_it_says(place: Place) -> None:
    os.utime(place.directory / "text/en-1.jsonl")
    assert "nothing to be done" in place.explain()


def test_a_file_less_or_more_is_named(place: Place) -> None:
    (place.directory / "text/en-2.jsonl").rename(place.directory / "text/en-3.jsonl")
    told = place.explain("results/corpus/en/manifest.json")
    assert "text/en-3.jsonl was not there" in told
    (place.directory / "text/en-3.jsonl").unlink()
    assert "nothing to be done" in place.explain("results/corpus/en/manifest.json")


def test_half_written_files_and_changed_parameters_are_told(place: Place) -> None:
    name = urlsafe_b64encode(b"results/models/one/README.md").decode()
    (place.directory / ".snakemake/incomplete" / name).touch()
    told = place.explain("results/report.html")
    assert "results/models/one/README.md may be half written: the job that made it did not end" in told
    (place.directory / ".snakemake/incomplete" / name).unlink()
    place.recipe["title"] = "Another; title"
    told = place.explain("results/report.html")
    assert told.startswith("results/report.html would be made again by 1 job:\n")
    assert "its parameters have changed: 'A tiny recipe' -> 'Another; title'" in told


def test_a_new_source_is_new_to_the_recipe(place: Place) -> None:
    place.recipe["sources"]["more"] = {"language": "fi", "files": ["text/en-1.jsonl"]}
    told = place.explain("results/corpus/more/sampled.json")
    assert "results/corpus/more/sampled.json is not there" in told


def test_a_file_that_the_recipe_does_not_make_is_answered_with_the_nearest(place: Place) -> None:
    told = place.explain("results/models/on/config.json", status=1)
    assert told == f"error: {place.path} makes no results/models/on/config.json; did you mean {MODEL}?\n"


def test_a_snakemake_at_work_is_told_and_not_disturbed(place: Place) -> None:
    lock = try_lock(place.directory / ".alasin.lock")
    assert lock is not None
    assert f"Snakemake is at work there now (pid {os.getpid()} on " in place.explain()
    lock.release()


def test_an_empty_directory_is_not_even_made(tmp_path: Path) -> None:
    directory = tmp_path / "not there"
    told = alasin("explain", "all", "--configfile", "config/demo.yaml", "--directory", str(directory), cwd=ROOT)
    assert told.returncode == 0, told.stderr
    assert "all would be made by 112 jobs:" in told.stdout
    assert told.stdout.count("      and 12 more like it\n") == 3
    assert not directory.exists()
