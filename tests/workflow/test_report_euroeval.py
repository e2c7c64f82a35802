"""What report and cards tell of EuroEval: a table a data set, bold where the iterations allow, what is absent."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from common.errors import UserError
from common.files import read_json, write_json
from tests.workflow.finished import RUNS
from workflow.report import euroeval
from workflow.report.card import render as card
from workflow.report.euroeval import surely_best
from workflow.report.html import render
from workflow.report.results import Results

BETTER, WORSE = [61.0, 70.0, 64.0, 68.0], [41.0, 50.0, 45.0, 47.0]


def one(system: str, values: list[float], **changed: Any) -> dict[str, Any]:
    """A result of the real format."""
    mean = sum(values) / len(values)
    facts = {"format": 1, "system": system, "task": "scala-fi", "kind": "linguistic-acceptability", "language": "fi"}
    measured = {"metric": "mcc", "value": mean, "interval": [mean - 3, mean + 3], "values": values, "confidence": 0.95}
    also = {"macro_f1": {"value": mean + 1, "interval": [mean - 2, mean + 4], "values": values}}
    how = {"untrained": False, "tokens_read": 512, "examples": {"train": 1024, "dev": 256}, "euroeval": "16.11.0"}
    return facts | measured | {"iterations": len(values), "examples": 2048, "also": also, "how": how} | changed


@pytest.fixture
def measured(results: Path) -> Path:
    """The finished results, with a data set of EuroEval that was measured and one that was out of reach."""
    recipe = read_json(results / "recipe" / "recipe.json")
    recipe["evaluation"]["euroeval"] |= {"datasets": ["scala-fi", "squad"], "runs": ["small"]}
    write_json(results / "recipe" / "recipe.json", recipe)
    folder = results / "evaluation" / "euroeval"
    write_json(folder / "scala-fi" / "small.json", one("small", BETTER))
    write_json(folder / "scala-fi" / "small.untrained.json", one("small.untrained", WORSE))
    for system in ("small", "small.untrained"):
        absent = {"format": 1, "system": system, "task": "squad", "unmeasured": "squad needs the <hub>."}
        write_json(folder / "squad" / f"{system}.json", absent)
    return results


def test_a_data_set_has_a_table_with_the_surely_best_in_bold_and_what_is_absent_is_told(measured: Path) -> None:
    page = render(Results(measured), "t", RUNS)
    part = page.partition('<section id="euroeval">')[2].partition("</section>")[0]
    rows = re.findall(r'<tr>(<th scope="row".*?)</tr>', part)
    assert [re.sub("<[^>]+>", " ", row).split()[:3] for row in rows] == [
        ["small", "65.75", "62.75"],
        ["untrained,", "the", "shape"],
    ]
    assert "<b>65.75</b>" in rows[0]
    assert "<b>" not in rows[1]
    assert "61.0 70.0 64.0 68.0" in rows[0]
    assert "4 iterations of EuroEval 16.11.0" in part
    assert "Not measured: small; untrained, the shape of small. squad needs the &lt;hub&gt;." in part


def test_a_report_without_euroeval_has_no_word_of_it(results: Path) -> None:
    assert 'id="euroeval"' not in render(Results(results), "t", RUNS)


def test_a_card_and_its_model_index_have_what_was_measured_of_the_run(measured: Path) -> None:
    text = card(Results(measured), "small")
    row = "linguistic-acceptability | fi | 2,048 | Matthews correlation | 65.75 | 62.75 to 68.75 | 4 | 16.11.0 |"
    assert f"| scala-fi | {row}" in text
    assert r"squad was not measured: squad needs the \<hub\>." in text
    index = yaml.safe_load(text.split("---")[1])["model-index"][0]["results"]
    told = next(each for each in index if each["dataset"]["name"] == "scala-fi")
    assert told["metrics"][0]["value"] == 65.75
    assert told["metrics"][0]["name"].startswith(
        "Matthews correlation by EuroEval 16.11.0, mean of 4 iterations on 2048"
    )
    assert "scala-fi" not in card(Results(measured), "small-fi")


def test_differences_are_looked_at_iteration_by_iteration() -> None:
    close = [value - 1 for value in BETTER]
    assert surely_best("t", [one("a", BETTER), one("b", close)]) == "a"
    crossing = [BETTER[0] + 9, *(value - 6 for value in BETTER[1:])]
    assert surely_best("t", [one("a", BETTER), one("b", crossing)]) is None
    assert surely_best("t", [one("a", BETTER), one("b", WORSE), one("c", crossing)]) is None
    assert surely_best("t", [one("a", BETTER)]) is None


def test_two_iterations_are_hardly_ever_enough_and_equal_systems_never() -> None:
    assert surely_best("t", [one("a", [60.0, 70.0]), one("b", [50.0, 52.0])]) is None
    assert surely_best("t", [one("a", BETTER), one("b", BETTER)]) is None
    assert surely_best("t", [one("a", [60.0]), one("b", [50.0])]) is None


def test_what_was_not_measured_alike_or_is_no_result_is_told(measured: Path) -> None:
    with pytest.raises(UserError, match="the results of t were not made alike"):
        surely_best("t", [one("a", BETTER), one("b", WORSE[:3])])
    write_json(measured / "evaluation" / "euroeval" / "squad" / "small.json", {"format": 1})
    with pytest.raises(UserError, match="is no result of EuroEval"):
        euroeval.read_results(measured)
