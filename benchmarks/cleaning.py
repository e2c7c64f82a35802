"""Measure each step of cleaning by itself, on all documents of a text as one language, in MB per processor second.

`py3langid` alone stands beside the step that uses its model, on one document of each hundred: it walks in Python. The
step `language` is measured for whole documents and for lines.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from statistics import median

from benchmarks.measure import Text, conditions, parser, print_table, read_text, take_turns
from common.errors import run_command
from corpus.sampling.account import Account
from corpus.sampling.steps import steps_of
from corpus.sources.readers import Batch
from recipe.cleaning import Cleaning, LanguageCheck, Quality
from recipe.cleaning_defaults import settled
from recipe.slices.types import SourceSlice

BATCH_DOCUMENTS = 200
SHARE = 100
"""One document of so many for `py3langid` alone."""


def contestants(text: Text, language: str) -> dict[str, Callable[[], object]]:
    """Return name -> what takes the whole text through one step, each from a copy that nothing has changed."""
    batches = []
    for start in range(0, len(text.documents), BATCH_DOCUMENTS):
        documents = text.documents[start : start + BATCH_DOCUMENTS]
        batch = Batch("text")
        batch.add(documents, [{} for _ in documents], range(len(documents)))
        batches.append(batch)
    asked = {
        "": Cleaning(language=LanguageCheck(), quality=Quality()),
        " of lines": Cleaning(language=LanguageCheck(paragraphs=True), repair=False, private_data=[]),
    }
    found: dict[str, Callable[[], object]] = {}
    for suffix, cleaning in asked.items():
        source = SourceSlice(
            name="text", seed=1, language=language, files=["text"], cleaning=settled(cleaning, language)
        )
        for name, step in steps_of(source).items():
            if name == "language" or not suffix:
                found[name + suffix] = lambda step=step: [step(batch, Account()) for batch in batches]  # type: ignore[misc]
    return found


def main(arguments: argparse.Namespace) -> None:
    """Measure and print the table."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    text = read_text(arguments.data)
    alone = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    some = [document.encode() for document in text.documents[::SHARE]]
    sizes = {"py3langid alone": sum(map(len, some))}
    measured = contestants(text, arguments.language)
    measured["py3langid alone"] = lambda: list(map(alone.classify, some))
    seconds = take_turns(measured, arguments.rounds)
    rows = [[name, f"{sizes.get(name, text.bytes) / 1e6 / median(taken):.2f}"] for name, taken in seconds.items()]
    print_table(["step", "MB per processor second"], rows)
    print(conditions(text, arguments.rounds))


if __name__ == "__main__":
    made = parser(__doc__, rounds=5)
    made.add_argument("--language", default="fi", help="that the text is taken for (default: %(default)s)")
    run_command(lambda: main(made.parse_args()))
