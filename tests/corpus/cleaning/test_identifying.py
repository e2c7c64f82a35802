"""Identification of languages: what py3langid itself says, of many texts at once, and what heliport says."""

import math
import re
import sys
from functools import cache

import numpy as np
import pytest

from common.errors import UserError
from corpus.cleaning.automaton import PIECE_BYTES, PIECE_TEXTS, automaton, pieces
from corpus.cleaning.identifying import Heliport, identifier
from corpus.demo.package_text import ISO_639_1, udhr
from recipe.languages import engine_code


@cache
def passages(language):
    return [record["text"] for record in udhr(language)]


def sentences(language):
    """Sentences of at least 20 characters; headings such as `Artikel 15.` are none."""
    found = [sentence for text in passages(language) for sentence in re.split(r"(?<=[.!?;:])\s+", text)]
    return [sentence for sentence in dict.fromkeys(found) if len(sentence) >= 20]


TEXTS = [
    *(text.encode() for language in ISO_639_1 for text in passages(language)),
    b"",
    b"\n",
    b"1 + 1 = 2",
    b"OK",
    "ALLA MÄNNISKOR ÄR FÖDDA FRIA".encode(),
    b"ALL HUMAN BEINGS",
    "ihmisoikeuksien yleismaailmallinen julistus hyva\u0308ksyttiin".encode(),
    "все люди рождаются свободными 人人生而自由".encode(),
]


def test_many_texts_at_once_get_what_py3langid_says_of_each():
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    alone = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    likely = automaton().likelihoods(TEXTS)
    assert likely.shape == (len(TEXTS), len(automaton().languages))
    for text, row in zip(TEXTS, likely, strict=True):
        language, confidence = alone.classify(text)
        assert row.max() == pytest.approx(confidence, abs=1e-5)
        if not math.isclose(np.sort(row)[-2], row.max(), abs_tol=1e-5):
            assert automaton().languages[row.argmax()] == language
        assert row.sum() == pytest.approx(1, abs=1e-4)


def test_a_text_is_judged_the_same_whatever_it_is_judged_with():
    together = automaton().likelihoods(TEXTS)
    for number in range(0, len(TEXTS), 7):
        alone = automaton().likelihoods(TEXTS[number : number + 1])
        np.testing.assert_array_equal(alone[0], together[number])


def test_pieces_hold_all_texts_in_order_and_each_is_bounded():
    texts = [b"a" * size for size in (0, 5, PIECE_BYTES, 3, PIECE_BYTES * 2, 1)] + [b""] * (PIECE_TEXTS + 1)
    parts = list(pieces(texts))
    assert [text for part in parts for text in part] == texts
    assert all(len(part) <= PIECE_TEXTS for part in parts)
    assert all(len(part) == 1 or sum(map(len, part)) <= PIECE_BYTES for part in parts)
    assert list(pieces([])) == []


def test_more_texts_than_fit_into_a_piece_are_identified_as_each_alone():
    texts = [b"OK", "Kaikki ihmiset syntyvät vapaina".encode(), b"All human beings are born free"]
    many = identifier("py3langid").identify(texts * (PIECE_TEXTS // 3 + 2), "fi")
    alone = identifier("py3langid").identify(texts, "fi")
    assert many.languages == alone.languages * (PIECE_TEXTS // 3 + 2)
    np.testing.assert_array_equal(many.lead, np.tile(alone.lead, PIECE_TEXTS // 3 + 2))
    with pytest.raises(ValueError, match="more than"):
        automaton().likelihoods([b"a"] * (PIECE_TEXTS + 1))


@pytest.mark.parametrize("engine", ["py3langid", "heliport"])
def test_sentences_of_the_declaration_are_told_apart(engine):
    if engine == "heliport":
        pytest.importorskip("heliport", reason="the optional engine heliport is not installed")
    right = total = 0
    for language in ISO_639_1:
        code = engine_code(engine, language)
        texts = [sentence.encode() for sentence in sentences(language)]
        found = identifier(engine).identify(texts, code)
        own = np.array(found.languages) == code
        right, total = right + int(own.sum()), total + len(texts)
        assert (found.lead[own] > 0).all()
    assert total > 40
    assert right >= 0.99 * total


def test_numbers_speak_for_no_language():
    found = identifier("py3langid").identify([b"12 345", b"", b">", b"***"], "fi")
    assert found.lead == pytest.approx([0, 0, 0, 0], abs=0.2)
    assert identifier("py3langid").identify([], "fi").languages == []


def test_an_engine_that_is_not_installed_is_told_with_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "heliport", None)
    with pytest.raises(UserError, match=r"pip install heliport==1\.0\.1.*or let cleaning\.language\.engine"):
        Heliport()
