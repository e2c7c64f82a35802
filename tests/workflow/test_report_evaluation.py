"""What the report tells of evaluations: held-out text, contexts, retrieval, and what could not be measured."""

import json
import shutil
from pathlib import Path

import pytest

from common.errors import UserError
from common.files import read_json, write_json
from tests.workflow.finished import RUNS, STEPS, change
from workflow.report.card import render as render_card
from workflow.report.contexts import read_contexts
from workflow.report.html import render, validation_rows
from workflow.report.results import Results


def test_what_could_not_be_measured_is_told_and_all_else_is_shown(results: Path) -> None:
    place = {"language": "fi", "length": 128, "reason": "no held-out document"}
    for run in RUNS:
        change(results / "evaluation" / run / "mlm.json", rows=[], unmeasured=[place])
    change(results / "fertility" / "demo.json", rows=[], sources=[], gini=None)
    page = render(Results(results), "Nothing held out", RUNS)
    assert page.count("fi at 128 tokens (no held-out document)") == len(RUNS)
    assert "No held-out loss was measured" in page


def test_what_nobody_asked_for_is_neither_read_nor_shown_whatever_an_earlier_recipe_left(results: Path) -> None:
    for run in RUNS:
        shutil.rmtree(results / "evaluation" / run / "contexts")
        own = results / "recipe" / "evaluation" / f"{run}.json"
        change(own, prompts={}, pseudo_perplexity_tokens=0, context_documents=0)
    page, card = render(Results(results), "Only the loss", RUNS), render_card(Results(results), RUNS[0])
    for part in ("contexts", "blanks"):
        assert f'id="{part}"' not in page
        assert f'href="#{part}"' not in page
    for told in (page, card):
        assert "seudo-perplexity" not in told
    assert "What it puts into a blank" not in card
    assert "Filling in blanks" not in page


def test_a_table_of_retrieval_says_what_chance_is(page: str) -> None:
    assert "4 queries, 9 documents, split test; a ranking at random is expected to reach 0.0987." in page


def test_a_system_that_could_not_be_measured_is_told_beside_the_others(results: Path) -> None:
    folder = results / "evaluation" / "retrieval" / "interface-fi-sv"
    for name, system in (("small", "small"), ("small.untrained", "small.untrained")):
        content = {"format": 1, "system": system, "task": "interface-fi-sv", "unmeasured": "It needs the hub."}
        write_json(folder / f"{name}.json", content)
    page = render(Results(results), "t", RUNS)
    assert "Not measured: small; untrained, the shape of small. It needs the hub." in page
    assert '<th scope="row">BM25</th><td>0.2375</td>' in page
    write_json(folder / "_bm25.json", content | {"system": "BM25"})
    assert "Not measured: BM25; small; untrained" in render(Results(results), "t", RUNS)


def test_retrieval_has_a_table_a_task_and_bold_where_a_system_is_surely_best(page: str, results: Path) -> None:
    table = page[page.index('<section id="retrieval">') :]
    assert "4 queries, 9 documents" in table
    assert '<th scope="row">small</th><td><b>0.8125</b></td><td>0.7000 to 0.9000</td><td>0.0005</td>' in table
    assert '<th scope="row">untrained, the shape of small</th><td>0.4125</td>' in table
    assert '<th scope="row">BM25</th><td>0.2375</td><td>0.2000 to 0.3000</td><td>-</td>' in table
    folder = results / "evaluation" / "retrieval" / "interface-fi-sv"
    change(folder / "_bm25.json", value=0.8125, scores=read_json(folder / "small.json")["scores"])
    assert "<b>0.8125</b>" not in render(Results(results), "t", RUNS)


def test_what_an_earlier_recipe_left_of_retrieval_is_not_shown(results: Path) -> None:
    folder = results / "evaluation" / "retrieval"
    old = read_json(folder / "interface-fi-sv" / "small.json")
    write_json(folder / "interface-fi-sv" / "gone.json", old | {"system": "gone", "scores": {"other": 1.0}})
    write_json(folder / "gone-task" / "small.json", old | {"task": "gone-task"})
    assert "gone" not in render(Results(results), "t", RUNS)


