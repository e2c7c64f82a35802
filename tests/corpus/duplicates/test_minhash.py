"""MinHash: found as often as its formula says, and the same for any batch."""

from __future__ import annotations

import random
from itertools import combinations

import pytest

from corpus.duplicates import minhash
from corpus.duplicates.minhash import band_keys
from corpus.duplicates.words import words_of


def shingles(text: str, length: int = 5) -> set[tuple[str, ...]]:
    words = text.split()
    return {tuple(words[n : n + length]) for n in range(len(words) - length + 1)}


def jaccard(one: str, other: str) -> float:
    left, right = shingles(one), shingles(other)
    return len(left & right) / len(left | right)


def test_pairs_are_found_as_often_as_the_formula_says() -> None:
    rng = random.Random(1)
    vocabulary = [f"sana{n}" for n in range(5000)]
    texts = []
    for _ in range(300):
        words = rng.choices(vocabulary, k=200)
        changed = list(words)
        for place in rng.sample(range(200), rng.randrange(0, 14)):
            changed[place] = "muu" + str(place)
        texts += [" ".join(words), " ".join(changed)]
    keys, documents = band_keys(words_of([text.encode() for text in texts]), 5, 14, 8)
    assert documents.tolist() == list(range(600))
    expected = found = 0.0
    for number in range(0, 600, 2):
        index = jaccard(texts[number], texts[number + 1])
        expected += 1 - (1 - index**8) ** 14
        found += bool((keys[:, number] == keys[:, number + 1]).any())
    assert abs(found - expected) < 3 * (300 * 0.25) ** 0.5
    strangers = sum(bool((keys[:, one] == keys[:, other]).any()) for one, other in combinations(range(0, 600, 2), 2))
    assert strangers == 0


def test_a_document_has_the_same_keys_in_any_batch_and_block(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(2)
    texts = [" ".join(rng.choices("abcdefgh", k=rng.randrange(0, 60))).encode() for _ in range(50)]
    keys, documents = band_keys(words_of(texts), 5, 3, 2)
    monkeypatch.setattr(minhash, "_BLOCK", 7)
    again, same = band_keys(words_of(texts), 5, 3, 2)
    assert (keys == again).all()
    assert (documents == same).all()
    for place, document in enumerate(documents.tolist()):
        alone, _ = band_keys(words_of([texts[document]]), 5, 3, 2)
        assert alone[:, 0].tolist() == keys[:, place].tolist()


def test_documents_shorter_than_a_shingle_have_no_keys_and_numbers_are_one_word() -> None:
    texts = [b"", b"yksi kaksi", b"bussi 12 menee klo 14.30 taas", b"bussi 9 menee klo 7.15 taas"]
    keys, documents = band_keys(words_of(texts), 5, 14, 8)
    assert documents.tolist() == [2, 3]
    assert (keys[:, 0] == keys[:, 1]).all()


def test_keys_stay_the_same_from_one_version_to_the_next() -> None:
    """Others would make other survivors of the same text."""
    words = words_of([b"yksi kaksi kolme nelja viisi"])
    assert words.hashes[:2].tolist() == [6874324307162276006, 7066612963707798936]
    assert band_keys(words, 5, 2, 2)[0].ravel().tolist() == [4680983518963758935, 12877437352605476170]
