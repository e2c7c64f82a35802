"""Merges: those of `tokenizers`' trainer, without its limits; and parity between languages."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import islice, pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from corpus.demo.package_text import COLLECTIONS
from corpus.tokens import merges, segmentation
from corpus.tokens.merges import Pair, learn_merges
from corpus.tokens.pretokens import COUNTS, byte_characters, count_chunks, words_of
from tests.texts import encoded

PROPERTY = settings(deadline=None, derandomize=True)
CHARACTERS = byte_characters()
BYTES = sorted(range(256), key=lambda byte: CHARACTERS[byte])
ALPHABET = np.argsort(BYTES).tolist()


def words(counts: Mapping[bytes, int]) -> pa.Table:
    return pa.table([pa.array(counts.keys(), pa.large_binary()), pa.array(counts.values(), pa.int64())], schema=COUNTS)


def learnt(groups: list[pa.Table], most: int | None = None) -> list[tuple[str, str]]:
    """The merges as pairs of text, as in a tokenizer.json."""
    entries = [CHARACTERS[byte] for byte in BYTES]
    pairs = []
    for left, right in islice(learn_merges(groups, ALPHABET, 256), most):
        pairs.append((entries[left], entries[right]))
        entries.append(entries[left] + entries[right])
    return pairs


def reference(texts: Iterable[str], vocabulary: int) -> list[tuple[str, str]]:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=vocabulary, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    return [tuple(pair) for pair in json.loads(tokenizer.to_str())["model"]["merges"]]


@pytest.mark.parametrize("name", ["udhr-fi", "words-sv", "pydoc-en"])
def test_real_text_gives_the_merges_of_tokenizers(name: str) -> None:
    texts = [record["text"] for record in COLLECTIONS[name]()]
    ours = learnt([words_of(count_chunks(encoded(texts)))], 5000)
    assert ours == reference(texts, 5256)


@PROPERTY
@given(texts=st.lists(st.text("ab", max_size=40) | st.text("aäb c.", max_size=40), max_size=8))
def test_small_corpora_with_many_ties_give_the_merges_of_tokenizers(texts: list[str]) -> None:
    ours = learnt([words_of(count_chunks(encoded(texts)))])
    assert ours == reference(texts, 100_000)


@PROPERTY
@given(texts=st.lists(st.text("abc ", max_size=60), max_size=8), step=st.integers(2, 4), block=st.integers(1, 30))
def test_neither_surveys_nor_blocks_change_a_merge(texts: list[str], step: int, block: int) -> None:
    table = words_of(count_chunks(encoded(texts)))
    usual = learnt([table])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(merges, "_STEP", step)
        for name in ("_BLOCK", "_SORTED_BLOCK", "_NEAR"):
            patch.setattr(segmentation, name, block)
        patch.setattr(segmentation, "_DENSE", 1 << 17)
        assert learnt([table]) == usual


@PROPERTY
@given(texts=st.lists(st.text("abc ", max_size=60), max_size=8), together=st.integers(1, 3))
def test_merges_joined_together_are_those_joined_one_by_one(texts: list[str], together: int) -> None:
    table = words_of(count_chunks(encoded(texts)))
    usual = learnt([table])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(merges, "_MERGES", together)
        assert learnt([table]) == usual


@pytest.mark.parametrize("more", [100, 40_000, 70_000])
def test_ids_beyond_16_bits_give_the_same_merges(more: int) -> None:
    texts = [record["text"] for record in COLLECTIONS["udhr-fi"]()]
    table = words_of(count_chunks(encoded(texts)))
    usual = learn_merges([table], ALPHABET, 256)
    shifted = learn_merges([table], [number + more for number in ALPHABET], 256 + more)
    assert [(left - more, right - more) for left, right in shifted] == list(usual)


def test_counts_beyond_32_bits_are_counted() -> None:
    # Below 2^32 modulo it, "cd" would win.
    assert learnt([words({b"ab": 2**32 + 1, b"cd": 2**31})])[0] == ("a", "b")


def test_one_word_of_a_million_letters_is_learnt_from_quickly() -> None:
    letters = np.random.default_rng(0).integers(ord("a"), ord("e"), 1_000_000, np.uint8).tobytes()
    assert len(learnt([words({letters: 1})], 200)) == 200
    assert learnt([words({b"a" * (1 << 20): 1})], 100) == [("a" * 2**power,) * 2 for power in range(20)]


def test_no_words_give_no_merges() -> None:
    assert learnt([words({})]) == []
    assert learnt([words({b"a": 5})]) == []


def tokens_per_byte(pairs: list[tuple[str, str]], counts: Mapping[bytes, int]) -> float:
    vocab = {entry: number for number, entry in enumerate([*CHARACTERS, *map("".join, pairs)])}
    model = Tokenizer(models.BPE(vocab=vocab, merges=pairs))
    total = sum(
        count * len(model.encode("".join(CHARACTERS[byte] for byte in word)).ids) for word, count in counts.items()
    )
    return total / sum(count * len(word) for word, count in counts.items())


def parity_by_definition(languages: list[dict[bytes, int]], most: int) -> list[Pair]:
    """Algorithm 1 of arXiv 2508.04796 with each language's own text as its development set, word for word."""
    texts = [{tuple(ALPHABET[byte] for byte in word): n for word, n in counts.items()} for counts in languages]
    size = [sum(len(word) * n for word, n in counts.items()) for counts in texts]
    found: list[Pair] = []
    while len(found) < most:
        pairs: list[Counter[Pair]] = [Counter() for _ in texts]
        for counter, counts in zip(pairs, texts, strict=True):
            for word, n in counts.items():
                for pair in pairwise(word):
                    counter[pair] += n
        rates = [sum(len(word) * n for word, n in text.items()) / most for text, most in zip(texts, size, strict=True)]
        worst = max((number for number, counter in enumerate(pairs) if counter), key=lambda one: rates[one])
        best = min(pairs[worst], key=lambda pair: (-pairs[worst][pair], pair))
        texts = [{_merged(word, best, 256 + len(found)): n for word, n in counts.items()} for counts in texts]
        found.append(best)
    return found


def _merged(word: tuple[int, ...], pair: Pair, made: int) -> tuple[int, ...]:
    result: list[int] = []
    for token in word:
        result.append(token)
        if tuple(result[-2:]) == pair:
            result[-2:] = [made]
    return tuple(result)


@PROPERTY
@given(
    languages=st.lists(
        st.dictionaries(st.text("abcd", min_size=6, max_size=30).map(str.encode), st.integers(1, 9), min_size=1),
        min_size=2,
        max_size=3,
    )
)
def test_parity_merges_the_best_pair_of_the_language_with_the_most_tokens_a_byte(
    languages: list[dict[bytes, int]],
) -> None:
    ours = list(islice(learn_merges([words(counts) for counts in languages], ALPHABET, 256), 8))
    assert ours == parity_by_definition(languages, len(ours))


def test_parity_brings_a_small_language_level_with_a_large_one() -> None:
    large, small = (
        {word.encode(): count * times for word, count in Counter(text.split()).items()}
        for text, times in (
            (" ".join(record["text"] for record in COLLECTIONS["udhr-en"]()), 1000),
            (" ".join(record["text"] for record in COLLECTIONS["udhr-fi"]()), 1),
        )
    )
    joint = Counter(large)
    joint.update(small)
    classical = learnt([words(joint)], 600)
    parity = learnt([words(large), words(small)], 600)
    gap = [abs(tokens_per_byte(pairs, large) - tokens_per_byte(pairs, small)) for pairs in (classical, parity)]
    assert gap[1] < 0.01 < 0.1 < gap[0]
