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
    return Task(name, corpus, {query: queries[query] for query in relevant}, relevant)


def hub_task(name: str, subset: str) -> Task:
    """Fetch a task of `mteb` by its name, from the hub or what is kept of it on this machine.

    Args:
        name: as `mteb` has it, such as "SciFact".
        subset: which of its subsets (languages, programming languages); empty where it has one.

    Raises:
        UserError: there is no such retrieval task or subset, or the hub is not within reach.
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
    try:
        task.load_data()
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(
            f"{name} needs the hub and did not come ({reason}); fetch it once where there is a network, with "
            "HF_HOME on a disk that both see."
        ) from None
    content = task.dataset[subset or subsets[0]][task.eval_splits[0]]
    relevant = {
        query: {document: int(grade) for document, grade in own.items() if grade > 0}
        for query, own in content["relevant_docs"].items()
    }
    queries = {row["id"]: row["text"] for row in content["queries"]}
    return Task(
        name,
        {row["id"]: " ".join(filter(None, (row.get("title"), row["text"]))) for row in content["corpus"]},
        {query: queries[query] for query, own in relevant.items() if own and query in queries},
        {query: own for query, own in relevant.items() if own and query in queries},
    )


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
