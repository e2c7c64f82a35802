"""The model card: the Hub's front matter, what the model was trained on and how, and how to use it."""

import re
import shutil
import subprocess
import sys
from html import unescape
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from common.files import read_json, write_json
from tests.workflow.finished import change, finish
from workflow.report import html as report
from workflow.report.card import cell, drawn_tokens, render
from workflow.report.results import Results

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def card(finished: Path) -> str:
    return render(Results(finished), "small-fi")


def test_tables_have_as_many_cells_in_every_row(card: str) -> None:
    tables = re.findall(r"(?:^\|.*\n)+", card, re.MULTILINE)
    assert len(tables) == 10
    for table in tables:
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()}) == 1
    assert "<b>" not in card.replace(r"\<b\>", "")


def test_shares_are_of_the_tokens_drawn_over_the_lineage(finished: Path, card: str) -> None:
    results = Results(finished)
    drawn = drawn_tokens(results.phases("small-fi"))
    assert drawn["udhr-la"] == sum(phase.drawn.get("udhr-la", 0) for phase in results.phases("small-fi"))
    shares = [
        float(share)
        for share in re.findall(r"^\| [\w-]+(?: \(\*\*made text\*\*\))? \|.*?\|.*?\| ([\d.]+) \|", card, re.M)
    ]
    assert sum(shares[: len(drawn)]) == pytest.approx(100, abs=0.1)


def test_every_stage_and_every_checkpoint_of_the_lineage_is_there(finished: Path, card: str) -> None:
    assert card.count("\n| extension | ") == 3  # two stages, one checkpoint
    for phase in Results(finished).phases("small-fi"):
        assert phase.history in card


def test_what_was_removed_of_its_sources_is_told_step_by_step(card: str) -> None:
    assert "Of 754 documents with 5.2M bytes, 682 with 5.12M bytes were left, 98.4 % of the bytes" in card
    assert "| language | 24 | 0.23 |\n| filters | 0 | 0.23 |" in card
    assert "| reading |" not in card
    assert "(documents or places): replaced: email 36, held-out line 12." in card


def test_text_of_evaluation_sets_and_of_held_out_documents_is_counted_and_whether_it_was_cut_out(
    results: Path, card: str
) -> None:
    assert "held-out documents or of evaluation sets; it was cut out:" in card
    assert "| quiz | 5 | 7 | 99 |\n| held-out documents of 1 source | 10 | 14 | 2.47k |" in card
    assert "No training text held text of riddles or of what 1 other source holds out." in card
    told = read_json(results / "statistics.json")
    told["contamination"] |= {"cut_out": False}
    write_json(results / "statistics.json", told)
    assert "it **was not cut out**:" in render(Results(results), "small")
    told["contamination"]["sets"] = {"riddles": {}}
    write_json(results / "statistics.json", told)
    assert "\nNo training text held text of riddles.\n" in render(Results(results), "small")


def test_made_text_is_named(card: str) -> None:
    assert "words-la (**made text**)" in card
    assert "A demonstration." in card


def test_a_language_at_the_baseline_is_warned_of(results: Path) -> None:
    rows = read_json(results / "evaluation" / "small" / "mlm.json")["rows"]
    rows[2]["loss"] = 8.0
    change(results / "evaluation" / "small" / "mlm.json", rows=rows)
    assert "not clearly below a guess by frequency for fi at 128 tokens" in render(Results(results), "small")


def test_numbers_come_from_the_files(results: Path, card: str) -> None:
    rows = read_json(results / "evaluation" / "small-fi" / "mlm.json")["rows"]
    rows[0]["loss"] = 4.321
    change(results / "evaluation" / "small-fi" / "mlm.json", rows=rows)
    change(results / "tokenizers" / "demo" / "manifest.json", vocabulary=3_987)
    change(results / "recipe" / "notes.json", **{"udhr-fi": {"note": "Novels | from an attic", "made": False}})
    after = render(Results(results), "small-fi")
    for text in ("4.321", "3,987", r"Novels \| from an attic"):
        assert text not in card
        assert text in after


def test_code_of_card_and_report_runs_on_the_exported_model(results: Path, exported_model: Path) -> None:
    shutil.rmtree(results / "models" / "small")
    shutil.copytree(exported_model.parent, results / "models" / "small")
    in_card = re.findall(r"```python\n(.*?)```", render(Results(results), "small"), re.DOTALL)
    in_report = re.findall(r"<pre>\n(.*?)</pre>", report.render(Results(results), "t", ["small"]), re.DOTALL)
    program = "\n".join(in_card + [unescape(code) for code in in_report])
    done = subprocess.run([sys.executable, "-c", program], cwd=results.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    assert lines[0] == lines[1]


@given(st.text())
def test_a_cell_stays_one_cell_and_is_shown_as_it_is(text: str) -> None:
    assert "\n" not in cell(text)
    assert not re.search(r"(?<!\\)(\\\\)*\|", cell(text))


def test_command_writes_the_card(finished: Path, tmp_path: Path) -> None:
    output = tmp_path / "README.md"
    command = [
        sys.executable,
        "-m",
        "workflow.report.card",
        "--results",
        finished,
        "--run",
        "small",
        "--output",
        output,
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert output.read_text() == render(Results(finished), "small")


def test_a_language_that_could_not_be_measured_is_named(results: Path) -> None:
    place = {"language": "fi", "length": 128, "reason": "no held-out document"}
    change(results / "evaluation" / "small" / "mlm.json", rows=[], unmeasured=[place])
    assert "Not measured: fi at 128 tokens (no held-out document)." in render(Results(results), "small")


def test_retrieval_and_understanding_are_in_the_card_and_its_model_index_from_one_file_a_task(finished: Path) -> None:
    card = render(Results(finished), "small")
    assert "| interface-fi-sv | 4 | 0.8125 | 0.7000 to 0.9000 | 0.0005 |" in card
    (model,) = yaml.safe_load(card.split("---\n")[1])["model-index"]
    result, *others = model["results"]
    assert model["name"] == "small"
    assert result["dataset"] == {"name": "interface-fi-sv", "type": "interface-fi-sv", "split": "test"}
    assert (result["metrics"][0]["type"], result["metrics"][0]["value"]) == ("ndcg_at_10", 0.8125)
    assert "| topic | classification | en | 20 | macro F1 | 0.9000 | 0.4000 to 0.9000 | 2 | 0.0005 |" in card
    assert [(one["task"]["type"], one["metrics"][0]["value"]) for one in others] == [
        ("text-classification", 0.9),
        ("token-classification", 0.9),
    ]


def test_a_task_that_could_not_be_measured_is_told_in_the_card(tmp_path: Path) -> None:
    results = finish(tmp_path)
    content = {"format": 1, "system": "small", "task": "interface-fi-sv", "unmeasured": "It needs the hub."}
    write_json(results / "evaluation" / "retrieval" / "interface-fi-sv" / "small.json", content)
    for task in ("topic", "word-language"):
        far = content | {"task": task, "kind": "tagging", "language": "en"}
        write_json(results / "evaluation" / "understanding" / task / "small.json", far)
    text = render(Results(results), "small")
    assert "interface-fi-sv was not measured: It needs the hub." in text
    assert "topic was not measured: It needs the hub." in text
    assert "model-index" not in text


def test_a_run_whose_retrieval_was_not_measured_has_no_model_index(card: str) -> None:
    assert "model-index" not in yaml.safe_load(card.split("---\n")[1])
    assert "nDCG" not in card
