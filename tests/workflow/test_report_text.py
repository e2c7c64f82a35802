"""What the report tells of the text: what each step took, how often it is read, and what was removed."""

import re
from html import unescape
from pathlib import Path

import pytest

from common.errors import UserError
from common.files import read_json, write_json
from tests.workflow.finished import RUNS
from workflow.report.html import render
from workflow.report.results import Results
from workflow.report.text import EXAMPLES, masked, told


@pytest.fixture(scope="module")
def section(page: str) -> str:
    return page.partition('<section id="text">')[2].partition("</section>")[0]


@pytest.fixture(scope="module")
def text(finished: Path) -> dict:
    results = Results(finished)
    return told(results.statistics(), results.sources(RUNS))


def cells(row: str) -> list[str]:
    """The words of each cell of a row."""
    return [" ".join(unescape(re.sub("<[^>]+>", " ", cell)).split()) for cell in re.findall("<t[dh].*?</t[dh]>", row)]


def rows(section: str, heading: str) -> dict[str, list[str]]:
    """The rows of the first table after a heading, by their first cell."""
    table = section.partition(heading)[2].partition("</table>")[0]
    found = [cells(row) for row in re.findall("<tr.*?</tr>", table.partition("</thead>")[2], re.DOTALL)]
    return {row[0]: row[1:] for row in found}


def test_steps_are_columns_of_which_those_that_took_nothing_are_only_named(section: str, text: dict) -> None:
    assert text["steps"]["idle"] == []
    table = rows(section, "What became of the text")
    assert table["udhr-fi fi"] == ["40 400k", "", "", "", "", "", "", "", "40 400k", "100.00"]
    assert table["udhr-sv sv"] == [
        *("43 400k", "0.25", "2 0.25", "0.25", "0.25", "0.25", "2 0.25", "2 0.25"),
        *("37 393k", "98.25"),
    ]
    assert table["all"][0] == "754 5.2M"
    assert table["all"][2] == "24 0.23"
    assert len(table) == 14


def test_a_step_that_took_nothing_of_any_source_is_no_column(results: Path) -> None:
    content = read_json(results / "statistics.json")
    for source in content["sources"].values():
        source["steps"][3] |= {key: source["steps"][2][key] for key in ("documents", "bytes", "words")}
        source["read"] += 10
    write_json(results / "statistics.json", content)
    page = render(Results(results), "t", RUNS)
    assert "Nothing was taken by filters." in page
    assert '<th scope="col">filters</th>' not in page
    assert '<th scope="col">quality</th>' in page
    assert "130 documents outside the recipe's fractions are not counted here." in unescape(page)


def test_languages_are_told_before_and_after_with_tokens_estimated_and_counted(section: str) -> None:
    table = rows(section, "By language")
    assert list(table) == ["en", "fi", "la", "sme", "sv"]
    sources = ("udhr-la", 4), ("words-la", 9)
    documents = [40 + 3 * number for _, number in sources]
    assert table["la"][:2] == [str(sum(documents)), str(sum(documents) - 12)]
    tokens = {number: 3 * (1000 + number) for _, number in sources}
    estimated = sum(400_000 / (9000 / own) for own in tokens.values())
    assert table["la"][6:8] == [f"{estimated / 1000:.3g}k", f"{sum(tokens.values()) / 1000:.3g}k"]


def test_lengths_are_shares_of_the_documents_that_were_read_and_are_left(section: str) -> None:
    table = rows(section, "Lengths of documents")
    assert table["fi"] == ["8.0 → 5.0", "36.0 → 45.0", "40.0 → 50.0", "16.0 → 0.0"]


def test_removed_texts_are_escaped_and_folded_by_reason_without_private_data(section: str, text: dict) -> None:
    first = section.partition("Examples of what was removed")[2].partition("</details>")[0]
    assert "another language: 24 documents dropped, 24k bytes in 12 sources" in first
    assert "<summary>held-out line: cut out of 12 documents, 6k bytes in 12 sources</summary>" in section
    assert "Detta är &lt;b&gt;inte&lt;/b&gt; finska, skriv till &lt;EMAIL&gt; eller" in first
    assert "esimerkki" not in section
    assert first.count("<blockquote>") == EXAMPLES
    assert [one["source"] for one in text["removed"][0]["texts"]][:2] == ["udhr-sv", "udhr-sme"]


def test_an_excerpt_ends_before_what_was_cut_in_two_and_private_data_in_it_is_replaced() -> None:
    assert masked("Soita 040 123 4567 tai kirjoita a.b@c.fi", "fi") == "Soita <PHONE> tai kirjoita <EMAIL>"
    long = "sana " * 46 + "a.b@c.fi.example"
    assert masked(long[:240], "fi") == "sana " * 45 + "sana …"
    assert masked("x" * 240, "fi") == "x" * 240 + " …"


def test_held_out_text_in_training_text_is_told_by_set(section: str) -> None:
    table = rows(section, "Held-out text in the training text")
    assert table == {
        "quiz": ["5", "7", "99", "pydoc-en"],
        "held out of udhr-fi": ["10", "14", "2.47k", "interface-en, interface-fi"],
    }
    assert "No training text held text of riddles or of what 1 other source holds out." in section
    assert "cut out; documents that were mostly such text" in section


def test_text_that_was_only_counted_is_said_to_be_there_still(results: Path) -> None:
    content = read_json(results / "statistics.json")
    content["contamination"] |= {"cut_out": False, "sets": {f"held out of {name}": {} for name in ("a", "b")}}
    write_json(results / "statistics.json", content)
    page = render(Results(results), "t", RUNS)
    assert "They were counted and left where they are." in page
    assert "No training text held text of what 2 sources hold out." in page


def test_statistics_that_are_not_there_are_named(results: Path) -> None:
    (results / "statistics.json").unlink()
    with pytest.raises(UserError, match=r"statistics\.json does not exist"):
        render(Results(results), "t", RUNS)
