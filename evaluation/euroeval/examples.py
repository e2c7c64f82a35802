"""Examples of a recipe's own as a data set that EuroEval loads from a folder: one Parquet file a split.

EuroEval itself takes CSV only, whose labels become numbers if they look so, and which holds no lists. It loads whatever
`datasets` loads, though, and a folder may say in its README.md which file is which split.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from common.errors import UserError
from evaluation.understanding.examples import Question, Sentence, Text, read_splits
from recipe.euroeval import LocalDataset
from recipe.understanding import LabelledExamples

SCHEMAS = {
    "classification": pa.schema({"text": pa.string(), "label": pa.string()}),
    "tagging": pa.schema({"tokens": pa.list_(pa.string()), "labels": pa.list_(pa.string())}),
    "qa": pa.schema(
        {
            "id": pa.string(),
            "question": pa.string(),
            "context": pa.string(),
            "answers": pa.struct({"text": pa.list_(pa.string()), "answer_start": pa.list_(pa.int32())}),
        }
    ),
}
"""Kind -> columns as EuroEval reads them, the same in a split where no question has an answer."""
OUTSIDE = "o"
"""Label of a word that belongs to no entity; labels are written in lower case, as EuroEval compares them."""


def write_dataset(dataset: LocalDataset, seed: int, folder: Path) -> list[str]:
    """Write the examples of a data set into a folder, and return their labels, sorted; none for questions.

    Args:
        dataset: its files.
        seed: by which examples to end the training by are drawn, if the data set names none.
        folder: where to.

    Raises:
        UserError: a file holds no such examples, or labels that differ in case only.
    """
    folder.mkdir(parents=True)
    files = {split: getattr(dataset, split) for split in ("train", "dev", "test")}
    read = {split: _as_lines(Path(file), folder) if file else "" for split, file in files.items()}
    facts = {"kind": dataset.kind, "language": dataset.language, "columns": dataset.columns}
    described = LabelledExamples.model_validate(facts | read)
    splits = read_splits(described, seed)
    written: dict[str, str] = {}
    for name, examples in (("train", splits.train), ("val", splits.dev), ("test", splits.test)):
        rows = [_row(place, example, written) for place, example in enumerate(examples)]
        pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMAS[dataset.kind]), folder / f"{name}.parquet")
    names = [{"split": split, "path": f"{split}.parquet"} for split in ("train", "val", "test")]
    configuration = json.dumps({"configs": [{"config_name": "default", "data_files": names}]})
    (folder / "README.md").write_text(f"---\n{configuration}\n---\n", encoding="utf-8")  # JSON is YAML
    if dataset.kind == "tagging":
        _check_entities(dataset, written)
    return sorted(written)


def _row(place: int, example: Text | Sentence | Question, written: dict[str, str]) -> dict[str, Any]:
    if isinstance(example, Text):
        return {"text": example.text, "label": _lower(example.label, written)}
    if isinstance(example, Sentence):
        return {"tokens": example.words, "labels": [_lower(label, written) for label in example.labels]}
    starts = [example.start, *(example.context.find(answer) for answer in example.answers[1:])]
    answers = {"text": example.answers, "answer_start": starts[: len(example.answers)]}
    return {"id": str(place), "question": example.question, "context": example.context, "answers": answers}


def _lower(label: str, written: dict[str, str]) -> str:
    first = written.setdefault(label.lower(), label)
    if first != label:
        raise UserError(
            f"the labels {first!r} and {label!r} differ in case only, which EuroEval does not see; rename one."
        )
    return label.lower()


def _check_entities(dataset: LocalDataset, labels: dict[str, str]) -> None:
    wrong = [label for lower, label in labels.items() if lower != OUTSIDE and not lower.startswith(("b-", "i-"))]
    if wrong or OUTSIDE not in labels:
        told = f"has the label {wrong[0]!r}" if wrong else "has no word without one"
        raise UserError(f"{dataset.train} {told}; EuroEval tags entities, by labels O, B-… and I-….")


def _as_lines(path: Path, folder: Path) -> str:
    """Return the path of a file, of CSV after its rows were written as JSON Lines."""
    if path.suffix.lower() != ".csv":
        return str(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = list(csv.DictReader(stream))
    except FileNotFoundError:
        raise UserError(f"{path} does not exist; put it there or mend the path.") from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise UserError(f"{path} is no CSV in UTF-8 ({error}); write it anew.") from None
    lines = folder / f"{path.name}.jsonl"
    lines.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(lines)
