"""What each phase read of each source, in one matrix."""

from __future__ import annotations

from html import unescape
from pathlib import Path

import pytest

from common.files import read_json, write_json
from tests.workflow.finished import RUNS
from tests.workflow.report.page import Element, tree
from workflow.report.html import render
from workflow.report.results import Results


def matrix(page: str) -> dict[str, list[str]]:
    """The cells of each row, by its source."""
    section = next(one for one in tree(page).all("section") if one.attributes["id"] == "mixture")
    rows = [[cell for cell in row.children if isinstance(cell, Element)] for row in section.all("tr")]
    return {cells[0].text.split()[0]: [cell.text for cell in cells[1:]] for cells in rows}


def test_sources_stand_by_phases_with_shares_tokens_and_epochs_up_to_there(page: str) -> None:
    found = matrix(page)
    assert found["source"] == [
        "tokens to train on",
        *("stable small", "extension small", "annealing small", "annealing-fi small-fi"),
        *("extension-theta small-theta", "annealing-theta small-theta"),
    ]
    assert len(found) == 1 + 13 + 1
    # Of the factors 8 of 54 and drawn as many tokens as its place says: 8 epochs in three phases.
    assert found["udhr-fi"][1].endswith("of 14.81 8k, 2.67 ×")
    assert [cell.rpartition(", ")[2] for cell in found["udhr-fi"][1:4]] == ["2.67 ×", "▲ 5.33 ×", "▲ 8.00 ×"]
    assert [cell.rpartition(", ")[2] for cell in found["faq-sv"][1:4]] == ["1.00 ×", "2.00 ×", "3.00 ×"]


def test_a_branch_counts_epochs_from_the_first_phase_of_its_lineage(page: str) -> None:
    assert matrix(page)["faq-sv"][4].endswith(", 3.00 ×")


def test_documents_that_are_read_far_more_often_stand_at_the_last_phase_of_their_run(page: str) -> None:
    assert matrix(page)["pydoc-en"][4].endswith(", ▲ 1.50 × 100 words or more: 12.5 ×")
    assert "more:" not in matrix(page)["pydoc-en"][3]
    section = page.partition('<section id="mixture">')[2]
    notice = unescape(section.partition('class="notice"')[2].partition("</div>")[0])
    assert "6 of 13 sources are read more than 4 times in a run: pydoc-en (its documents of 100 words or more" in notice


def test_a_source_that_has_no_part_in_a_phase_has_no_share_there(page: str) -> None:
    assert matrix(page)["words-la"][3] == "–"


@pytest.mark.parametrize("phases", [True, False], ids=["told", "not told"])
def test_without_a_limit_nothing_is_marked_and_without_statistics_of_phases_only_whole_runs_have_epochs(
    results: Path, phases: bool
) -> None:
    content = read_json(results / "statistics.json") | {"max_epochs": None, "warning": ""}
    write_json(results / "statistics.json", content | ({} if phases else {"phases": []}))
    page = render(Results(results), "t", RUNS)
    section = page.partition('<section id="mixture">')[2].partition("</section>")[0]
    assert "▲" not in section
    assert 'class="notice"' not in section
    cells = matrix(page)["faq-sv"]
    assert ("×" in cells[1]) == phases
    assert cells[3].endswith(", 3.00 ×")
