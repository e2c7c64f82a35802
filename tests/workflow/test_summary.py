"""The closing summary: what was made, where it is, and whether it has learnt anything."""

import subprocess
import sys
from pathlib import Path

import pytest

from common.errors import UserError
from common.files import read_json
from tests.workflow.finished import RUNS, change
from workflow.report.results import Results
from workflow.report.summary import summary

ROOT = Path(__file__).parents[2]


def test_models_losses_and_blanks_are_told(finished: Path) -> None:
    text = summary(Results(finished))
    for run in RUNS:
        assert str(finished / "models" / run) in text
    assert "en     128     7.25   5.13" in text
    assert "Every loss is clearly below its baseline" in text
    assert "Alla människor är födda fria och lika i [vapaina] och rättigheter.  (50%)" in text
    assert "report.html is not made yet" in text


def test_a_loss_above_or_about_the_baseline_is_marked(results: Path) -> None:
    rows = read_json(results / "evaluation" / "small" / "mlm.json")["rows"]
    rows[0]["loss"], rows[1]["loss"] = 8.76, 7.21
    change(results / "evaluation" / "small" / "mlm.json", rows=rows)
    text = summary(Results(results))
    assert "8.76 !" in text
    assert "7.21 ?" in text
    assert "Every loss" not in text


def test_runs_of_other_languages_leave_their_place_empty(results: Path) -> None:
    rows = read_json(results / "evaluation" / "small" / "mlm.json")["rows"]
    change(results / "evaluation" / "small" / "mlm.json", rows=rows[2:])
    lines = [line.split() for line in summary(Results(results)).splitlines() if line.strip().startswith("en  ")]
    assert [len(line) for line in lines if line[1] in ("128", "256")] == [5, 5]


def test_runs_without_a_model_are_left_out(results: Path) -> None:
    (results / "models" / "small" / "config.json").unlink()
    text = summary(Results(results))
    assert "small-fi fills in the blank" in text
    assert str(results / "models" / "small") + "\n" not in text


def test_the_report_is_named_once_it_is_there(results: Path) -> None:
    (results / "report.html").write_text("")
    assert f"Report, to open in a browser: {results / 'report.html'}" in summary(Results(results))


def test_nothing_finished_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no finished model; run Snakemake first"):
        summary(Results(tmp_path))


def test_command_needs_neither_torch_nor_matplotlib(finished: Path) -> None:
    program = (
        "import sys; from workflow.report.summary import main; sys.argv[1:] = ['--results', sys.argv[1]]; main();"
        "assert not {'torch', 'matplotlib', 'transformers'} & set(sys.modules), 'slow imports'"
    )
    done = subprocess.run([sys.executable, "-c", program, finished], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == summary(Results(finished)) + "\n"


def test_without_held_out_text_the_summary_says_that_nothing_was_measured(results: Path) -> None:
    for run in RUNS:
        change(results / "evaluation" / run / "mlm.json", rows=[])
    assert "No held-out loss was measured" in summary(Results(results))
