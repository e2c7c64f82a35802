"""Codes of languages: those that a recipe writes are those that an engine knows, or are told from them."""

import pytest

from recipe.languages import ENGINES, engine_code, three_letters


@pytest.mark.parametrize(
    ("language", "py3langid", "heliport"),
    [
        ("fi", "fi", "fin"),
        ("fin", "fi", "fin"),
        ("sv", "sv", "swe"),
        ("en", "en", "eng"),
        ("la", "la", "lat"),
        ("sme", "se", "sme"),
        ("se", "se", "sme"),
        ("smn", None, "smn"),
        ("nb", "no", "nob"),
        ("no", "no", "nob"),
        ("zh", "zh", "cmn"),
        ("hr", "hr", None),
        ("gcf", "gcf", None),
        ("code", None, None),
        ("en-fi", None, None),
    ],
)
def test_a_language_has_the_code_of_each_engine(language, py3langid, heliport):
    assert engine_code("py3langid", language) == py3langid
    assert engine_code("heliport", language) == heliport


def test_the_table_of_py3langid_is_what_its_model_knows():
    from corpus.cleaning.automaton import automaton

    assert set(automaton().languages) == ENGINES["py3langid"] | {"zxx"}


def test_the_table_of_heliport_is_what_it_knows():
    heliport = pytest.importorskip("heliport", reason="the optional engine heliport is not installed")
    known = {code for code in heliport.Identifier().get_confidence_all() if len(code) == 3}
    assert known == ENGINES["heliport"] | {"und", "zxx"}


def test_two_letters_have_three():
    assert [three_letters(code) for code in ("fi", "sme", "se", "xyz")] == ["fin", "sme", "sme", "xyz"]
