"""Made text: real word forms in an order that chance and a few rules give.

A vocabulary of some 3,000 forms is drawn from a dictionary lemma by lemma, so that forms of one lemma occur together as
they do in text. Every document draws its topical lemmas from one topic, and its sentences mix three sources: the
vocabulary by Zipf's law (the word of rank r with a weight of 1/r), the document's topical forms, and the usual follower
of the word before. So neighbours and the rest of the document help to predict a masked word, though the sentences mean
nothing.

Only `random.Random(int).random()` decides, which Python promises to keep the same from version to version.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate
from random import Random
from typing import TypeVar

Choice = TypeVar("Choice")

TEXT_BYTES = 1_200_000
DICTIONARY_FORMS = 3_000
FORMS_OF_LEMMA = 4
NEIGHBOURS = 8
"""How far from a form in the sorted dictionary other forms of its lemma are looked for."""
TOPICS = 30
TOPICAL_LEMMAS = 12
"""Lemmas that a document draws from its topic."""
FOLLOWS, TOPICAL = 0.35, 0.45
"""Chance that a word is the follower of the one before; else, that it is topical."""
DOCUMENT_WORDS = (20, 40, 80, 150, 300, 600, 1_000, 1_500)
"""Ends of the ranges of document length, each range as likely as the next."""
LETTERS = {
    "fi": "a-zåäö",
    "sv": "a-zåäöé",
    "sme": "a-záčđŋšŧž",
    "en": "a-z",
    "la": "a-z",
}


def made_documents(language: str, dictionary: str, common: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield (title, text) until the texts have 1.2 MB together.

    `dictionary` is simplemma's code of the language; `common` are the words to use most, commonest first.
    """
    chance = Random(int.from_bytes(language.encode(), "big"))
    lemmas = _draw_lemmas(language, dictionary, chance)
    forms = [form for lemma in lemmas for form in lemma]
    general = _Zipf([*common, *forms], chance)
    followers = {word: general.draw() for word in general.words}
    topics = [lemmas[topic::TOPICS] for topic in range(TOPICS)]
    size = 0
    while size < TEXT_BYTES:
        topic = _pick(topics, chance)
        chosen = [_pick(topic, chance) for _ in range(TOPICAL_LEMMAS)]
        topical = [form for lemma in chosen for form in lemma]
        text = _document(general, topical, followers, chance)
        size += len(text.encode())
        yield " ".join(lemma[0] for lemma in chosen[:3]).capitalize(), text


def _draw_lemmas(language: str, dictionary: str, chance: Random) -> list[list[str]]:
    """Draw lemmas, each as a few of its forms, until there are `DICTIONARY_FORMS` forms."""
    from simplemma.strategies.dictionaries.stream_dictionary_factory import StreamDictionaryFactory

    lemma_of = StreamDictionaryFactory().get_dictionary(dictionary)
    keys = list(lemma_of)
    usable = re.compile(rf"[{LETTERS[language]}]{{3,13}}")
    lemmas: dict[str, list[str]] = {}
    count = 0
    while count < DICTIONARY_FORMS:
        position = int(chance.random() * len(keys))
        lemma = lemma_of[keys[position]]
        if lemma in lemmas or len(lemma) > 8 or not usable.fullmatch(lemma):
            continue
        near = keys[max(position - NEIGHBOURS, 0) : position + NEIGHBOURS]
        forms = [key for key in near if usable.fullmatch(key) and lemma_of[key] == lemma]
        if len(forms) >= 2:
            lemmas[lemma] = [_pick(forms, chance) for _ in range(FORMS_OF_LEMMA)]
            count += len(set(lemmas[lemma]))
    return list(lemmas.values())


def _document(general: _Zipf, topical: list[str], followers: dict[str, str], chance: Random) -> str:
    """One document: paragraphs, one a line, of sentences."""
    span = int(chance.random() * (len(DOCUMENT_WORDS) - 1))
    low, high = DOCUMENT_WORDS[span : span + 2]
    wanted = low + int(chance.random() * (high - low))
    text, length = "", 0
    while length < wanted:
        count = min(4 + int(chance.random() * 12), wanted - length)
        length += count
        sentence = _sentence(count, general, topical, followers, chance)
        text += sentence + ("\n" if chance.random() < 0.2 else " ")
    return text.strip()


def _sentence(count: int, general: _Zipf, topical: list[str], followers: dict[str, str], chance: Random) -> str:
    words: list[str] = []
    for _ in range(count):
        if words and chance.random() < FOLLOWS:
            words.append(followers[words[-1]])
        else:
            words.append(_pick(topical, chance) if chance.random() < TOPICAL else general.draw())
    marked = [word + ("," if chance.random() < 0.08 else "") for word in words[:-1]]
    sentence = " ".join([*marked, words[-1]])
    return sentence[0].upper() + sentence[1:] + "."


class _Zipf:
    """Words by Zipf's law: the word of rank r, from 1, with a weight of 1/r."""

    def __init__(self, words: Sequence[str], chance: Random) -> None:
        self.words = list(words)
        self._ends = list(accumulate(1 / rank for rank in range(1, len(self.words) + 1)))
        self._chance = chance

    def draw(self) -> str:
        return self.words[bisect_left(self._ends, self._chance.random() * self._ends[-1])]


def _pick(choices: Sequence[Choice], chance: Random) -> Choice:
    return choices[int(chance.random() * len(choices))]
