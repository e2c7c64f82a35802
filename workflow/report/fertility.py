"""Tokenizers side by side in the report and in the cards: read from one JSON a tokenizer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from common.errors import UserError
from common.files import read_json
from recipe.reading import read_recipe
from workflow.dag import Dag

Row = Mapping[str, Any]
COUNTS = {"documents", "words", "tokens", "bytes", "unknown", "tokens_per_word", "bytes_per_token"}


@dataclass(frozen=True)
class Tokenizer:
    """What was measured of a tokenizer."""

    name: str
    objective: str = ""
    """`classical` or `parity`; empty for one from elsewhere."""
    unmeasured: str = ""
    """Why it could not be measured; empty if it was."""
    vocabulary: int | None = None
    gini: float | None = None
    languages: Mapping[str, Row] = field(default_factory=dict)
    """Language -> counts and ratios, by language; `sources` likewise."""
    sources: Mapping[str, Row] = field(default_factory=dict)


def read_tokenizers(results: Path) -> list[Tokenizer]:
    """Return what was measured of the tokenizers of the recipe that is there, its own first; so far, if not all is.

    Raises:
        UserError: a file is no such result.
    """
    recipe = read_recipe(results / "recipe" / "recipe.json")
    named: list[tuple[str, str]] = [(name, one.objective) for name, one in recipe.tokenizers.items()]
    named += [(name, "") for name in recipe.evaluation.tokenizers]
    files = [results / file.removeprefix("results/") for file in Dag(recipe).fertility_results()]
    return [
        _read(path, name, objective) for path, (name, objective) in zip(files, named, strict=True) if path.is_file()
    ]


def _read(path: Path, name: str, objective: str) -> Tokenizer:
    content = read_json(path)
    if isinstance(content, dict) and "unmeasured" in content:
        return Tokenizer(name, objective, str(content["unmeasured"]))
    try:
        rows = {row["language"]: row for row in content["rows"]}
        sources = {row["source"]: row for row in content["sources"]}
        if all(row.keys() >= COUNTS for row in (*rows.values(), *sources.values())):
            return Tokenizer(name, objective, "", content["vocabulary"], content["gini"], rows, sources)
    except (KeyError, TypeError):
        pass
    raise UserError(f"{path} is no fertility of a tokenizer; delete it and run Snakemake again.")


def table(tokenizers: Sequence[Tokenizer]) -> dict[str, Any]:
    """Return the comparison: `columns`, the tokenizers that were measured, and rows by language and by source.

    A row has `name`, `language`, `documents`, `words` and `cells`, one a column; None where nothing was counted.
    """
    measured = [one for one in tokenizers if not one.unmeasured]
    return {
        "columns": measured,
        "languages": _rows([one.languages for one in measured]),
        "sources": _rows([one.sources for one in measured]),
        "absent": [one for one in tokenizers if one.unmeasured],
        "unknown": any(row["unknown"] for one in measured for row in one.languages.values()),
    }


def _rows(columns: Sequence[Mapping[str, Row]]) -> list[dict[str, Any]]:
    found: dict[str, Row] = {name: row for column in columns for name, row in column.items()}
    rows = [
        {**{key: row[key] for key in ("language", "documents", "words")}, "name": name}
        | {"cells": [column.get(name) for column in columns]}
        for name, row in found.items()
    ]
    return sorted(rows, key=lambda row: (row["language"], row["name"]))


def of_languages(tokenizers: Iterable[Tokenizer], name: str, languages: Iterable[str]) -> list[Row]:
    """Return the rows of the recipe's tokenizer `name` in some languages, those without text left out.

    Raises:
        UserError: it was not measured.
    """
    own = next((one for one in tokenizers if one.objective and one.name == name), None)
    if own is None:
        raise UserError(f"nothing was measured of tokenizer {name}; run Snakemake again.")
    return [own.languages[language] for language in sorted(languages) if language in own.languages]
