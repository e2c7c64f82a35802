"""How often runs read each source, through all their phases, and when that is warned of."""

import json
from pathlib import Path

import pytest
import yaml

from common.files import write_json
from corpus.rows.listing import FORMAT
from recipe.needs import OwnedPhase
from recipe.reading import load_recipe, read_recipe
from recipe.schema import Recipe
from recipe.slices.making import phase_slice
from tests.model.history.history_cases import phase, stage
from tests.workflow.cli.typed import ROOT, alasin
from workflow.statistics.repetition import ALL, Read, in_words, read_by_phases, read_by_runs
from workflow.statistics.warning import foretold, repeated, told, warning

LONG = (100, None)
SHORT = (0, 100)


def write_index(path: Path, text: str, rows: int, words: tuple[int, int | None] = ALL, part: float = 1.0) -> Path:
    """An index of full rows of 32 slots, 1 piece each, that holds so large a part of its split's ids."""
    content = {"format": FORMAT, "rows": rows, "tokens": rows * 32, "pieces": rows, "min_words": words[0]}
    content |= {"max_words": words[1], "split_ids": round(rows * 30 / part), "parts": [{"sha256": text, "rows": rows}]}
    write_json(path, content)
    return path


def read(folder: Path, first: dict[str, float], second: dict[str, float]) -> dict[str, dict[str, Read]]:
    """What two runs read that share a phase: the first of 3,200 rows, then 1,600 rows by another mixture each."""
    runs: dict[str, list[OwnedPhase]] = {"a": [("a", "p"), ("a", "q")], "b": [("a", "p"), ("b", "q")]}
    contents = [phase(stage(3200 * 32, factors={"one": 1.0, "two": 1.0}))]
    contents += [phase(stage(1600 * 32, factors=factors)) for factors in (first, second)]
    phases = dict(zip([("a", "p"), ("a", "q"), ("b", "q")], contents, strict=True))
    indexes = {(name, "32"): write_index(folder / name / "index.json", name, 800) for name in ("one", "two")}
    by_phases = read_by_phases(runs, phases, dict.fromkeys(phases, indexes))
    assert list(by_phases) == list(phases), "a shared phase is counted once"
    return read_by_runs(runs, by_phases)


def test_epochs_of_a_run_add_up_over_its_phases_and_branches_share_what_is_before(tmp_path: Path) -> None:
    runs = read(tmp_path, {"one": 1.0, "two": 3.0}, {"one": 1.0})
    assert runs["a"]["one"].epochs == pytest.approx(2 + 0.5, abs=0.02)
    assert runs["a"]["two"].epochs == pytest.approx(2 + 1.5, abs=0.02)
    assert runs["b"]["one"].epochs == pytest.approx(2 + 2, abs=0.02)
    assert runs["b"]["two"].epochs == pytest.approx(2, abs=0.02)
    for reads in runs.values():
        assert sum(each.tokens for each in reads.values()) == pytest.approx(4800 * 32)


def test_documents_of_a_range_of_words_are_read_as_the_whole_and_once_more_as_such() -> None:
    whole = Read(1000, 2.0, {ALL: [1000, 2.0]})
    long, short = Read(600, 1.5, {LONG: [600, 6.0]}), Read(30, 0.05, {SHORT: [30, 0.1]})
    every = Read()
    for each in (whole, long, short):
        every.add(each)
    assert (every.tokens, every.epochs) == (1630, 3.55)
    assert every.most() == (8.0, LONG)
    assert every.told()["words"] == [
        {"min_words": 100, "max_words": None, "tokens": 600, "epochs": 6.0},
        {"min_words": 0, "max_words": 100, "tokens": 30, "epochs": 0.1},
    ]
    assert "words" not in whole.told()
    assert [in_words(words) for words in (SHORT, (100, 1000), LONG)] == [
        "fewer than 100 words",
        "100 to 999 words",
        "100 words or more",
    ]


def of(**epochs: float) -> dict[str, Read]:
    return {name: Read(100, each, {ALL: [100, each]}) for name, each in epochs.items()}


def test_each_source_is_named_with_the_run_that_reads_it_most_and_only_beyond_the_limit() -> None:
    runs = {"a": of(one=4.0, two=4.1, three=9.0), "b": of(one=1, two=5.0, three=8.0)}
    found = repeated(runs, 4)
    assert [(each.source, each.run, each.epochs) for each in found] == [("three", "a", 9.0), ("two", "b", 5.0)]
    assert warning(runs, 4).startswith(
        "2 of 3 sources are read more than 4 times in a run: three (9.0 times in a), two (5.0 times in b). "
    )
    assert "arXiv 2305.16264" in warning(runs, 4)
    assert warning(runs, 9) == ""
    assert warning(runs, None) == ""


def test_many_sources_that_are_repeated_on_purpose_are_one_line() -> None:
    runs = {f"run-{run}": of(**{f"s{number}": 30 + run / 10 for number in range(30)}) for run in range(18)}
    sentence = warning(runs, 4)
    assert "s0 (31.7 times in run-17), s1 (31.7 times in run-17), s10 (31.7 times in run-17) and 27 more" in sentence
    assert len(sentence) < 400


def test_long_documents_that_are_read_far_more_often_than_the_rest_are_named_as_such() -> None:
    runs = {"a": {"one": Read(100, 3.0, {ALL: [50, 1.0], LONG: [50, 30.0]}), "two": Read(9, 5, {SHORT: [9, 5.1]})}}
    sentence = warning(runs, 4)
    assert "one (its documents of 100 words or more 31.0 times in a), two (5.0 times in a)." in sentence


def test_what_the_statistics_warn_of_is_told_with_their_path(tmp_path: Path) -> None:
    path = tmp_path / "statistics.json"
    assert told(path) == ""
    path.write_text(json.dumps({"warning": ""}))
    assert told(path) == ""
    path.write_text(json.dumps({"warning": "Too often."}))
    assert told(path) == f"Too often.  ({path})"


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    """The demo's, with the rows that it reads below `results/rows`, of a hundred rows a source and set."""
    made = load_recipe(yaml.safe_load((ROOT / "config" / "demo.yaml").read_text(encoding="utf-8")), "demo")
    for run, name in (("small", "stable"), ("small", "extension"), ("small", "annealing")):
        for each in phase_slice(made, run, name).stages:
            for part in each.components:
                place = tmp_path / "results" / "rows" / "demo" / part.source / "train" / part.rowset / "index.json"
                write_index(place, part.source, 100, part=1 if part.bin is None else 0.5)
    return made


def test_a_recipe_is_warned_of_as_soon_as_its_rows_are_there_and_never_refused(tmp_path: Path, recipe: Recipe) -> None:
    rows = tmp_path / "results" / "rows"
    assert "7 of 13 sources are read more than 4 times in a run" in foretold(recipe, rows)
    checked = alasin("check", str(ROOT / "config/demo.yaml"), "--directory", str(tmp_path))
    assert checked.returncode == 0
    assert foretold(read_recipe(ROOT / "config" / "demo.yaml"), rows) in checked.stdout
    index = rows / "demo" / "faq-sv" / "train" / "128" / "index.json"
    index.write_text("{}")
    assert foretold(recipe, rows) == ""
    index.unlink()
    assert foretold(recipe, rows) == ""
