"""Figures as files of their own: whole SVG that needs no page around it, with its legend inside."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.workflow.finished import RUNS
from workflow.report.figures import swatches
from workflow.report.html import gathered
from workflow.report.pictures import pictures, standalone, write_pictures
from workflow.report.results import Results

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def found(finished: Path) -> dict[str, str]:
    return pictures(gathered(Results(finished), "t", RUNS))


def test_all_runs_together_and_each_run_have_their_figures(found: dict[str, str]) -> None:
    assert {"differences", "training-loss", "held-out-loss", "loss-over-compute", "gradient-norm"} <= found.keys()
    assert {f"{run}.{what}" for run in RUNS for what in ("training-loss", "languages", "held-out-loss")} <= found.keys()


def test_a_figure_is_whole_and_needs_no_style_of_a_page(found: dict[str, str]) -> None:
    for name, svg in found.items():
        root = ElementTree.fromstring(svg)
        assert root.tag == f"{SVG}svg", name
        assert "var(" not in svg, name
        assert "currentColor" not in svg, name


def test_a_legend_names_all_things_and_lies_above_the_figure(found: dict[str, str]) -> None:
    root = ElementTree.fromstring(found["small.languages"])
    top = float(root.attrib["viewBox"].split()[1])
    legend = [one for one in root if one.tag == f"{SVG}text"]
    assert [one.text for one in legend] == ["en", "fi", "la", "sme", "sv"]
    assert all(top < float(one.attrib["y"]) < 0 for one in legend)


def test_a_long_legend_takes_lines_as_it_needs_and_names_are_escaped() -> None:
    names = [f"<run> {number}" for number in range(30)]
    root = ElementTree.fromstring(standalone('<svg role="img" viewBox="0 0 300 200"><g/></svg>', swatches(names)))
    texts = [one for one in root if one.tag == f"{SVG}text"]
    assert [one.text for one in texts] == names
    assert len({one.attrib["y"] for one in texts}) > 3
    assert max(float(one.attrib["x"]) for one in texts) < 300


def test_figures_of_runs_that_are_gone_go_too(finished: Path, tmp_path: Path) -> None:
    (tmp_path / "old.training-loss.svg").write_text("")
    (tmp_path / "mine.png").write_text("")
    names = write_pictures(tmp_path, gathered(Results(finished), "t", ["small"]))
    assert {path.name for path in tmp_path.iterdir()} == {f"{name}.svg" for name in names} | {"mine.png"}
    assert "differences" in names or "training-loss" in names
