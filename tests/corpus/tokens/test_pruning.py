"""What does not fit is left out, the rarest first, and counted."""

from __future__ import annotations

from itertools import pairwise

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.tokens.pretokens import COUNTS
from corpus.tokens.pruning import Bounded, Pruned, budgets, prune

COUNTED = st.dictionaries(st.binary(min_size=1, max_size=6), st.integers(1, 5), max_size=30)


def words(counts: dict[bytes, int]) -> pa.Table:
    return pa.table([pa.array(counts.keys(), pa.large_binary()), pa.array(counts.values(), pa.int64())], schema=COUNTS)


def content(table: pa.Table) -> dict[bytes, int]:
    return dict(zip(table["word"].to_pylist(), table["count"].to_pylist(), strict=True))


@settings(derandomize=True)
@given(counts=COUNTED, limit=st.integers(1, 100))
def test_words_kept_are_never_rarer_than_words_left_out(counts: dict[bytes, int], limit: int) -> None:
    table, lost = prune(words(counts), limit)
    kept = content(table)
    left = {word: count for word, count in counts.items() if word not in kept}
    assert sum(map(len, kept)) <= max(limit, 0)
    assert (lost.words, lost.count) == (len(left), sum(left.values()))
    assert not left or not kept or max(left.values()) <= min(kept.values())
    assert bool(left) == (sum(map(len, counts)) > limit)


def test_of_equally_rare_words_some_of_everywhere_stay() -> None:
    table, lost = prune(words({f"{number:04d}".encode(): 1 for number in range(1000)}), 400)
    kept = [int(word) for word in content(table)]
    assert 95 <= len(kept) <= 100
    assert lost == Pruned(1000 - len(kept), 1000 - len(kept))
    assert max(after - before for before, after in pairwise(kept)) <= 20


def test_words_that_all_differ_stay_within_the_bound() -> None:
    bounded = Bounded(1000)
    for start in range(0, 5000, 50):
        bounded.add(words({f"{number:05d}".encode(): 1 for number in range(start, start + 50)}))
        assert sum(table["word"].nbytes for table in bounded._tables) < 6000
    table, lost = bounded.result()
    assert len(table) + lost.words == 5000
    assert 900 < sum(map(len, content(table))) <= 1000


def test_a_small_language_keeps_everything_beside_a_large_one() -> None:
    assert budgets({"fi": 900, "se": 10, "sv": 500}, 400) == {"fi": 195, "se": 10, "sv": 195}
    assert budgets({"fi": 9, "se": 1}, 400) == {"fi": 9, "se": 1}
