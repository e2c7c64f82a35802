"""Rules of what a recipe says of EuroEval; see `recipe.checks` for what a rule is."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path

from recipe.euroeval import LocalDataset
from recipe.schema import Recipe
from recipe.understanding import COLUMNS, TREEBANK

VERSION = "16.11.0"
"""Of EuroEval, as `envs/euroeval.txt` pins it; the names are its."""
NAMES = frozenset(Path(__file__).with_name("euroeval_datasets.txt").read_text(encoding="utf-8").split())
"""Data sets of EuroEval that encoders can be measured on. Another name would be told after weeks of training only."""


def euroeval_problems(recipe: Recipe) -> Iterator[tuple[str, str]]:
    """Yield every breach of a rule as (key path, sentence)."""
    asked, key = recipe.evaluation.euroeval, "evaluation.euroeval"
    if asked.iterations < 2:
        yield f"{key}.iterations", "one iteration does not tell how sure a score is; give at least 2."
    for index, name in enumerate(asked.datasets):
        place = f"{key}.datasets[{index}]"
        if name in asked.datasets[:index]:
            yield place, f"{name} is there before; name each once."
        elif name not in NAMES:
            close = get_close_matches(name, NAMES, n=1)
            told = f"did you mean {close[0]}?" if close else f"files of your own go below {key}.local."
            yield place, f"EuroEval {VERSION} has no data set {name} for encoders; {told}"
    for name, dataset in asked.local.items():
        if name in NAMES:
            yield f"{key}.local.{name}", "is the name of a data set of EuroEval's own; give yours another one."
        yield from _local(f"{key}.local.{name}", dataset)


def _local(key: str, dataset: LocalDataset) -> Iterator[tuple[str, str]]:
    if dataset.columns and len(dataset.columns) != (number := len(COLUMNS[dataset.kind])):
        yield f"{key}.columns", f"names {len(dataset.columns)} fields, but {dataset.kind} has {number}; name them all."
    for field in ("train", "dev", "test"):
        path = getattr(dataset, field).lower()
        if path.endswith(".csv") and dataset.kind != "classification":
            yield f"{key}.{field}", f"CSV holds no lists, which {dataset.kind} needs; give JSON Lines or Parquet."
        if path.endswith(TREEBANK):
            yield (
                f"{key}.{field}",
                "is a treebank, of which EuroEval measures nothing; put it below evaluation.understanding.",
            )
