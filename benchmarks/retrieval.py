"""Measure what a pre-trained encoder has learnt by what it retrieves, beside BM25, random weights and wrong labels.

Two tasks of the texts of `--data`: an article of the Universal Declaration of Human Rights in one language finds its
translation in another, and the title of a page of LibreOffice's help finds its page in another language. All encoders
are fine-tuned with the workflow's own commands, at each rate, the best by a dev split: the pre-trained one, one of its
shape with random weights, and both again on pairs whose answers were shuffled. BM25 ranks by words, and by the
encoder's tokens, since parts of words are what languages share. No pair is tested that was trained on. Of the 30
articles half are tested, without their numbers; of the pages 200, the same in each language, and no word of a title
stands in any page that it is asked of. Queries that share no token with their answer are told apart too. Queries of
one article or page are one case of the interval.
"""

from __future__ import annotations

import argparse
import random
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from tokenizers import Tokenizer

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
SHUFFLED = ", labels shuffled"
SYSTEMS = {"pre-trained": (), "random weights": ("--untrained",)}
SYSTEMS |= {system + SHUFFLED: options for system, options in SYSTEMS.items()}
DECLARATION, HELP = "udhr", "libreoffice-help"
LENGTH = {DECLARATION: 128, HELP: 64}
"""Tokens of a text that are read."""
TARGETS = ("fi", "en")
"""Languages in which the articles are searched."""
ASKED = ("fi", "sv")
"""Languages of the titles: English ones share most of their words with what is left untranslated in other pages."""
TESTED = 200
"""Pages that are tested; as many others choose the rate."""

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


def help_round(titles: Texts, texts: Texts) -> Round:
    """Return the round of pages whose title is translated: it finds what only the page of another language says.

    A tested page has titles that no other page has. Within a language the task shows nothing: titles and pages share
    words, which an encoder finds whatever it was taught.
    """
    pages = own_paragraphs(texts)
    keys = sorted(key for key in set.intersection(*(set(own) for own in pages.values())) if _translated(titles, key))
    random.Random(SEED).shuffle(keys)
    pages = {language: {key: own[key] for key in keys} for language, own in pages.items()}
    seen = {language: set(_words(" ".join(own.values()))) for language, own in pages.items()}
    count = {language: Counter(titles[language][key].casefold() for key in keys) for language in pages}
    alone = [key for key in keys if all(count[language][titles[language][key].casefold()] == 1 for language in pages)]
    tested, chosen = alone[:TESTED], alone[TESTED : 2 * TESTED]

    def queries(source: str, target: str, asked: Iterable[str]) -> dict[str, str]:
        made = {key: _without(titles[source][key], seen[target]) for key in asked}
        return {key: title for key, title in made.items() if title}

    def task(name: str, target: str, asked: Sequence[str]) -> Task:
        made = Task(name, {f"{key}/{target}": pages[target][key] for key in asked}, {})
        for source in sorted(set(ASKED) - {target}):
            for key, title in queries(source, target, asked).items():
                made.queries[f"{key}/{source}"] = title
                made.relevant[f"{key}/{source}"] = [f"{key}/{target}"]
        return made

    learnt = [key for key in keys if key not in {*tested, *chosen}]
    directions = [(source, target) for source, target in permutations(pages, 2) if source in ASKED]
    pairs = [(title, pages[b][key]) for a, b in directions for key, title in queries(a, b, learnt).items()]
    return Round(HELP, pairs, task("dev", "en", chosen), [task(f"to-{target}", target, tested) for target in pages])


def own_paragraphs(texts: Texts) -> Texts:
    """Return of each page the paragraphs that stand in no other language's, much of which is untranslated English."""
    left: Texts = {language: {} for language in texts}
    for language, own in texts.items():
        for key, text in own.items():
            others = {line for other in texts if other != language for line in texts[other].get(key, "").splitlines()}
            if body := "\n".join(line for line in text.splitlines() if line not in others):
                left[language][key] = body
    return left


