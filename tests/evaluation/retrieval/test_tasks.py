"""Retrieval tasks: read as they are written, mistakes told by file and line, and those of the hub from its files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mteb
import orjson
import pytest
from mteb.abstasks import AbsTaskRetrieval
from mteb.abstasks.task_metadata import TaskMetadata

from common.errors import UserError
from evaluation.hub import HubAbsentError
from evaluation.retrieval.ranking import METRIC
from evaluation.retrieval.tasks import check_hub_task, hub_task, read_task
from recipe.evaluation import RetrievalTask
from recipe.reading import read_recipe

CORPUS = [{"_id": "a", "title": "Kissa", "text": "naukuu"}, {"_id": "b", "title": "", "text": "koira haukkuu"}]
QUERIES = [{"_id": "1", "text": "mikä naukuu"}, {"_id": "2", "text": "mikä haukkuu"}, {"_id": "3", "text": "mikä ui"}]
QRELS = "query-id\tcorpus-id\tscore\n1\ta\t2\n2\tb\t1\n2\ta\t0\n3\tb\t0\n"


def lines(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    lines(tmp_path / "corpus.jsonl", CORPUS)
    lines(tmp_path / "queries.jsonl", QUERIES)
    (tmp_path / "qrels").mkdir()
    (tmp_path / "qrels" / "test.tsv").write_text(QRELS)
    return tmp_path


def test_a_task_has_titles_before_texts_and_the_queries_that_a_document_answers(folder: Path) -> None:
    task = read_task("pets", folder, "test")
    assert task.corpus == {"a": "Kissa naukuu", "b": "koira haukkuu"}
    assert task.queries == {"1": "mikä naukuu", "2": "mikä haukkuu"}
    assert task.relevant == {"1": {"a": 2}, "2": {"b": 1}}


@pytest.mark.parametrize(
    ("file", "content", "told"),
    [
        ("qrels/test.tsv", "1\tc\t1\n", "line 1: there is no document 'c'"),
        ("qrels/test.tsv", "query-id\tcorpus-id\tscore\n9\ta\t1\n", "line 2: there is no query '9'"),
        ("qrels/test.tsv", "1 a 1\n", "line 1 is not query, document and grade"),
        ("qrels/test.tsv", "1\ta\tgood\n", "line 1 is not query, document and grade"),
        ("qrels/test.tsv", "1\ta\t0\n", "no judgement above 0"),
        ("corpus.jsonl", '{"_id": "a", "text": "x"}\n{"id": "b"}\n', "line 2 has no string '_id'; there are: id"),
        ("corpus.jsonl", '{"_id": "a", "text": 3}\n', "line 1 has no string 'text'"),
        ("queries.jsonl", "[1]\n", "line 1 is no JSON object"),
        ("queries.jsonl", "{\n", "line 1 is no JSON object"),
    ],
)
def test_a_mistake_is_told_by_file_and_line(folder: Path, file: str, content: str, told: str) -> None:
    (folder / file).write_text(content)
    with pytest.raises(UserError, match=Path(file).name) as error:
        read_task("pets", folder, "test")
    assert told in str(error.value)


@pytest.mark.parametrize("file", ["corpus.jsonl", "queries.jsonl", "qrels/test.tsv"])
def test_an_absent_file_is_named(folder: Path, file: str) -> None:
    (folder / file).unlink()
    with pytest.raises(UserError, match=rf"{file} does not exist; a task is"):
        read_task("pets", folder, "test")


def on_the_hub(path: str, subsets: list[str], splits: Sequence[str] = ("test",)) -> type[AbsTaskRetrieval]:
    """Return a task of `mteb` whose files lie at `path`, a local repository of the hub's layout."""

    class OnTheHub(AbsTaskRetrieval):
        metadata = TaskMetadata(
            name="Pets",
            description="Pets.",
            type="Retrieval",
            category="t2t",
            reference=None,
            dataset={"path": path, "revision": "main"},
            eval_splits=list(splits),
            eval_langs={name: ["fin-Latn"] for name in subsets} if len(subsets) > 1 else ["fin-Latn"],
            main_score=METRIC,
            date=None,
            domains=None,
            task_subtypes=None,
            license=None,
            annotations_creators=None,
            dialect=None,
            sample_creation=None,
            bibtex_citation=None,
            prompt=None,
        )

    return OnTheHub


