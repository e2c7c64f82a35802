"""A retrieval task: documents, queries, and which documents answer which query.

Local ones lie in a folder as BEIR's do (arXiv 2104.08663): `corpus.jsonl` of `_id`, `title`, `text`, `queries.jsonl` of
`_id`, `text`, and `qrels/{split}.tsv`, query, document and grade a line below a header. The others are those of the
package `mteb`, by name, from the hub.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from common.errors import UserError
from evaluation.hub import needing_the_hub
from recipe.evaluation import RetrievalTask

SPLIT = "test"
"""That is measured, where a task has several."""
CORPUS, QUERIES, QRELS = "corpus.jsonl", "queries.jsonl", "qrels"


@dataclass(frozen=True)
class Task:
    """A task of one split."""

    name: str
    corpus: dict[str, str]
    """Document -> its text, the title before it."""
    queries: dict[str, str]
    """Those that a document answers."""
    relevant: dict[str, dict[str, int]]
    """Query -> document -> grade, at least 1."""
    split: str = SPLIT
    where: str = ""
    """Its folder, or its name in `mteb`."""


def open_task(name: str, asked: RetrievalTask, split: str) -> Task:
    """Read a task from its folder, or fetch it from the hub; `split` is that of the folder.

    Raises:
        HubAbsentError: the hub is out of reach.
        UserError: as `read_task` and `hub_task` do.
    """
    return hub_task(name, asked.mteb, asked.subset) if asked.mteb else read_task(name, Path(asked.folder), split)


def read_task(name: str, folder: Path, split: str) -> Task:
    """Read a task from its folder.

    Raises:
        UserError: a file is absent or not of the format, a judgement names what is not there, or no query has one.
    """
    corpus = {
        _field(path, number, row, "_id"): " ".join(filter(None, (row.get("title"), _field(path, number, row, "text"))))
        for path, number, row in _lines(folder / CORPUS)
    }
    queries = {
        _field(path, number, row, "_id"): _field(path, number, row, "text")
        for path, number, row in _lines(folder / QUERIES)
    }
    relevant: dict[str, dict[str, int]] = {}
    for place, query, document, grade in _judgements(folder / QRELS / f"{split}.tsv"):
        if query not in queries or document not in corpus:
            missing = f"query {query!r}" if query not in queries else f"document {document!r}"
            raise UserError(f"{place}: there is no {missing} in {folder}; mend the judgement or add it.")
        if grade > 0:
            relevant.setdefault(query, {})[document] = grade
    if not relevant:
        raise UserError(f"{folder / QRELS / split}.tsv holds no judgement above 0, so there is nothing to measure.")
    return Task(name, corpus, {query: queries[query] for query in relevant}, relevant, split, str(folder))


def hub_task(name: str, mteb_name: str, subset: str) -> Task:
    """Fetch a task of `mteb`, from the hub or what is kept of it on this machine: its test split, or else its first.

    Args:
        name: what to call it.
        mteb_name: as `mteb` has it, such as "SciFact".
        subset: which of its subsets (languages, programming languages); empty where it has one.

    Raises:
        HubAbsentError: the hub is out of reach.
        UserError: there is no such retrieval task or subset, or the hub refuses it.
    """
    import mteb

    split = check_hub_task(mteb_name, subset)
    task = mteb.get_task(mteb_name, eval_splits=[split], **({"hf_subsets": [subset]} if subset else {}))
    with needing_the_hub(mteb_name):
        task.load_data()
    task.convert_v1_dataset_format_to_v2(None)  # does nothing to most; some are still loaded in the old form
    content = task.dataset[subset or next(iter(task.dataset))][split]
    queries = {row["id"]: row["text"] for row in content["queries"]}
    relevant = {
        query: answers
        for query, own in content["relevant_docs"].items()
        if query in queries and (answers := {document: int(grade) for document, grade in own.items() if grade > 0})
    }
    corpus = {row["id"]: " ".join(filter(None, (row.get("title"), row["text"]))) for row in content["corpus"]}
    return Task(name, corpus, {query: queries[query] for query in relevant}, relevant, split, mteb_name)


def check_hub_task(name: str, subset: str) -> str:
    """Return the split of a task of `mteb` that is measured; nothing is fetched.

    Raises:
        UserError: there is no such retrieval task or subset.
    """
    import mteb
    from mteb.abstasks import AbsTaskRetrieval

    try:
        task = mteb.get_task(name)
    except KeyError:
        raise UserError(f"mteb has no task {name!r}; see `python -m mteb available-tasks`.") from None
    if not isinstance(task, AbsTaskRetrieval):
        raise UserError(f"{name} is no retrieval task of mteb; name one that is.")
    subsets = list(task.hf_subsets)
    if subset not in (subsets if subset or len(subsets) > 1 else [""]):
        raise UserError(f"{name} has the subsets {', '.join(subsets)}; set `subset` of the task to one of them.")
    splits = list(task.eval_splits)
    return SPLIT if SPLIT in splits else splits[0]


def _lines(path: Path) -> Iterator[tuple[Path, int, dict[str, Any]]]:
    for number, line in enumerate(_open(path), 1):
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError:
            row = None
        if not isinstance(row, dict):
            raise UserError(f"{path} line {number} is no JSON object; a task has one a line.")
        yield path, number, row


def _field(path: Path, number: int, row: dict[str, Any], field: str) -> str:
    value = row.get(field)
    if not isinstance(value, str) or not value:
        raise UserError(f"{path} line {number} has no string {field!r}; there are: {', '.join(row) or 'none'}.")
    return value


def _judgements(path: Path) -> Iterator[tuple[str, str, str, int]]:
    for number, line in enumerate(_open(path), 1):
        columns = line.decode(errors="replace").split("\t")
        if number == 1 and columns[0] == "query-id":
            continue
        try:
            query, document, grade = columns
            yield f"{path} line {number}", query, document, int(grade)
        except ValueError:
            raise UserError(f"{path} line {number} is not query, document and grade with tabs between.") from None


def _open(path: Path) -> list[bytes]:
    try:
        return path.read_bytes().splitlines()
    except FileNotFoundError:
        raise UserError(f"{path} does not exist; a task is {CORPUS}, {QUERIES} and {QRELS}/SPLIT.tsv.") from None
