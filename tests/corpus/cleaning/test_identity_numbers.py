"""Of all that have the form of an identity number, those are found whose date and check digit are right."""

import pytest

from corpus.cleaning.identity_numbers import CHECKS, find_identity_numbers


def found(text: str, language: str = "fi") -> list[str]:
    """Return the identity numbers in a text."""
    return [text[start:end] for start, end in find_identity_numbers(text, language)]


@pytest.mark.parametrize("number", ["131052-908", "010150-912", "290200A903", "311299+900"])
def test_one_check_character_of_a_finnish_number_is_right(number: str) -> None:
    right = [check for check in CHECKS if found(number + check)]
    assert right == [CHECKS[int(number[:6] + number[7:]) % 31]]


@pytest.mark.parametrize("signs", ["-YXWVU", "ABCDEF"])
def test_all_signs_of_a_century_mean_the_same(signs: str) -> None:
    numbers = [f"010101{sign}999X" for sign in signs]
    assert found(" ".join(numbers)) == numbers
    assert not found("010101G999X 010101Z999X 010101T999X")


@pytest.mark.parametrize("number", ["811218-987", "19121212-121", "701063-239", "900101+980"])
def test_one_check_digit_of_a_swedish_number_is_right(number: str) -> None:
    assert len([digit for digit in "0123456789" if found(f"{number}{digit}", "sv")]) == 1


def test_a_date_that_is_none_makes_a_number_none() -> None:
    assert found("290200A903E")
    assert not found("290201A903H")
    assert not found("310290-9125")
    assert found("701063-2391", "sv")  # the third, by which a samordningsnummer is told
    assert not found("701093-2391", "sv")


def test_ten_bare_digits_are_a_number_in_swedish_or_where_the_text_says_so() -> None:
    assert found("8507099805", "sv")
    assert not found("8507099805", "fi")
    assert found("personnumret är 8507099805", "fi")
    assert not found("202402290012", "fi")


def test_longer_numbers_hold_none() -> None:
    assert not found("1131052-9085 131052-90851 a131052-9085 811218-9876-1 12.811218-9876", "sv")