def test_a_report_without_retrieval_has_no_section_of_it(results: Path) -> None:
    shutil.rmtree(results / "evaluation" / "retrieval")
    assert 'id="retrieval"' not in render(Results(results), "t", RUNS)


def test_a_damaged_result_of_retrieval_is_named(results: Path) -> None:
    (results / "evaluation" / "retrieval" / "interface-fi-sv" / "small.json").write_text("{}")
    with pytest.raises(UserError, match=r"small\.json is no result of a retrieval"):
        render(Results(results), "t", RUNS)


def test_held_out_loss_is_told_by_source_and_by_position(page: str) -> None:
    assert '<td class="t">tokens 32 to 63</td><td>10</td><td>300</td><td>4.5000</td>' in page
    assert '<td class="t">udhr-fi</td><td>10</td><td>300</td><td>4.7500</td>' in page


def test_held_out_loss_while_training_is_told_with_its_lowest_its_last_and_its_cost(finished: Path) -> None:
    (row, *_) = validation_rows({"small": Results(finished).phases("small")})
    assert (row["times"], row["lowest"].loss, row["last"].loss) == (12, 6.009, 6.039)
    assert row["share"] == pytest.approx(12 * 0.125 / (3 * STEPS * 0.5 + 12 * 0.125))


def test_a_run_without_validation_has_no_row(results: Path) -> None:
    path = results / "runs" / "small" / "stable" / "metrics.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps({**line, "validation": None}) + "\n" for line in lines))
    assert validation_rows({"small": Results(results).phases("small")[:1]}) == []


def test_what_context_is_worth_is_shown_for_each_checkpoint_of_the_lineage(finished: Path) -> None:
    measured = read_contexts(finished, Results(finished).lineage("small-fi").lineage)
    assert [one["phase"] for one in measured.checkpoints] == ["stable", "extension", "annealing-fi"]
    assert measured.contexts == [128, 256]
    assert measured.checkpoints[0]["means"] == pytest.approx([6.372, 6.244])
    assert measured.absent == ["la"]


def test_pseudo_perplexity_is_shown_by_language_and_by_source(page: str) -> None:
    text = page[page.index("Pseudo-perplexity") : page.index('id="contexts"')]
    assert text.count("90.5 <small>2.164</small>") == len(RUNS) * (5 + 13)


def test_the_test_split_is_shown_for_the_runs_that_the_recipe_names_with_the_number_of_its_uses(page: str) -> None:
    text = page[page.index("Test split") : page.index("Pseudo-perplexity")]
    assert "2 models have" in text
    assert "small" in text
    assert "small-fi" not in text


def test_how_much_held_out_text_is_in_the_training_text_is_told_for_each_source(page: str) -> None:
    text = page[page.index("Is it in the training text too?") : page.index("Test split")]
    assert text.count("6.2 <small>± 1.0</small>") == 13
    assert text.count("interface-sv 4.2 %") == 13


def test_a_tokenizer_that_came_out_smaller_than_asked_for_is_told_in_report_and_card(results: Path) -> None:
    assert "smaller than wanted" not in render(Results(results), "t", RUNS)
    change(results / "tokenizers" / "demo" / "manifest.json", vocabulary=475)
    words = "4,000 were asked for, but its sample yields no more merges"
    assert f"The tokenizer demo is smaller than wanted: {words}." in render(Results(results), "t", RUNS)
    assert f"475 entries ({words})." in render_card(Results(results), "small")


def test_how_fast_models_read_is_told_packed_beside_padded_with_the_machine(page: str, results: Path) -> None:
    table = page[page.index('<section id="reading">') :]
    cells = "<td>8,192</td><td>2,048</td><td>4.00</td><td>50M</td><td>90M</td>"
    assert f'<th scope="row">1,024</th><td class="t">mixed</td>{cells}' in table
    assert "On a &lt;chip&gt;, 2 threads, fp32, torch 2.13.0+cpu." in table
    path = results / "evaluation" / "small" / "speed.json"
    change(path, rows=[{"length": 3}])
    with pytest.raises(UserError, match=r"small/speed.json is no result of python -m evaluation.speed"):
        render(Results(results), "t", RUNS)
    path.unlink()
    assert 'id="reading"' not in render(Results(results), "t", RUNS)
