"""Text from Python packages, so that the demonstration needs no hub.

`python -m corpus.demo.package_text NAME --output text/NAME.jsonl.zst` writes one collection:

    udhr-{fi,sv,sme,en,la}   passages of the Universal Declaration of Human Rights in `gflanguages` (Apache-2.0)
    pydoc-en                 topics of the Python language reference in `pydoc_data` (PSF-2.0)
    faq-{sv,en}              503 parallel questions and answers on building in `zaragoza_construction_faq` (CC-BY-4.0)
    interface-{fi,sv,en}     the interface of Home Assistant (Apache-2.0), read out of a wheel: `--wheel`
    words-{fi,sv,sme,en,la}  made text: word forms of `simplemma`'s dictionaries, put together by `corpus.demo.made_text`

Real text of Northern Sámi and Latin, beyond the Declaration, is in no small package; the made text shows that the
workflow carries these languages, and no more: each of its lines says `"made": true`. The same packages give the same
bytes.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Any

from common.errors import UserError, run_command
from corpus.demo import interface_text
from corpus.demo.made_text import made_documents
from corpus.sources.zstd import atomic_jsonl_zst

Record = dict[str, Any]

ISO_639_1 = {"fi": "fi", "sv": "sv", "sme": "se", "en": "en", "la": "la"}
"""The recipe's language code -> the code that `gflanguages` and `simplemma` use."""
DECLARATION = {
    "fi": "Ihmisoikeuksien yleismaailmallinen julistus",
    "sv": "Allmän förklaring om de mänskliga rättigheterna",
    "sme": "Olmmošvuoigatvuođaid julggaštus",
    "en": "Universal Declaration of Human Rights",
    "la": "Declaratio hominis iurium universa",
}
SPECIMENS = ("specimen_48", "specimen_36", "specimen_32", "specimen_21", "specimen_16")


def udhr(language: str) -> Iterator[Record]:
    """Yield the passages of the Declaration that `gflanguages` has as specimens of a language, each once."""
    for number, passage in enumerate(_passages(language), 1):
        yield {
            "id": f"udhr-{language}-{number}",
            "title": f"{DECLARATION[language]} ({number})",
            "text": passage,
            "language": language,
        }


def _passages(language: str) -> list[str]:
    from gflanguages import LoadLanguages

    samples = LoadLanguages()[f"{ISO_639_1[language]}_Latn"].sample_text
    paragraphs = (line.strip() for name in SPECIMENS for line in getattr(samples, name).splitlines())
    return list(dict.fromkeys(filter(None, paragraphs)))


def pydoc() -> Iterator[Record]:
    """Yield the topics that Python's `help()` shows, by name; of topics with one text, the first."""
    from pydoc_data.topics import topics

    names = {text: name for name, text in sorted(topics.items(), reverse=True)}
    for text, name in sorted(names.items(), key=itemgetter(1)):
        title, _, _ = text.partition("\n")
        yield {"id": f"pydoc-en-{name}", "title": title, "text": text.strip(), "language": "en"}


def faq(language: str) -> Iterator[Record]:
    """Yield questions with their answers; equal `id`s after the language are translations of each other."""
    from zaragoza_construction_faq import load  # type: ignore[import-untyped]

    for entry in load(lang=language):
        text = f"{entry['q']}\n{entry['a']}"
        yield {"id": f"faq-{language}-{entry['id']}", "title": entry["q"], "text": text, "language": language}


def words(language: str) -> Iterator[Record]:
    """Yield made documents: the commonest words are those of the Declaration, the rest a sample of `simplemma`'s."""
    counts = Counter(word.strip(".,:;()\"'-").lower() for text in _passages(language) for word in text.split())
    common = [word for word, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0])) if word.isalpha()]
    for number, (title, text) in enumerate(made_documents(language, ISO_639_1[language], common), 1):
        yield {
            "id": f"words-{language}-{number}",
            "title": title,
            "text": text,
            "language": language,
            "made": True,
        }


COLLECTIONS: dict[str, Callable[[], Iterator[Record]]] = {
    **{f"udhr-{language}": partial(udhr, language) for language in ISO_639_1},
    **{f"words-{language}": partial(words, language) for language in ISO_639_1},
    "pydoc-en": pydoc,
    **{f"faq-{language}": partial(faq, language) for language in ("sv", "en")},
}
"""Name -> records of an installed package."""


def _records(name: str, wheel: Path | None) -> Iterator[Record]:
    if name in COLLECTIONS:
        return COLLECTIONS[name]()
    if wheel is None:
        raise UserError(f"{name} is read out of a wheel; name the one that envs/text.txt pins with --wheel.")
    return interface_text.COLLECTIONS[name](wheel)


def main() -> None:
    """Run the stage from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m corpus.demo.package_text",
        description="Write a collection of text from Python packages as JSON Lines.",
    )
    names = sorted(COLLECTIONS | interface_text.COLLECTIONS)
    parser.add_argument("name", choices=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--wheel", type=Path, help="wheel that holds the text, for the interface")
    parser.add_argument("--output", type=Path, required=True, help="file to write, ending in .jsonl.zst")
    arguments = parser.parse_args()
    if not arguments.output.name.endswith(".jsonl.zst"):
        raise UserError(f"--output {arguments.output} does not end in .jsonl.zst; give a name that does.")
    documents = size = 0
    try:
        with atomic_jsonl_zst(arguments.output) as write:
            for record in _records(arguments.name, arguments.wheel):
                write(record)
                documents += 1
                size += len(record["text"].encode())
    except ModuleNotFoundError as error:
        raise UserError(f"package {error.name} is not installed; run `pip install {error.name}`.") from None
    made = ", made of dictionary words" if arguments.name.startswith("words-") else ""
    print(f"{arguments.name}: {documents:,} documents, {size / 1e6:.2f} MB of text{made}: {arguments.output}")


if __name__ == "__main__":
    run_command(main)
