"""Weights of a mixture's components: languages hold their shares, and what a recipe does not ask for is in no slice."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from corpus.rows.weights import component_weights
from recipe.slices.files import to_json
from recipe.slices.types import Component


def component(language, factor, share=None, bin_=None):
    fields = {"bin": bin_, "bin_share": None if bin_ is None else 1.0}
    return Component(source=language, language=language, rowset="64", factor=factor, language_share=share, **fields)


def test_languages_have_their_shares_and_factors_weigh_within_one():
    parts = [component("fi", 1, 0.6), component("fi", 3, 0.6), component("en", 5, 0.2)]
    assert component_weights(parts, [10, 10, 9_000]) == [Fraction(3, 16), Fraction(9, 16), Fraction(1, 4)]


def test_a_language_without_a_token_gives_its_share_to_the_others():
    parts = [component("fi", 1, 0.5), component("en", 1, 0.25), component("la", 1, 0.25)]
    assert component_weights(parts, [10, 0, 7]) == [Fraction(2, 3), 0, Fraction(1, 3)]


def test_within_a_language_bins_keep_their_proportions():
    parts = [component("fi", 1, 0.9, 0), component("fi", 1, 0.9, 1), component("en", 1, 0.1, 0)]
    first, second, third = component_weights(parts, [30, 10, 10])
    assert first + second == Fraction(9, 10)
    assert third == Fraction(1, 10)
    assert first / second == Fraction(3, 4), "as without shares: 3/8 and 1/2 of all"


@given(st.lists(st.tuples(st.sampled_from(["fi", "sv", "en"]), st.integers(1, 99), st.integers(1, 10**6)), min_size=1))
def test_shares_hold_whatever_factors_and_tokens_are(drawn):
    shares = {"fi": 0.5, "sv": 0.3, "en": 0.2}
    parts = [component(language, factor, shares[language]) for language, factor, _ in drawn]
    weights = component_weights(parts, [tokens for *_, tokens in drawn])
    total = sum(Fraction(str(shares[language])) for language in {language for language, *_ in drawn})
    for language in {language for language, *_ in drawn}:
        own = sum(weight for part, weight in zip(parts, weights, strict=True) if part.language == language)
        assert own == Fraction(str(shares[language])) / total


def test_a_recipe_without_shares_has_the_slices_that_it_had():
    assert "language_share" not in to_json(component("fi", 1))
    assert '"language_share":0.5' in to_json(component("fi", 1, 0.5))