def _translated(titles: Texts, key: str) -> bool:
    return len({own[key].casefold() for own in titles.values()}) == len(titles)


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def _without(text: str, words: Container[str]) -> str:
    """Return the words of a text that are none of these."""
    return " ".join(word for word in re.findall(r"\w+", text) if word.casefold() not in words)


def write_task(task: Task, folder: Path, split: str) -> None:
    """Write a task as the workflow reads it."""
    (folder / "qrels").mkdir(parents=True, exist_ok=True)
    for name, texts in (("corpus", task.corpus), ("queries", task.queries)):
        _write_lines(folder / f"{name}.jsonl", [{"_id": key, "text": text} for key, text in texts.items()])
    lines = [f"{query}\t{answer}\t1\n" for query, answers in task.relevant.items() for answer in answers]
    (folder / "qrels" / f"{split}.tsv").write_text("".join(lines), encoding="utf-8")


def _write_lines(path: Path, rows: Iterable[Mapping[str, str]]) -> None:
    path.write_bytes(b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows))


def measure_round(one: Round, title: str, arguments: argparse.Namespace, epochs: int) -> list[list[str]]:
    """Train every system of a round and return the rows of the table, of all queries and of those that share no token.

    Equal tokens, parts of words too, draw the means of two texts together, whatever the encoder was taught.
    """
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
        pairs = zip([query for query, _ in one.pairs], answers, strict=True) if system.endswith(SHUFFLED) else one.pairs
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
    found += [_measured(folder, test, "BM25", []) for test in one.tests]
    tokenizer = Tokenizer.from_file(str(arguments.model / "tokenizer.json"))
    spelt = [in_tokens(test, tokenizer, LENGTH[one.name]) for test in one.tests]
    for test in spelt:
        write_task(test, folder / test.name, "test")
    found += [_measured(folder, test, "BM25 of tokens", []) for test in spelt]
    kept = {test.name: sharing_no_token(test) for test in spelt}
    apart = [{**own, "scores": {key: own["scores"][key] for key in sorted(kept[own["task"]])}} for own in found]
    return table_rows(title, found) + (table_rows(f"{title}, no equal token", apart) if any(kept.values()) else [])


def sharing_no_token(task: Task) -> set[str]:
    """Return the queries of a task in tokens that have none in common with an answer: equal tokens cannot help them."""
    kept = set()
    for query, answers in task.relevant.items():
        words = set(task.queries[query].split())
        if not any(words & set(task.corpus[answer].split()) for answer in answers):
            kept.add(query)
    return kept


def in_tokens(task: Task, tokenizer: Tokenizer, length: int) -> Task:
    """Return a task with the encoder's tokens as its words, as many of a text as the encoder reads."""
    tokenizer.enable_truncation(length)

    def spelt(texts: dict[str, str]) -> dict[str, str]:
        ids = [one.ids for one in tokenizer.encode_batch(list(texts.values()))]
        return {key: " ".join(f"token{n}" for n in own[1:-1]) for key, own in zip(texts, ids, strict=True)}

    return Task(task.name, spelt(task.corpus), spelt(task.queries), task.relevant)


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
        queries = f"{sum(len(one['scores']) for one in own):,} of {len(cases):,}"
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
    made.add_argument("--epochs", type=int, default=3, help="times the pairs of pages are shown (default: %(default)s)")
    arguments = made.parse_args()
    rows = []
    if DECLARATION in arguments.tasks:
        one = declaration_round(read_texts(arguments.data, DECLARATION)[1])
        rows += measure_round(one, "article in another language", arguments, epochs=4)
    if HELP in arguments.tasks:
        one = help_round(*read_texts(arguments.data, HELP))
        rows += measure_round(one, "page in another language", arguments, arguments.epochs)
    print_table(["task, system", "nDCG@10", "interval", "chance", "queries", "learning rate"], rows)


if __name__ == "__main__":
    run_command(main)
