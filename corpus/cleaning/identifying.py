"""Which language a text is in: one interface, and the two engines that a recipe may choose from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import log
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from common.errors import UserError
from corpus.cleaning.automaton import automaton, pieces

NO_LANGUAGE = "zxx"
"""ISO 639 of what is no text of any language: numbers, code."""
TINY = np.float32(1e-30)
NEUTRAL = np.float32(log(2))
"""By how much any language is behind in a text without words: one of two scripts counts twice there."""


@dataclass(frozen=True)
class Identified:
    """What an engine says of d texts."""

    languages: list[str]
    """The most likely language of each, in the engine's codes."""
    confidence: NDArray[np.float32]
    """float32[d], how sure that is, in the engine's own measure."""
    lead: NDArray[np.float32]
    """float32[d], natural logarithm of how much likelier the wanted language is than any other; 0: nothing speaks for
    either."""


class Identifier(Protocol):
    """An engine."""

    def identify(self, texts: Sequence[bytes], wanted: str) -> Identified:
        """Identify texts in UTF-8; `wanted` is a language in the engine's codes."""


class Py3langid:
    """The model of `py3langid` (BSD-3); confidence is a probability."""

    def identify(self, texts: Sequence[bytes], wanted: str) -> Identified:
        """Identify texts in UTF-8; `wanted` is one of the model's languages."""
        model = automaton()
        own, none = np.searchsorted(model.languages, [wanted, NO_LANGUAGE]).tolist()
        languages: list[str] = []
        confidence, lead = np.empty(len(texts), np.float32), np.empty(len(texts), np.float32)
        for piece in pieces(texts):
            likely = model.likelihoods(piece)
            here = slice(len(languages), len(languages) + len(piece))
            confidence[here] = likely.max(axis=1)
            languages += model.languages[likely.argmax(axis=1)].tolist()
            likely_own = likely[:, own].copy()
            likely[:, [own, none]] = 0
            lead[here] = np.log(likely_own + TINY) - np.log(likely.max(axis=1) + TINY) + NEUTRAL
        return Identified(languages, confidence, lead)


class Heliport:
    """`heliport` (GPL-3); confidence is by how many powers of ten the first language is likelier, averaged over words.

    Where that is below its own threshold for the language, `heliport` says `und`.
    """

    def __init__(self) -> None:
        """Load the models, which come with the package. Raises `UserError` if it is not installed."""
        try:
            from heliport import Identifier as Engine
        except ModuleNotFoundError:
            raise UserError(
                "package heliport is not installed; `pip install heliport==1.0.1` adds it (GPL-3, x86-64 only), or "
                "let cleaning.language.engine be py3langid."
            ) from None
        self._engine: Any = Engine()

    def identify(self, texts: Sequence[bytes], wanted: str) -> Identified:
        """Identify texts in UTF-8; `wanted` is a language of ISO 639-3."""
        found = [self._engine.identify_with_score(text.decode()) for text in texts]
        languages = [language for language, _ in found]
        confidence = np.array([score for _, score in found], np.float32).reshape(len(texts))
        sign = [0 if language in ("und", NO_LANGUAGE) else 1 if language == wanted else -1 for language in languages]
        return Identified(languages, confidence, np.array(sign, np.float32) * confidence * np.float32(log(10)))


@cache
def identifier(engine: str) -> Identifier:
    """Return an engine by its name, which a process loads once. Raises `UserError` if it is not installed."""
    engines: dict[str, type[Identifier]] = {"py3langid": Py3langid, "heliport": Heliport}
    return engines[engine]()
