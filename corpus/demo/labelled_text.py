"""The demo's tasks of understanding, with labels that are true because of where the text comes from.

`python -m corpus.demo.labelled_text --wheel WHEEL --output FOLDER` writes two tasks as `{train,dev,test}.jsonl`:

    FOLDER/topic/           five English words in a row, and what they are about: an interface, building in a city, or
                            programming, which the package says that they come from
    FOLDER/word-language/   made sentences, pieces of Swedish and English strings of an interface one after another, and
                            the language of each word

The words are real, and among the text that the demo's encoders are trained on, without the labels. They show that
pre-training is worth something to a task; they are no benchmark. All pieces of a document are in one part.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import orjson

from common.errors import run_command
from common.files import atomic_file
from corpus.demo.interface_text import interface, part_of
from corpus.demo.package_text import faq, pydoc

Choice = TypeVar("Choice")
Rows = dict[str, list[dict[str, Any]]]
Pieces = dict[str, list[list[str]]]
"""Part -> rows of words."""

EXAMPLES = {"train": 70, "dev": 60, "test": 250}
"""Part -> examples of each topic. Few to learn from, since what matters is what pre-training brings along."""
SENTENCES = {"train": 300, "dev": 120, "test": 300}
"""Part -> made sentences."""
TOPIC_WORDS = 5
PIECES = (2, 4)
"""Fewest and most pieces of a made sentence."""
PIECE_WORDS = (1, 4)
"""Fewest and most words of a piece."""
_WORD = re.compile(r"[^\W\d_]+[.,:;!?]?")
_MARKS = ".,:;!?"


def topics(documents: Mapping[str, Iterable[Mapping[str, Any]]]) -> Rows:
    """Return part -> records of `text` and `label`, as many of each topic, of topic -> documents."""
    chance = Random(1)
    rows: Rows = {part: [] for part in EXAMPLES}
    for topic, own in documents.items():
        for part, found in _pieces(own).items():
            cut = [
                " ".join(words[begin : begin + TOPIC_WORDS]).lower()
                for words in found
                for begin in range(0, len(words) - TOPIC_WORDS + 1, TOPIC_WORDS)
            ]
            texts = list(dict.fromkeys(cut))
            for _ in range(min(EXAMPLES[part], len(texts))):
                rows[part].append({"text": texts.pop(int(chance.random() * len(texts))), "label": topic})
    return rows


def word_languages(documents: Mapping[str, Iterable[Mapping[str, Any]]]) -> Rows:
    """Return part -> records of `words` and `labels`, of language -> documents."""
    pieces = {language: _pieces(own) for language, own in documents.items()}
    return {
        part: list(_mixed({language: own[part] for language, own in pieces.items()}, number))
        for part, number in SENTENCES.items()
    }


def _mixed(pieces: Mapping[str, Sequence[list[str]]], number: int) -> Iterator[dict[str, Any]]:
    chance = Random(number)
    for _ in range(number):
        words, labels = [], []
        for _ in range(_between(PIECES, chance)):
            language = _pick(list(pieces), chance)
            text = _pick(pieces[language], chance)
            begin = int(chance.random() * len(text))
            piece = text[begin : begin + _between(PIECE_WORDS, chance)]
            words += piece
            labels += [language] * len(piece)
        yield {"words": words, "labels": labels}


def _pieces(documents: Iterable[Mapping[str, Any]]) -> Pieces:
    """Return part -> words that follow one another in a document, all of letters and without marks after them."""
    found: Pieces = {part: [] for part in EXAMPLES}
    for document in documents:
        for line in document["text"].splitlines():
            words: list[str] = []
            for word in [*line.split(), ""]:
                if _WORD.fullmatch(word):
                    words.append(word.rstrip(_MARKS))
                elif words:
                    found[part_of(document["id"])].append(words)
                    words = []
    return found


def _between(ends: tuple[int, int], chance: Random) -> int:
    return ends[0] + int(chance.random() * (ends[1] - ends[0] + 1))


def _pick(choices: Sequence[Choice], chance: Random) -> Choice:
    return choices[int(chance.random() * len(choices))]


def main() -> None:
    """Run the stage from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m corpus.demo.labelled_text", description="Write tasks of understanding out of a wheel."
    )
    parser.add_argument("--wheel", type=Path, required=True, help="the wheel that envs/text.txt pins")
    parser.add_argument("--output", type=Path, required=True, help="folder of the tasks")
    arguments = parser.parse_args()
    strings = {language: list(interface(language, arguments.wheel)) for language in ("sv", "en")}
    tasks = {
        "topic": topics({"interface": strings["en"], "building": faq("en"), "programming": pydoc()}),
        "word-language": word_languages(strings),
    }
    for task, parts in tasks.items():
        for part, rows in parts.items():
            with atomic_file(arguments.output / task / f"{part}.jsonl") as stream:
                stream.writelines(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows)
        print(f"{task}: " + ", ".join(f"{len(rows):,} examples of {part}" for part, rows in parts.items()))


if __name__ == "__main__":
    run_command(main)
