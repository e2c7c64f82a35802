"""Pairs of a query and its answer, or triplets with a wrong answer, from files or from data sets of the hub."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from common.errors import UserError
from corpus.sources.readers import Reject, read_documents
from evaluation.hub import needing_the_hub
from recipe.evaluation import Pairs

FIELDS = ("query", "positive", "negative")
Columns = dict[str, list[str]]


def read_pairs(sets: Sequence[Pairs], seed: int) -> Columns:
    """Return the columns `query`, `positive` and, where every set has one, `negative`; drawn by `seed` where limited.

    Raises:
        HubAbsentError: the hub is out of reach.
        UserError: a record lacks a query or a positive, or there is none.
    """
    read = [_drawn(_of_hub(one) if one.hub else _of_file(one), one.limit, seed) for one in sets]
    fields = read[0].keys()
    if any(columns.keys() != fields for columns in read):
        raise UserError("some sets of pairs have a wrong answer and some have not; give all of them one, or none.")
    return {field: [text for columns in read for text in columns[field]] for field in fields}


def _of_file(pairs: Pairs) -> Columns:
    query, positive, *negative = pairs.columns
    columns: Columns = {name: [] for name in FIELDS}
    for record in read_documents([Path(pairs.file)], query):
        if isinstance(record, Reject):
            raise UserError(f"{record.file} line {record.line} is no pair: {record.reason}, for the field {query!r}.")
        answer = record.fields.get(positive)
        if not isinstance(answer, str) or not answer:
            raise UserError(f"{record.file} line {record.line} has no string {positive!r}, which a pair has.")
        columns["query"].append(record.text)
        columns["positive"].append(answer)
        if negative and isinstance(wrong := record.fields.get(negative[0]), str):
            columns["negative"].append(wrong)
    if not columns["query"]:
        raise UserError(f"there is no pair in {pairs.file}; give a file of them.")
    if len(columns["negative"]) != len(columns["query"]):
        if columns["negative"]:
            raise UserError(
                f"some pairs of {pairs.file} have a {negative[0]!r} and some have not; give all of them one, or none."
            )
        del columns["negative"]
    return columns


def _of_hub(pairs: Pairs) -> Columns:
    from datasets import load_dataset

    with needing_the_hub(f"data set {pairs.hub}"):
        table = load_dataset(pairs.hub, pairs.subset or None, split=pairs.split)
    there = [name for name in pairs.columns if name in table.column_names]
    if there != pairs.columns[: max(2, len(there))]:
        raise UserError(
            f"{pairs.hub} has the columns {', '.join(table.column_names)}; say by `columns` which of them are query, "
            "answer and, if there is one, wrong answer."
        )
    columns = {field: list(table[name]) for field, name in zip(FIELDS, there, strict=False)}
    if not all(isinstance(text, str) and text for texts in columns.values() for text in texts):
        raise UserError(f"{pairs.hub}: not every value of {', '.join(there)} is text; name columns of text.")
    return columns


def _drawn(columns: Columns, limit: int | None, seed: int) -> Columns:
    """Return `limit` of the pairs, drawn at random, in their order; all if there are no more."""
    number = len(columns["query"])
    if limit is None or limit >= number:
        return columns
    import numpy as np

    chosen = np.sort(np.random.default_rng(seed).permutation(number)[:limit]).tolist()
    return {field: [texts[place] for place in chosen] for field, texts in columns.items()}
