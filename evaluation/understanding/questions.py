"""Questions made from a source's own text, each answered in one place of a long context.

A question is a sentence with a gap, and with other words missing by chance, as `vasara … vanhan … päällä`;
the answer are the words of the gap, which stand nowhere else in the context. The context is the passage that the
sentence is from, between other documents of the same source: only whoever relates the question to a passage far away
can answer it. Such clozes stand for questions that nobody had to write (arXiv 1906.04980). They are no test of
reasoning: they tell from how far an encoder fetches what it needs, in any language that separates words by spaces.

At which token the passage stands is drawn evenly from each of some stretches, so that all are measured equally well.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from common.errors import UserError

GAP = "…"
KEPT = 0.6
"""Chance of a word of the sentence to stand in the question."""
KEPT_WORDS = 4
"""At least, so that the passage can be told from others."""
SENTENCE_WORDS = range(8, 41)
"""Of a sentence that is asked for."""
ANSWER_WORDS = 3
"""At most."""
ANSWER_LETTERS = 4
"""At least, figures among them."""
AROUND = 2
"""Sentences before and after the one asked for that are its passage."""
TRIES = 200
"""Documents that are looked at for a question before it is given up."""
MARGIN = 0.05
"""Share of a stretch at either end in which no passage is put, since characters stand for tokens."""
BREAK = "\n\n"
"""Between documents."""
_ENDS = re.compile(r"(?<=[.!?]) +")
_WORD = re.compile(r"\S+")
_EDGES = "".join(map(chr, range(33, 48))) + ":;<=>?@[]^_`{|}~«»„“”‘’‚–—…"


@dataclass(frozen=True)
class Evidence:
    """A sentence that is asked for, in its passage."""

    passage: str
    question: str
    answer: str
    start: int
    """Character of the passage at which the answer begins."""


def questions(
    texts: Sequence[str], number: int, tokens: int, edges: Sequence[int], per_token: float, key: str
) -> Iterator[dict[str, Any]]:
    """Yield records of questions as SQuAD's, each with its `question`, `context` and `answers`.

    Args:
        texts: documents of one source and split.
        number: questions.
        tokens: of a question with its context.
        edges: tokens, rising from 0, that part the stretches in which passages stand; the last is at most `tokens`.
        per_token: characters of a token in this source, as the mean.
        key: what all chance depends on, with the number of a question.

    Raises:
        UserError: the texts are too few or have no such sentences.
    """
    held = sum(map(len, texts))
    if held < 2 * tokens * per_token:
        raise UserError(
            f"there are {held:,} characters in {len(texts):,} documents, too few for contexts of {tokens:,} tokens; "
            "name a source with more text, hold out more of it, or ask for fewer tokens."
        )
    stretches = list(pairwise(edges))
    for place in range(number):
        chance = random.Random(f"{key} {place}")
        begin, end = stretches[place % len(stretches)]
        at = begin + (end - begin) * (MARGIN + (1 - 2 * MARGIN) * chance.random())
        yield _question(texts, int(at * per_token), int(tokens * per_token), chance)


def _question(texts: Sequence[str], at: int, characters: int, chance: random.Random) -> dict[str, Any]:
    """Return a question whose answer begins at about character `at` of question and context, which are `characters`."""
    for _ in range(TRIES):
        chosen = chance.randrange(len(texts))
        if (evidence := evidence_in(texts[chosen], chance)) is None:
            continue
        left = characters - len(evidence.question) - len(evidence.passage) - 2 * len(BREAK)
        wanted = at - len(evidence.question) - evidence.start
        before = _filling(texts, chosen, max(0, min(wanted, left)), chance, end=True)
        after = _filling(texts, chosen, max(0, left - len(before)), chance, end=False)
        context = BREAK.join(filter(None, (before, evidence.passage, after)))
        if context.casefold().count(evidence.answer.casefold()) == 1:
            start = (len(before) + len(BREAK) if before else 0) + evidence.start
            answers = {"text": [evidence.answer], "answer_start": [start]}
            return {"question": evidence.question, "context": context, "answers": answers}
    raise UserError(
        f"of {TRIES} documents none has a sentence of {SENTENCE_WORDS.start} to {SENTENCE_WORDS.stop - 1} words with a "
        "word that stands nowhere else; name a source of running text."
    )


def evidence_in(text: str, chance: random.Random) -> Evidence | None:
    """Return a sentence of a text that may be asked for, with a question and an answer, or None if it has none."""
    line = chance.choice(text.splitlines() or [""])
    sentences = _ENDS.split(line)
    number = chance.randrange(len(sentences))
    sentence = sentences[number]
    words = list(_WORD.finditer(sentence))
    if len(words) not in SENTENCE_WORDS or sentence[-1] not in ".!?":
        return None
    length = chance.randint(1, ANSWER_WORDS)
    first = chance.randrange(1, len(words) - length)
    begin, end = words[first].start(), words[first + length - 1].end()
    answer = sentence[begin:end].strip(_EDGES)
    if sum(map(str.isalnum, answer)) < ANSWER_LETTERS:
        return None
    before = sentences[max(0, number - AROUND) : number]
    passage = " ".join(sentences[max(0, number - AROUND) : number + AROUND + 1])
    start = sum(len(one) + 1 for one in before) + sentence.index(answer, begin)
    others = [(place, word[0]) for place, word in enumerate(words) if not first <= place < first + length]
    said = [(place, word) for place, word in others if chance.random() < KEPT]
    said = said if len(said) >= KEPT_WORDS else others
    left = [word for place, word in said if place < first]
    right = [word for place, word in said if place > first]
    return Evidence(passage, " ".join([*left, GAP, *right]), answer, start)


def _filling(texts: Sequence[str], but: int, characters: int, chance: random.Random, end: bool) -> str:
    """Return documents but one, one after another, cut to so many characters between words, at their `end` or start."""
    parts: list[str] = []
    have = 0
    while have < characters:
        chosen = chance.randrange(len(texts))
        # A source of one document has nothing else to be filled up with than itself.
        if chosen != but and (part := texts[chosen].strip()):
            parts.append(part[-characters:] if end else part[:characters])
            have += len(parts[-1]) + len(BREAK)
    whole = BREAK.join(parts)
    if len(whole) <= characters:
        return whole
    if end:
        return whole[len(whole) - characters :].partition(" ")[2].strip()
    return whole[:characters].rpartition(" ")[0].strip()
