"""The whole comparison, from the files of a finished workflow."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from common.errors import UserError
from common.files import read_json, write_json
from evaluation.comparison.__main__ import compare
from evaluation.comparison.reading import read_run
from model.cost import training_flops
from recipe.slices.files import read_slice
from recipe.slices.types import ComparisonSlice, EvaluationSlice
from tests.workflow.finished import RUNS, STEPS, change, finish

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finish(tmp_path_factory.mktemp("finished"))


@pytest.fixture
def results(finished: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copytree(finished, tmp_path / "results"))


def compared(results: Path, **values: Any) -> dict[str, Any]:
    content = read_slice(results / "recipe" / "comparison.json", ComparisonSlice)
    return compare(content.model_copy(update=values), results)


def test_the_command_writes_what_a_rule_declares(finished: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "evaluation.comparison", "--slice", finished / "recipe" / "comparison.json"]
    command += ["--results", finished, "--output", tmp_path / "comparison.json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert "small-fi at 128 tokens: loss" in done.stdout
    found = read_json(tmp_path / "comparison.json")
    assert found == json.loads(json.dumps(compared(finished)))
    assert (found["format"], found["reference"], set(found["runs"])) == (1, "small", set(RUNS))
    assert {line["run"] for line in found["losses"]} == {"small-fi", "small-theta"}


def test_compute_is_that_of_the_whole_way(finished: Path) -> None:
    own = read_slice(finished / "recipe" / "evaluation" / "small-fi.json", EvaluationSlice)
    run = read_run(finished, "small-fi")
    slots = STEPS * len(own.lineage) * 4096
    assert run.slots == slots
    assert run.flops == pytest.approx(slots * training_flops(own.model, 4032, 128, 0.3))
    assert run.process_hours == pytest.approx(STEPS * len(own.lineage) * 0.5 * 2 / 3600)


def test_another_reference_turns_the_differences_round(finished: Path) -> None:
    def whole(reference: str, other: str) -> dict[str, Any]:
        found = compared(finished, reference=reference)
        return next(one for one in found["losses"] if one["run"] == other and one["language"] is None)

    one, turned = whole("small", "small-fi"), whole("small-fi", "small")
    assert one["difference"] == -turned["difference"]
    assert (one["verdict"], turned["verdict"]) == ("better", "worse")


def test_results_without_rows_are_told_and_no_error(results: Path) -> None:
    path = results / "evaluation" / "small-fi" / "mlm.json"
    rows = [{key: value for key, value in row.items() if key != "each"} for row in read_json(path)["rows"]]
    change(path, rows=rows)
    found = compared(results)
    assert list(found["incomparable"]) == ["small-fi"]
    assert {line["run"] for line in found["losses"]} == {"small-theta"}
    assert set(found["quality"]["losses"]) == {"small", "small-theta"}
    none = compared(results, reference="small-fi")
    assert (none["losses"], none["quality"], none["seed_spread"]) == ([], None, None)


def test_a_run_of_another_tokenizer_is_compared_in_bits_per_byte(results: Path) -> None:
    path = results / "evaluation" / "small-fi" / "mlm.json"
    change(path, measured_on=read_json(path)["measured_on"] | {"tokenizer": "0" * 64})
    found = compared(results)
    assert "another tokenizer than small" in found["incomparable"]["small-fi"]
    assert {one["run"] for one in found["losses"]} == {"small-theta"}
    assert [one["run"] for one in found["bits_per_byte"]] == ["small-fi"] * 6
    assert found["bits_per_byte"][0]["loss"] == 2.164
    change(results / "evaluation" / "small-fi" / "pseudo_perplexity.json", rows=[{"source": None}])
    with pytest.raises(UserError, match="holds no pseudo-perplexities"):
        compared(results)


def test_runs_of_one_group_are_seeds_of_one_another(finished: Path) -> None:
    found = compared(finished, runs={"small": "small", "small-fi": "small-fi", "small-theta": "small"})
    assert found["runs"]["small"]["seeds"] == ["small", "small-theta"]
    assert {line["run"] for line in found["losses"]} == {"small-fi"}
    assert found["seed_spread"]["groups"] == 1


def test_tasks_are_compared_on_the_same_queries_and_examples(results: Path) -> None:
    everywhere = {"small": 0.0, "small-fi": 0.05}
    retrieval = results / "evaluation" / "retrieval" / "interface-fi-sv"
    understanding = results / "evaluation" / "understanding" / "topic"
    for run, more in everywhere.items():
        content = read_json(retrieval / "small.json")
        scores = {query: score + more for query, score in content["scores"].items()}
        write_json(retrieval / f"{run}.json", content | {"system": run, "scores": scores})
        if run != "small":
            write_json(understanding / f"{run}.json", read_json(understanding / "small.json") | {"system": run})
    asked = {"retrieval": {"interface-fi-sv": list(everywhere)}, "understanding": {"topic": list(everywhere)}}
    searched, sorted_ = compared(results, **asked)["tasks"]
    assert (searched["kind"], searched["run"], searched["verdict"]) == ("retrieval", "small-fi", "better")
    assert searched["difference"] == pytest.approx(0.05)
    assert searched["interval"] == pytest.approx([0.05, 0.05])
    assert (sorted_["kind"], sorted_["difference"], sorted_["verdict"]) == ("understanding", 0.0, "unclear")
    change(understanding / "small-fi.json", metric="accuracy")
    assert "another metric" in compared(results, **asked)["tasks"][1]["incomparable"]
    write_json(retrieval / "small-fi.json", {"unmeasured": "the hub is out of reach"})
    assert [line["kind"] for line in compared(results, **asked)["tasks"]] == ["understanding"]
    write_json(retrieval / "small-fi.json", {"value": 1})
    with pytest.raises(UserError, match="is no result of retrieval"):
        compared(results, **asked)


def test_data_sets_of_euroeval_are_compared_over_their_iterations(results: Path) -> None:
    folder = results / "evaluation" / "euroeval" / "squad"
    values = [60.0, 64.0, 70.0]
    for run, more in (("small", 0.0), ("small-fi", 2.0)):
        scores = [value + more for value in values]
        measured = {"metric": "f1", "value": sum(scores) / 3, "values": scores, "iterations": 3, "examples": 256}
        write_json(folder / f"{run}.json", measured | {"system": run, "task": "squad"})
    asked = {"retrieval": {}, "understanding": {}, "euroeval": {"squad": ["small", "small-fi"]}}
    (line,) = compared(results, **asked)["tasks"]
    assert (line["kind"], line["run"], line["verdict"]) == ("euroeval", "small-fi", "better")
    assert (line["difference"], line["interval"], line["examples"]) == (2.0, [2.0, 2.0], 256)
    change(folder / "small-fi.json", iterations=2)
    assert "other iterations" in compared(results, **asked)["tasks"][0]["incomparable"]


def test_a_file_that_lacks_something_is_named(results: Path) -> None:
    (results / "runs" / "small" / "stable" / "metrics.jsonl").write_text("{}\n")
    with pytest.raises(UserError, match=r"metrics\.jsonl holds no steps of training"):
        compared(results)
