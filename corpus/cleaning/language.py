"""Documents and lines that are in another language than their source.

A document is judged by its beginning and its middle. Lines are judged one by one, and yet not alone: a title, a number
or `OK` says little of its language, and goes with the lines around it. So each line speaks for or against the wanted
language by how much likelier it is than any other, at most `LOUDEST`, and a document is cut into stretches that stay
and stretches that go such that the lines agree best with their stretches, when each cut costs `CUT` (Viterbi's
algorithm over two states).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from corpus.cleaning.identifying import Identified, Identifier

HEAD_BYTES = 2048
MIDDLE_BYTES = 2048
LOUDEST = 3.0
CUT = 1.0
"""Both in natural logarithms of a likelihood ratio."""
ANOTHER = "another language"
"""Why a document is dropped."""


def looked_at(text: bytes) -> bytes:
    """Return what of a document or line its language is judged by: all, or the first and a middle part."""
    if len(text) <= HEAD_BYTES + MIDDLE_BYTES:
        return text
    middle = (len(text) - MIDDLE_BYTES) // 2
    parts = text[:HEAD_BYTES], text[middle : middle + MIDDLE_BYTES]
    # A cut may go through a character.
    return b"\n".join(part.decode(errors="ignore").encode() for part in parts)


def identified_documents(texts: Sequence[bytes], identifier: Identifier, wanted: str) -> Identified:
    """Return what an engine says of documents, by what of each is looked at.

    Args:
        texts: UTF-8.
        identifier: an engine.
        wanted: a language, in the engine's codes.
    """
    return identifier.identify([looked_at(text) for text in texts], wanted)


def too_unsure(min_score: float) -> str:
    """Return the reason to drop a document in the wanted language whose confidence is below `min_score`."""
    return f"language score < {min_score:g}"


def other_documents(
    texts: Sequence[bytes], identifier: Identifier, wanted: str, min_score: float
) -> list[tuple[str, str] | None]:
    """Return of each document why it is not in the wanted language, and the number that decided; None where it is.

    Arguments as in `identified_documents`; `min_score` is the least confidence, in the engine's measure.
    """
    found = identified_documents(texts, identifier, wanted)
    reasons: list[tuple[str, str] | None] = []
    for language, confidence in zip(found.languages, found.confidence.tolist(), strict=True):
        if language != wanted:
            reasons.append((ANOTHER, f"{language} {confidence:.3f}"))
        elif confidence < min_score:
            reasons.append((too_unsure(min_score), f"{confidence:.3f}"))
        else:
            reasons.append(None)
    return reasons


def without_other_lines(
    texts: Sequence[bytes], identifier: Identifier, wanted: str
) -> tuple[list[bytes], list[list[bytes]]]:
    """Return documents without their lines in other languages, and of each the lines that were taken out.

    A document of which no line is in the wanted language comes out empty. Arguments as in `other_documents`.
    """
    documents = [text.split(b"\n") for text in texts]
    lead = identifier.identify([looked_at(line) for lines in documents for line in lines], wanted).lead
    voices = np.clip(lead, -LOUDEST, LOUDEST).tolist()
    left: list[bytes] = []
    removed: list[list[bytes]] = []
    start = 0
    for text, lines in zip(texts, documents, strict=True):
        stays = stretches(voices[start : start + len(lines)])
        start += len(lines)
        left.append(text if all(stays) else b"\n".join(compress(lines, stays)))
        removed.append([line for line, stay in zip(lines, stays, strict=True) if not stay])
    return left, removed


def stretches(voices: Sequence[float]) -> list[bool]:
    """Return of each line whether it stays, given how it speaks for that (above 0) or against it (below 0).

    Of all ways to cut the lines into stretches, it is the one with the largest sum of what speaks for each line's fate,
    less `CUT` for each cut. A line that speaks for neither goes with those after it: it may be a title.
    """
    if min(voices) >= 0:
        return [True] * len(voices)
    stay = go = 0.0
    turns = []
    for voice in voices:
        turns.append((go - CUT > stay, stay - CUT > go))
        stay, go = max(stay, go - CUT) + voice, max(go, stay - CUT) - voice
    state = stay >= go
    fates = []
    for from_go, from_stay in reversed(turns):
        fates.append(state)
        state ^= from_go if state else from_stay
    return fates[::-1]
