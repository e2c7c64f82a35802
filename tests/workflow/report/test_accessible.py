"""The report for those who hear it, who use a keyboard, who hold a phone or a sheet of paper."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest

from tests.workflow.finished import RUNS
from tests.workflow.report.page import Element, tree
from workflow.report.html import environment, gathered
from workflow.report.results import Results

STYLE = re.compile(r"<style>(.*?)</style>", re.DOTALL)


@pytest.fixture(scope="module")
def root(page: str) -> Element:
    return tree(page)


def test_landmarks_are_there_once_and_the_first_link_leads_past_them(root: Element) -> None:
    for tag in ("main", "header", "nav", "footer", "h1"):
        assert len(list(root.all(tag))) == 1, tag
    main = next(root.all("main"))
    assert next(root.all("a")).attributes == {"class": "skip", "href": "#answer"}
    assert next(main.all("section")).attributes["id"] == "answer"
    assert len(list(main.all("section"))) == len(list(root.all("section")))


def test_every_table_has_a_caption_and_a_region_that_the_keyboard_scrolls(root: Element) -> None:
    tables = list(root.all("table"))
    assert len(tables) > 20
    for number, table in enumerate(tables, 1):
        caption = table.children[1]
        assert isinstance(caption, Element)
        assert caption.tag == "caption", table.text[:80]
        assert caption.text.startswith(f"Table {number}. ")
        assert table.parent is not None
        region = table.parent.attributes
        assert (region["class"], region["role"], region["tabindex"]) == ("scroll", "region", "0")
        assert region["aria-label"]


def test_every_heading_of_a_table_says_what_it_heads(root: Element) -> None:
    for table in root.all("table"):
        head, body = next(table.all("thead")), next(table.all("tbody"))
        assert {cell.attributes.get("scope") for cell in head.all("th")} <= {"col", "colgroup"}, table.text[:80]
        assert not list(head.all("td"))
        spanned = 0
        for row in body.all("tr"):
            first = next(cell for cell in row.children if isinstance(cell, Element))
            if spanned:
                spanned -= 1
                continue
            assert first.tag == "th", row.text
            assert first.attributes["scope"] in ("row", "rowgroup")
            spanned = int(first.attributes.get("rowspan", 1)) - 1


def test_rows_of_a_table_are_as_wide_as_its_head(root: Element) -> None:
    for table in root.all("table"):
        widths = []
        left: list[int] = []
        for row in table.all("tr"):
            cells = [cell for cell in row.children if isinstance(cell, Element)]
            width = sum(int(cell.attributes.get("colspan", 1)) for cell in cells) + sum(1 for rows in left if rows)
            left = [rows - 1 for rows in left if rows > 1]
            left += [rows - 1 for cell in cells if (rows := int(cell.attributes.get("rowspan", 1))) > 1]
            widths.append(width)
        assert len(set(widths)) == 1, next(table.all("caption")).text


def test_tables_of_many_runs_and_phases_stand_one_below_the_other_as_wide_as_paper(finished: Path) -> None:
    context = gathered(Results(finished), "t", RUNS)
    names = [f"run-{number}" for number in range(15)]
    many = dict.fromkeys(names, context["held_out"]["small"])
    rows = [row | {"runs": row["runs"][:1] * 15} for row in context["comparison"]]
    pseudo = [row | {"runs": row["runs"][:1] * 15} for row in context["pseudo"]]
    told = {"runs": names, "held_out": many, "comparison": rows, "pseudo": pseudo}
    told |= {"test": {"runs": names, "rows": rows, "uses": 15}, "panels": {"held_out": {}}}
    told |= {"unmeasured": dict.fromkeys(names), "measured_on": dict.fromkeys(names, context["measured_on"]["small"])}
    told |= {"phases": context["phases"] * 3}
    told |= {"matrix": [row | {"cells": row["cells"] * 3} for row in context["matrix"]]}
    for name in ("held_out.html.j2", "mixture.html.j2"):
        part = tree(environment().get_template(name).render(context | told | {"table_number": lambda: 1}))
        heads = [[cell.text for cell in head.all("th")] for head in part.all("thead")]
        assert max(len(head) for head in heads) <= 11, "of the sources"
        if name == "held_out.html.j2":
            assert {f"{run} loss (baseline)" for run in names} <= {text for head in heads for text in head}


def test_every_figure_has_a_caption_and_every_drawing_a_name(root: Element) -> None:
    drawings = list(root.all("svg"))
    assert drawings
    for figure in root.all("figure"):
        assert next(figure.all("figcaption")).text
    for drawing in drawings:
        assert drawing.attributes["role"] == "img"
        assert drawing.attributes["aria-label"]


def test_headings_leave_out_no_level(root: Element) -> None:
    levels = [int(heading.tag[1]) for heading in root.all("h1", "h2", "h3", "h4")]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_what_has_the_focus_is_seen_and_dark_colours_are_for_screens_alone(page: str) -> None:
    style = STYLE.search(page)
    assert style
    assert ":focus-visible { outline:" in style[1]
    assert "@media screen and (prefers-color-scheme: dark)" in style[1]
    assert "@media (prefers-color-scheme: dark)" not in style[1], "ink would be white on paper"


def test_folds_are_open_on_paper_and_nothing_scrolls(page: str) -> None:
    style = STYLE.search(page)
    assert style
    print_style = style[1].partition("@media print {")[2]
    assert "details::details-content { content-visibility: visible" in print_style
    assert re.search(r"\.scroll, pre \{ overflow: visible; \}", print_style)
