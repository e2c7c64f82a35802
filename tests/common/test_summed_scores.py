"""Scores from counts: as scikit-learn has them, intervals that hold the truth, and who is surely the best."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score

from common.intervals import bootstrap_interval
from common.summed_scores import scored, summed_interval, surely_best_of_sums


def pairs(seed: int, right: float, number: int = 300, seeds: int = 1) -> np.ndarray:
    """Wanted and predicted classes of four, of which the last is rare; so many are right by more than luck."""
    chance = np.random.default_rng(seed)
    wanted = np.broadcast_to(np.random.default_rng(0).choice(4, number, p=[0.4, 0.3, 0.25, 0.05]), (seeds, number))
    guessed = chance.integers(0, 4, (seeds, number))
    predicted = np.where(chance.random((seeds, number)) < right, wanted, guessed)
    return np.stack([wanted, predicted], axis=-1)


def test_macro_f1_is_that_of_scikit_learn() -> None:
    rows = pairs(1, 0.6, seeds=3)
    expected = [f1_score(own[:, 0], own[:, 1], average="macro") for own in rows]
    assert scored("macro_f1", rows).values() == pytest.approx(expected)
    absent = np.array([[[0, 0], [2, 0], [2, 2]]])
    assert scored("macro_f1", absent).values() == pytest.approx(f1_score([0, 2, 2], [0, 0, 2], average="macro"))


def test_of_several_labels_an_example_micro_and_macro_f1_are_those_of_scikit_learn() -> None:
    chance = np.random.default_rng(5)
    often = np.array([0.6, 0.3, 0.2, 0.02, 0])  # the last is neither wanted nor predicted
    wanted, predicted = (chance.random((200, 5)) < often for _ in range(2))
    sums = [[(one & own).sum(), own.sum(), one.sum()] for one, own in zip(wanted, predicted, strict=True)]
    assert scored("micro_f1", [sums]).values() == pytest.approx(f1_score(wanted, predicted, average="micro"))
    expected = f1_score(wanted, predicted, average="macro", zero_division=np.nan)
    assert scored("macro_f1_of_labels", [wanted + 2 * predicted]).values() == pytest.approx(expected)
    low, high = summed_interval(scored("macro_f1_of_labels", [wanted + 2 * predicted]), 1)
    assert low < expected < high


def test_accuracy_is_over_words_and_not_over_sentences() -> None:
    assert scored("accuracy", [[[1, 1], [3, 9]]]).values() == pytest.approx(accuracy_score([1] * 10, [1] * 4 + [0] * 6))
    assert scored("accuracy", [[[0, 0]]]).values() == 0


def test_f1_adds_up_over_sentences_before_it_divides() -> None:
    assert scored("span_f1", [[[1, 2, 1], [2, 2, 4]]]).values() == pytest.approx(2 * 3 / (4 + 5))
    assert scored("span_f1", [[[0, 0, 0]]]).values() == 0


def test_of_one_seed_and_a_mean_the_interval_is_that_of_the_mean() -> None:
    right = (np.random.default_rng(3).random(200) < 0.7).astype(float)
    rows = np.stack([right, np.ones(200)], axis=-1)[None]
    assert summed_interval(scored("accuracy", rows), 1) == pytest.approx(bootstrap_interval(right, 1))


def test_an_interval_holds_the_score_and_grows_with_the_spread_over_seeds() -> None:
    alike, apart = pairs(1, 0.6), np.concatenate([pairs(1, 0.2), pairs(1, 0.9)])
    same = np.concatenate([alike] * 3)
    (low, high), (lower, higher) = (summed_interval(scored("macro_f1", rows), 1) for rows in (same, apart))
    assert low < scored("macro_f1", same).values().mean() < high
    assert higher - lower > 2 * (high - low)
    assert summed_interval(scored("macro_f1", same), 1) == pytest.approx(summed_interval(scored("macro_f1", alike), 1))


def test_the_best_is_named_only_where_the_interval_of_the_difference_allows() -> None:
    good, near, bad = (
        scored("macro_f1", pairs(seed, right, seeds=3)) for seed, right in ((1, 0.8), (2, 0.79), (3, 0.3))
    )
    assert surely_best_of_sums({"good": good, "bad": bad}, 1) == "good"
    assert surely_best_of_sums({"good": good, "near": near, "bad": bad}, 1) is None
    assert surely_best_of_sums({"good": good}, 1) is None
    with pytest.raises(ValueError, match="different examples"):
        surely_best_of_sums({"good": good, "short": scored("macro_f1", pairs(1, 0.5, 20))}, 1)


def test_what_are_no_counts_is_refused() -> None:
    with pytest.raises(ValueError, match="counts are"):
        scored("accuracy", [[1, 2]])
    with pytest.raises(KeyError):
        scored("bleu", [[[1, 2]]])
