"""What was misread is read anew; what only looks misread stays."""

import itertools

import ftfy
import pytest

from corpus.cleaning.mojibake import read_anew

SENTENCES = {
    "fi": "Älä mene, sanoi äiti: ”yöllä on −20 °C”. Åke söi Öljymäessä hernekeiton – ja maksoi 5 € pääjohtajalle…",
    "sv": "»Räksmörgås på Åland«, sade Örjan. Ärendet är enligt 5 § överklagat — ’kanske’ à 10 kr.",
    "sme": "Čohkkiras leat ođđa boađus: áhčči ja eŋgelasgiella, muŧŧolaš Šibmi, Žila Đávvi. Ŋ ja Ŧ leat bustávat.",
    "la": "Gallia est omnis dīvīsa in partēs trēs; Cæsar pœnam cōnstituit.",
    "en": "“It’s naïve,” she said — the café’s ½ price was £5, not €6…",
}
LETTERS = "åäöÅÄÖéÉáčđŋšŧžÁČĐŊŠŦŽæøÆØāēīōūœŒëüÜ"
MARKS = "“”„‘’‚«»‹›–—…•·§¶°²³½±×÷€£©®™†‡\xa0'\"!?;:,.()-/ "


@pytest.mark.parametrize("language", SENTENCES)
def test_text_without_damage_stays_bit_for_bit(language: str) -> None:
    for text in (SENTENCES[language], SENTENCES[language].upper(), SENTENCES[language].title()):
        assert read_anew(text) == text


@pytest.mark.parametrize("encoding", ["sloppy-windows-1252", "latin-1"])
@pytest.mark.parametrize("language", ["fi", "sv", "sme", "en"])
def test_misread_text_is_what_it_was(language: str, encoding: str) -> None:
    text = SENTENCES[language]
    misread = text.encode().decode(encoding)
    assert read_anew(misread) == text
    assert read_anew(misread.encode().decode(encoding)) == text
    assert read_anew(f"{text}\n{misread}\n{text}") == f"{text}\n{text}\n{text}"


def test_text_misread_as_mac_roman_is_what_it_was() -> None:
    text = "Päätös on ”sitova” – sanoi Ängström"
    assert read_anew(text.encode().decode("mac_roman")) == text


@pytest.mark.parametrize(
    ("misread", "meant"),
    [
        ("Kesä â€“ kevÃ¤t", "Kesä – kevät"),
        ("Ã…bo ja Ã–ljy", "Åbo ja Öljy"),
        ("ÄŒohkkiras, boaÄ‘ihan, eaÅ‹galas", "Čohkkiras, boađihan, eaŋgalas"),
        ("\x93Ja\x94, hän sanoi\x85", "“Ja”, hän sanoi…"),
        ("vÃ¤hÃ¤n jotain: sÃ?", "vähän jotain: s\ufffd"),
        ("Â§ 5: 10Â\xa0%", "§ 5: 10\xa0%"),
    ],
)
def test_small_damage_is_mended(misread: str, meant: str) -> None:
    assert read_anew(misread) == meant


@pytest.mark.parametrize(
    "text",
    [
        "”Åbo stad köper mark.",
        "»Älven« rinner",
        "pinta-ala 12 Å² ja tilavuus 8 Å³, sidos 1.5 Å±0.1",
        "TERVEISIÄ „KESÄ“ JA ”SÄÄ”…",
        "AMANHÃ – E IRMÃ” SÃO",
        "kaksi √2 ja ‚Ärger‘",
    ],
)
def test_what_ftfy_alone_takes_for_damage_stays(text: str) -> None:
    assert read_anew(text) == text


def test_some_of_those_are_why_ftfy_is_not_asked_alone() -> None:
    assert ftfy.fix_encoding("”Åbo stad.") == "Ӂbo stad."
    assert ftfy.fix_encoding("pinta-ala 12 Å²") == "pinta-ala 12 Ų"


def test_no_letter_beside_a_mark_is_taken_for_damage() -> None:
    around = (("k", "t"), ("K", "T"), ("", ""), ("K", ""), ("", "t"), ("k ", " t"), ("K", "1"))
    texts = [
        before + pair + after
        for letter, mark in itertools.product(LETTERS, MARKS)
        for before, after in around
        for pair in (letter + mark, mark + letter)
    ]
    # Some letters of Sámi, misread, are a capital letter and a mark within a word, where no language puts one.
    within_words = {"Ä‘", "Å‹", "Å§", "Å½"}
    read = read_anew("\n".join(texts)).split("\n")
    changed = [text for text, anew in zip(texts, read, strict=True) if anew != text]
    assert not [text for text in changed if not any(pair in text for pair in within_words)]
    assert not [text for text in changed if not text[-1].islower() and text[0] != "k"]
