"""Measure what a pre-trained encoder has learnt by what it retrieves, beside BM25, random weights and wrong labels.

Two tasks of the texts of `--data`: an article of the Universal Declaration of Human Rights in one language finds its
translation in another, and the title of a page of LibreOffice's help finds its page. All encoders are fine-tuned with
the workflow's own commands, at each rate, the best by a dev split: the pre-trained one, one of its shape with random
weights, and the pre-trained one on pairs whose answers were shuffled. No pair is tested that was trained on. Of the 30
articles half are tested, without their numbers; of the pages a fifth, the same in each language, without their titles.
Queries of one article or page are one case of the interval.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from benchmarks.measure import print_table
from common.errors import UserError, run_command
from common.files import read_json
from common.intervals import bootstrap_interval
from corpus.sources.readers import Document, read_documents
from recipe.evaluation import Pairs, RetrievalTask
from recipe.slices.files import to_json
from recipe.slices.types import RetrievalSlice, RetrievalTaskSlice

SEED = 1
RATES = (1e-3,)
SYSTEMS = {"pre-trained": (), "random weights": ("--untrained",), "pre-trained, labels shuffled": ()}
SHUFFLED = "pre-trained, labels shuffled"
DECLARATION, HELP = "udhr", "libreoffice-help"
LENGTH = {DECLARATION: 128, HELP: 64}
"""Tokens of a text that are read."""
TARGETS = ("fi", "en")
"""Languages in which the articles are searched."""
TESTED = 5
"""One of so many pages is tested, another chooses the rate."""

Texts = dict[str, dict[str, str]]
"""Language -> key -> text."""


@dataclass
class Round:
    """One training, and the tasks that are measured after it."""

    name: str
    pairs: list[tuple[str, str]]
    dev: Task
    tests: list[Task]


@dataclass
class Task:
    """A folder's worth of a task; an id is `key/language`."""

    name: str
    corpus: dict[str, str]
    queries: dict[str, str]
    relevant: dict[str, list[str]] = field(default_factory=dict)


def read_texts(data: Path, kind: str) -> tuple[Texts, Texts]:
    """Return titles and texts without their titles, of each language by a key that all languages share.

    Raises:
        UserError: there is no such file.
    """
    paths = sorted(data.glob(f"*-{kind}.jsonl.zst"))
    if not paths:
        raise UserError(f"{data} holds no *-{kind}.jsonl.zst; give --data a directory that does.")
    titles: Texts = {}
    texts: Texts = {}
    for path in paths:
        language = path.name.partition("-")[0]
        for document in read_documents([path]):
            if isinstance(document, Document):
                title, name = str(document.fields["title"]), str(document.fields["id"])
                key = name.split("-", 2)[-1] if kind == DECLARATION else name.partition("/")[2]
                if body := document.text.removeprefix(title).strip():
                    titles.setdefault(language, {})[key] = title
                    texts.setdefault(language, {})[key] = body
    return titles, texts


def declaration_round(texts: Texts) -> Round:
    """Return the round of the articles, half of which are tested."""
    articles = sorted(key for key in next(iter(texts.values())) if key.startswith("article"))
    random.Random(SEED).shuffle(articles)
    half = len(articles) // 2
    chosen, learnt, tested = articles[:3], articles[3:half], articles[half:]
    pairs = [(texts[one][key], texts[other][key]) for key in learnt for one, other in permutations(texts, 2)]
    tests = [_translations(texts, articles, tested, target) for target in TARGETS]
    return Round(DECLARATION, pairs, _translations(texts, articles, chosen, "en"), tests)


def _translations(texts: Texts, articles: Sequence[str], asked: Sequence[str], target: str) -> Task:
    """Return the task of finding, among all articles in the target language, that of each query in another."""
    task = Task(f"to-{target}", {f"{key}/{target}": texts[target][key] for key in articles}, {})
    for language in sorted(texts.keys() - {target}):
        for key in asked:
            task.queries[f"{key}/{language}"] = texts[language][key]
            task.relevant[f"{key}/{language}"] = [f"{key}/{target}"]
    return task


def help_round(titles: Texts, texts: Texts, pages: int) -> Round:
    """Return the round of some pages, the same in all languages; where pages share a title, each of them answers it."""
    keys = sorted(set.intersection(*(set(own) for own in texts.values())))
    keys = random.Random(SEED).sample(keys, min(pages, len(keys)))
    texts = {language: {key: own[key] for key in keys} for language, own in texts.items()}
    titles = {language: {key: own[key] for key in keys} for language, own in titles.items()}
    tested, chosen = set(keys[::TESTED]), set(keys[1::TESTED])
    learnt = [key for key in keys if key not in tested | chosen]
    pairs = [(titles[language][key], texts[language][key]) for key in learnt for language in texts]
    tests = [_pages(titles, texts, tested, language) for language in texts]
    return Round(HELP, pairs, _pages(titles, texts, chosen, "en"), tests)


def _pages(titles: Texts, texts: Texts, asked: Iterable[str], language: str) -> Task:
    own = titles[language]
    answers: dict[str, list[str]] = {}
    for key, title in own.items():
        answers.setdefault(title, []).append(f"{key}/{language}")
    task = Task(f"in-{language}", {f"{key}/{language}": text for key, text in texts[language].items()}, {})
    for key in sorted(set(asked) & own.keys()):
        task.queries[f"{key}/{language}"] = own[key]
        task.relevant[f"{key}/{language}"] = answers[own[key]]
    return task


