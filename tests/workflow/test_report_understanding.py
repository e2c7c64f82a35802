"""What report and cards tell of understanding: a table a task, bold where the intervals allow, what is absent."""

import shutil
from pathlib import Path
from typing import get_args

import pytest

from common.errors import UserError
from common.files import read_json, write_json
from common.summed_scores import SCORES
from recipe.understanding import TaskKind
from tests.workflow.finished import RUNS, change
from workflow.report.html import render
from workflow.report.results import Results
from workflow.report.understanding import HUB_TYPES, METRICS


def folder(results: Path, task: str = "topic") -> Path:
    return results / "evaluation" / "understanding" / task


def section(page: str) -> str:
    return page.partition('<section id="understanding">')[2].partition("</section>")[0]


def test_each_kind_of_task_and_each_metric_has_a_name_for_readers() -> None:
    assert HUB_TYPES.keys() == set(get_args(TaskKind))
    assert METRICS.keys() == SCORES.keys()


def test_understanding_has_a_table_a_task_and_bold_where_a_system_is_surely_best(page: str, results: Path) -> None:
    table = section(page)
    assert "classification, en: 30 examples to learn from, 20 to be measured on." in table
    assert "Without an encoder, a guess reaches 0.3333." in table
    first = '<th scope="row">small</th><td><b>0.9000</b></td><td>0.4000 to 0.9000</td><td>0.900 0.900</td>'
    assert f"{first}<td>0.9000</td><td>0.0005</td>" in table
    assert '<th scope="row">untrained, the shape of small</th><td>0.5500</td>' in table
    assert table.count("<b>") == 2
    better = read_json(folder(results) / "small.json")["counts"]
    change(folder(results) / "small.untrained.json", counts=better)
    assert section(render(Results(results), "t", RUNS)).count("<b>") == 1


def test_what_is_reached_with_less_text_and_by_distance_is_told_where_it_was_measured(results: Path) -> None:
    assert "given only the first tokens" not in section(render(Results(results), "t", RUNS))
    score = {"value": 0.25, "interval": [0.125, 0.5], "values": [0.25, 0.25]}
    given = [{"tokens": tokens, **score} for tokens in (512, 4096)]
    change(folder(results) / "small.json", given=given, distance=[{"from": 512, "below": 4096, "examples": 7, **score}])
    page = section(render(Results(results), "t", RUNS))
    assert '<th scope="col">512<small>tokens</small></th><th scope="col">4,096<small>tokens</small></th>' in page
    cell = "<td>0.250 <small>0.125 to 0.500{}</small></td>"
    assert f'<th scope="row">small</th>{cell.format("") * 2}</tr>' in page
    assert '<th scope="row">untrained, the shape of small</th><td>–</td><td>–</td></tr>' in page
    assert '<th scope="col">512 to 4,095<small>tokens</small></th>' in page
    assert f'<th scope="row">small</th>{cell.format(", of 7")}</tr>' in page


def test_what_could_not_be_measured_is_told_beside_the_others(results: Path) -> None:
    facts = {name: read_json(folder(results) / "small.json")[name] for name in ("system", "task", "kind", "language")}
    write_json(folder(results) / "small.json", facts | {"format": 1, "unmeasured": "It needs the hub."})
    page = section(render(Results(results), "t", RUNS))
    assert "Not measured: small. It needs the hub." in page
    assert '<th scope="row">untrained, the shape of small</th><td>0.5500</td>' in page


def test_what_an_earlier_recipe_left_is_not_shown_and_without_tasks_there_is_no_section(results: Path) -> None:
    old = read_json(folder(results) / "small.json")
    write_json(folder(results) / "gone.json", old | {"system": "gone"})
    write_json(folder(results, "gone-task") / "small.json", old | {"task": "gone-task"})
    assert "gone" not in section(render(Results(results), "t", RUNS))
    shutil.rmtree(results / "evaluation" / "understanding")
    assert 'id="understanding"' not in render(Results(results), "t", RUNS)


def test_a_damaged_result_and_results_of_different_examples_are_told(results: Path) -> None:
    short = [own[:10] for own in read_json(folder(results) / "small.json")["counts"]]
    change(folder(results) / "small.json", counts=short)
    with pytest.raises(UserError, match="topic: the systems were scored on different examples; delete its results"):
        render(Results(results), "t", RUNS)
    change(folder(results) / "small.json", metric="accuracy")
    with pytest.raises(UserError, match="the results of topic have different metrics"):
        render(Results(results), "t", RUNS)
    write_json(folder(results) / "small.json", {})
    with pytest.raises(UserError, match=r"small\.json is no result of a task"):
        render(Results(results), "t", RUNS)