def test_a_task_of_the_hub_is_read_from_its_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = tmp_path / "pets"
    lines(repository / "corpus.jsonl", CORPUS)
    lines(repository / "queries.jsonl", QUERIES)
    judged = [{"query-id": "1", "corpus-id": "a", "score": 2}, {"query-id": "3", "corpus-id": "b", "score": 0}]
    lines(repository / "qrels.jsonl", judged)
    parts = [("corpus", "corpus", "corpus"), ("queries", "queries", "queries"), ("default", "test", "qrels")]
    configs = "".join(
        f"- config_name: {name}\n  data_files:\n  - split: {split}\n    path: {file}.jsonl\n"
        for name, split, file in parts
    )
    (repository / "README.md").write_text(f"---\nconfigs:\n{configs}---\n")
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    kind = on_the_hub(str(repository), ["default"])
    monkeypatch.setattr(mteb, "get_task", lambda name, **asked: kind())
    task = hub_task("pets", "Pets", "")
    assert (task.name, task.where, task.split) == ("pets", "Pets", "test")
    assert task.corpus == {"a": "Kissa naukuu", "b": "koira haukkuu"}
    assert task.queries == {"1": "mikä naukuu"}
    assert task.relevant == {"1": {"a": 2}}


def test_a_task_that_mteb_still_loads_in_its_old_form_is_read_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    class Old(on_the_hub("nowhere", ["fi", "sv"], ["dev", "test"])):  # type: ignore[misc]
        def load_data(self, num_proc: int | None = None, **other: Any) -> None:
            """Hold queries, corpus and judgements in attributes, as `mteb` 1 did."""
            asked.append((list(self.hf_subsets), list(self.eval_splits)))
            self.queries = {"fi": {"test": {"1": "mikä naukuu", "2": "mikä ui"}}}
            self.corpus = {"fi": {"test": {"a": {"title": "Kissa", "text": "naukuu"}, "b": {"text": "haukkuu"}}}}
            self.relevant_docs = {"fi": {"test": {"1": {"a": 1}, "2": {"b": 0}}}}
            self.data_loaded = True

    asked: list[tuple[list[str], list[str]]] = []

    def get_task(name: str, **only: list[str]) -> AbsTaskRetrieval:
        task = Old()
        task.hf_subsets = only.get("hf_subsets", task.hf_subsets)
        task._eval_splits = only.get("eval_splits", task.eval_splits)
        return task

    monkeypatch.setattr(mteb, "get_task", get_task)
    task = hub_task("pets", "Pets", "fi")
    assert asked == [(["fi"], ["test"])], "no more is fetched than is measured"
    assert task.corpus == {"a": "Kissa naukuu", "b": "haukkuu"}
    assert task.relevant == {"1": {"a": 1}}
    assert task.split == "test"


def test_what_needs_the_hub_is_told_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    with pytest.raises(HubAbsentError, match=r"SciFact needs the hub, which is out of reach, .*HF_HOME"):
        hub_task("one", "SciFact", "")


@pytest.mark.parametrize(
    ("name", "subset", "told"),
    [
        ("SciFakt", "", "mteb has no task 'SciFakt'"),
        ("FinToxicityClassification", "", "FinToxicityClassification is no retrieval task"),
        ("CodeSearchNetRetrieval", "", r"CodeSearchNetRetrieval has the subsets python, javascript.*set `subset`"),
        ("SciFact", "fi", "SciFact has the subsets default"),
    ],
)
def test_what_is_no_task_of_mteb_is_told(name: str, subset: str, told: str) -> None:
    with pytest.raises(UserError, match=told) as error:
        hub_task("one", name, subset)
    assert not isinstance(error.value, HubAbsentError)


def test_of_several_splits_test_is_measured_and_else_the_first() -> None:
    assert check_hub_task("MultiLongDocRetrieval", "en") == "test"
    assert check_hub_task("NanoMSMARCORetrieval", "") == "train"


FINNISH = read_recipe(Path(__file__).parents[3] / "config" / "finnish.yaml").evaluation.retrieval
HUB = {name: task for name, task in (FINNISH.tasks | {"dev": FINNISH.dev}).items() if task.mteb}


@pytest.mark.parametrize("task", HUB.values(), ids=list(HUB))
def test_every_task_of_the_finnish_recipe_is_one_of_mteb_with_that_subset_graded_alike(task: RetrievalTask) -> None:
    check_hub_task(task.mteb, task.subset)
    assert mteb.get_task(task.mteb).metadata.main_score == METRIC