def write_task(task: Task, folder: Path, split: str) -> None:
    """Write a task as the workflow reads it."""
    (folder / "qrels").mkdir(parents=True, exist_ok=True)
    for name, texts in (("corpus", task.corpus), ("queries", task.queries)):
        _write_lines(folder / f"{name}.jsonl", [{"_id": key, "text": text} for key, text in texts.items()])
    lines = [f"{query}\t{answer}\t1\n" for query, answers in task.relevant.items() for answer in answers]
    (folder / "qrels" / f"{split}.tsv").write_text("".join(lines), encoding="utf-8")


def _write_lines(path: Path, rows: Iterable[Mapping[str, str]]) -> None:
    path.write_bytes(b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows))


def measure_round(one: Round, arguments: argparse.Namespace, epochs: int) -> list[dict[str, Any]]:
    """Train every system of a round and return the results of all its tests."""
    folder: Path = arguments.work / one.name
    write_task(one.dev, folder / "dev", "dev")
    for test in one.tests:
        write_task(test, folder / test.name, "test")
        content = RetrievalTaskSlice(name=test.name, seed=SEED, folder=str(folder / test.name))
        (folder / f"{test.name}.json").write_text(to_json(content), encoding="utf-8")
    answers = [answer for _, answer in one.pairs]
    random.Random(SEED).shuffle(answers)
    found = []
    for system, options in SYSTEMS.items():
        name = system.replace(" ", "-").replace(",", "")
        pairs = zip([query for query, _ in one.pairs], answers, strict=True) if system == SHUFFLED else one.pairs
        _write_lines(folder / f"{name}.jsonl", [{"query": query, "positive": answer} for query, answer in pairs])
        training = {"seed": SEED, "train": [Pairs(file=str(folder / f"{name}.jsonl"))], "warmup": 0.1, "batch": 64}
        training |= {"dev": RetrievalTask(folder=str(folder / "dev")), "epochs": epochs, "length": LENGTH[one.name]}
        slice_path = folder / f"{name}.json"
        slice_path.write_text(to_json(RetrievalSlice.model_validate(training)), encoding="utf-8")
        tuned = []
        for rate in arguments.rates:
            tuned.append(folder / name / f"{rate:g}" / "result.json")
            command = ["--slice", slice_path, "--model", arguments.model / "config.json", *options]
            _run("fine_tune", [*command, "--learning-rate", rate, "--output", tuned[-1]])
        found += [_measured(folder, test, system, ["--candidates", *tuned]) for test in one.tests]
    return found + [_measured(folder, test, "BM25", []) for test in one.tests]


def _measured(folder: Path, test: Task, system: str, options: Sequence[object]) -> dict[str, Any]:
    output = folder / "measured.json"
    command = ["--slice", folder / f"{test.name}.json", "--system", system, *options, "--output", output]
    _run("measure", command)
    return dict(read_json(output))


def _run(stage: str, options: Sequence[object]) -> None:
    command = [sys.executable, "-m", f"evaluation.retrieval.{stage}", *map(str, options)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise UserError(f"python -m evaluation.retrieval.{stage} failed:\n{done.stdout}")
    print(done.stdout.strip().splitlines()[-1], file=sys.stderr)


def table_rows(name: str, results: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Return a row a system: nDCG@10 with its interval over articles or pages, rates, and what chance is."""
    rows = []
    for system in dict.fromkeys(one["system"] for one in results):
        own = [one for one in results if one["system"] == system]
        cases: dict[str, list[float]] = {}
        for one in own:
            for query, score in one["scores"].items():
                cases.setdefault(query.rpartition("/")[0], []).append(score)
        means = np.array([np.mean(scores) for scores in cases.values()])
        low, high = bootstrap_interval(means, SEED)
        rates = dict.fromkeys(f"{one['how']['learning_rate']:g}" for one in own if "learning_rate" in one["how"])
        chance = np.mean([one["chance"] for one in own])
        queries = f"{sum(one['queries'] for one in own):,} of {len(cases):,}"
        rows.append([f"{name}, {system}", f"{means.mean():.3f}", f"{low:.3f} to {high:.3f}"])
        rows[-1] += [f"{chance:.4f}", queries, ", ".join(rates) or "-"]
    return rows


def main() -> None:
    """Measure and print the table."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument(
        "--data", type=Path, required=True, help="directory of {language}-udhr and -libreoffice-help texts"
    )
    made.add_argument("--model", type=Path, required=True, help="directory of an exported model, results/models/small")
    made.add_argument("--work", type=Path, required=True, help="directory for tasks and fine-tuned encoders")
    made.add_argument("--rates", type=float, nargs="+", default=RATES, help="learning rates (default: %(default)s)")
    made.add_argument(
        "--tasks", nargs="+", choices=(DECLARATION, HELP), default=(DECLARATION, HELP), help="which tasks"
    )
    made.add_argument("--pages", type=int, default=2000, help="pages that are drawn (default: %(default)s)")
    made.add_argument("--epochs", type=int, default=6, help="times the pairs of pages are shown (default: %(default)s)")
    arguments = made.parse_args()
    rows = []
    if DECLARATION in arguments.tasks:
        one = declaration_round(read_texts(arguments.data, DECLARATION)[1])
        rows += table_rows("article in another language", measure_round(one, arguments, epochs=4))
    if HELP in arguments.tasks:
        one = help_round(*read_texts(arguments.data, HELP), arguments.pages)
        rows += table_rows("page of a title", measure_round(one, arguments, arguments.epochs))
    print_table(["task, system", "nDCG@10", "interval", "chance", "queries", "learning rate"], rows)


if __name__ == "__main__":
    run_command(main)
