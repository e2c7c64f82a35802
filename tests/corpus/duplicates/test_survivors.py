"""Which documents are left when sources are compared: the same for any number of workers and any order of files."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from common.errors import UserError
from corpus.sampling.documents import SPLITS
from recipe.duplicates import Duplicates
from tests.corpus.duplicates.compared import Corpus, changed, prose
from tests.corpus.duplicates.test_minhash import jaccard

NEVER = Duplicates(exact=False, near=False)


def test_of_copies_that_differ_in_case_and_signs_one_stays_that_of_the_first_source(tmp_path: Path) -> None:
    corpus = Corpus(tmp_path)
    texts = [prose(number) for number in range(6)]
    corpus.write("web", [*texts, texts[0].upper(), texts[1] + "!"])
    corpus.write("wiki", [texts[2].replace("\n", " "), prose(99)])
    told = corpus.compare({"wiki": Duplicates(), "web": Duplicates()})
    assert sorted(corpus.all_texts("wiki")) == sorted([texts[2].replace("\n", " "), prose(99)])
    left = corpus.all_texts("web")
    assert len(left) == 5
    assert texts[2] not in left
    assert told["sources"]["web"] == {"sampled": 8, "left": 5, "dropped": {"duplicate": 3}, "cut": {}}


def test_ten_thousand_copies_of_one_document_are_one(tmp_path: Path) -> None:
    corpus = Corpus(tmp_path)
    corpus.write("web", [prose(1, 30)] * 10_000 + [prose(2)], files=3)
    corpus.compare({"web": Duplicates()}, part_bytes=200_000)
    assert sorted(corpus.all_texts("web")) == sorted([prose(1, 30), prose(2)])


@pytest.mark.parametrize(("copies", "kept"), [(2, 2), (3, 3), (4, 3), (5, 5), (60, 5), (120, 8), (1000, 1)])
def test_of_a_cluster_so_many_are_kept_as_fineweb2_keeps(tmp_path: Path, copies: int, kept: int) -> None:
    corpus = Corpus(tmp_path)
    base = prose(1, 1500)
    corpus.write("web", [base + f"\nloppu{number}" for number in range(copies)], files=2)
    corpus.compare({"web": Duplicates()}, part_bytes=10**6)
    assert len(corpus.all_texts("web")) == kept
    if copies > kept:
        step = [step for step in corpus.manifest("web")["steps"] if step["step"] == "near duplicates"][-1]
        assert step["documents"] == kept


def test_a_document_that_is_the_beginning_of_another_is_a_duplicate_only_if_it_is_most_of_it(tmp_path: Path) -> None:
    corpus = Corpus(tmp_path)
    long, longer = prose(1, 400), prose(2, 400)
    beginnings = ["\n".join(long.split("\n")[:8]), "\n".join(longer.split("\n")[:19])]
    corpus.write("web", [long, longer, *beginnings])
    corpus.compare({"web": Duplicates()}, keep={1: 1})
    left = corpus.all_texts("web")
    assert {long, beginnings[0]} <= set(left)
    assert len({longer, beginnings[1]} & set(left)) == 1


def test_documents_of_a_word_or_of_none_are_compared_as_a_whole(tmp_path: Path) -> None:
    corpus = Corpus(tmp_path)
    corpus.write("web", ["Sana", "sana.", "!!!", "!!!", "???", "yksi kaksi", "yksi, kaksi"])
    corpus.compare({"web": Duplicates()})
    left = corpus.all_texts("web")
    assert len(left) == 4
    assert {"!!!", "???"} <= set(left)


def _mixed(seed: int) -> dict[str, list[str]]:
    rng = random.Random(seed)
    sources: dict[str, list[str]] = {"a": [], "b": [], "c": []}
    for number in range(60):
        base = prose(1000 * seed + number, rng.choice([40, 120, 200]))
        for _ in range(rng.choice([1, 1, 2, 3, 4, 6])):
            text = changed(base, rng.sample(range(60), rng.choice([0, 0, 1, 2, 4])))
            sources[rng.choice("abc")].append(text)
    menu = "etusivu tuotteet yhteystiedot kirjaudu ostoskori tästä"
    sources["a"] = [f"pÃ¤Ã¤tÃ¶s\n{text}" if number % 4 == 0 else text for number, text in enumerate(sources["a"])]
    sources["b"] = [f"{text}\nmatti@esimerkki.fi" for text in sources["b"]]
    sources["c"] = [f"{menu}\n{text}" if number % 2 else text for number, text in enumerate(sources["c"])]
    return sources


ASKED = {"a": Duplicates(), "b": Duplicates(), "c": Duplicates(max_line_documents=5)}


def left_of(folder: Path, memory: int = 10**9, files: int = 3, reverse: bool = False) -> Corpus:
    corpus = Corpus(folder)
    for name, texts in _mixed(3).items():
        corpus.write(name, texts, files, reverse)
    corpus.compare(ASKED, memory, held_out_share=0.08)
    return corpus


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return left_of(tmp_path_factory.mktemp("reference"))


@pytest.mark.parametrize("workers", [2, 8])
def test_workers_change_no_byte(tmp_path: Path, reference: Corpus, workers: int) -> None:
    corpus = left_of(tmp_path)
    shutil.rmtree(tmp_path / "corpus")
    said = corpus.compare_again(list(ASKED), workers)
    assert "documents are left" in said
    for name in ASKED:
        assert corpus.manifest(name) == reference.manifest(name)
    assert any(text.startswith("päätös") for text in corpus.all_texts("a"))
    assert all("@" not in text for text in corpus.all_texts("b"))


@pytest.mark.parametrize("memory", [3_000, 20_000])
def test_memory_changes_no_byte(tmp_path: Path, reference: Corpus, memory: int) -> None:
    corpus = left_of(tmp_path, memory)
    for name in ASKED:
        assert corpus.manifest(name) == reference.manifest(name)
    assert sum(map(len, map(reference.all_texts, ASKED))) < sum(map(len, _mixed(3).values()))


def test_the_order_of_files_and_documents_changes_no_survivor(tmp_path: Path, reference: Corpus) -> None:
    corpus = left_of(tmp_path, files=5, reverse=True)
    for name in ASKED:
        for split in SPLITS:
            assert sorted(corpus.texts(name, split)) == sorted(reference.texts(name, split))
        for key in ("dropped", "changed", "cut_bytes", "removed", "steps"):
            assert corpus.manifest(name)[key] == reference.manifest(name)[key]


def test_a_source_that_is_added_at_the_end_changes_nothing_before_it(tmp_path: Path, reference: Corpus) -> None:
    corpus = Corpus(tmp_path)
    for name in ("a", "b"):
        corpus.write(name, _mixed(3)[name], 3)
    corpus.write("c", ["yksinäinen " + prose(77)])
    corpus.compare(ASKED, held_out_share=0.0)
    alone = {name: corpus.manifest(name) for name in ("a", "b")}
    corpus.write("c", _mixed(3)["c"], 3)
    corpus.compare(ASKED, held_out_share=0.0)
    assert {name: corpus.manifest(name) for name in ("a", "b")} == alone


def test_the_account_adds_up_and_examples_are_shown(reference: Corpus) -> None:
    for name in ASKED:
        manifest = reference.manifest(name)
        texts = {split: reference.texts(name, split) for split in SPLITS}
        for split, own in texts.items():
            told = manifest["splits"][split]
            assert told["documents"] == len(own)
            assert told["bytes"] == sum(len(text.encode()) for text in own)
            assert told["words"] == sum(len(text.split()) for text in own)
            assert [entry["documents"] > 0 for entry in told["files"]] == [True] * len(told["files"])
        kept = sum(map(len, texts.values()))
        assert manifest["steps"][-1]["documents"] == kept == sum(manifest["word_histogram"])
        assert manifest["read"] == kept + sum(manifest["dropped"].values())
        for reason, count in manifest["dropped"].items():
            if reason != "may be held out in another source":
                assert len(manifest["removed"][reason]) == min(count, 3)
    assert reference.manifest("c")["changed"]["repeated line"] > 0


def test_a_line_of_many_documents_stays_in_one_of_them(tmp_path: Path) -> None:
    corpus = Corpus(tmp_path)
    menu = "Etusivu | Tuotteet | Yhteystiedot | Kirjaudu | Ostoskori"
    corpus.write("web", [f"{menu}\n{prose(n)}\n{menu}" for n in range(8)] + [f"{prose(20)}\n{menu}", menu])
    corpus.compare({"web": Duplicates(max_line_documents=3)})
    left = corpus.all_texts("web")
    assert sum(menu in text for text in left) == 1
    assert all(prose(n) in left or n == 20 or any(prose(n) in text for text in left) for n in range(8))
    few = Corpus(tmp_path / "few")
    few.write("web", [f"{menu}\n{prose(n)}" for n in range(3)])
    few.compare({"web": Duplicates(max_line_documents=3)})
    assert all(text.startswith(menu) for text in few.all_texts("web"))


def test_near_duplicates_are_those_that_brute_force_finds(tmp_path: Path) -> None:
    """Pairs above and below the threshold, some hundred documents: recall and precision by what stays of each pair."""
    rng = random.Random(5)
    pairs = []
    for number in range(150):
        text = prose(5000 + number, 200)
        pairs.append((text, changed(text, rng.sample(range(200), rng.randrange(1, 14)))))
    corpus = Corpus(tmp_path)
    corpus.write("web", [text for pair in pairs for text in pair])
    corpus.compare({"web": Duplicates(exact=False)}, keep={1: 1}, part_bytes=10**6)
    left = set(corpus.all_texts("web"))
    found = {place: sum(text in left for text in pair) == 1 for place, pair in enumerate(pairs)}
    assert all(any(text in left for text in pair) for pair in pairs)
    index = {place: jaccard(*(text.replace("\n", " ") for text in pair)) for place, pair in enumerate(pairs)}
    near = [place for place, value in index.items() if value >= 0.8]
    far = [place for place, value in index.items() if value < 0.5]
    assert len(near) > 30
    assert sum(found[place] for place in near) >= 0.9 * len(near)
    assert not any(found[place] for place in far)


def test_a_source_that_is_not_compared_keeps_its_copies_and_one_that_loses_all_is_told(tmp_path: Path) -> None:
    corpus = Corpus(tmp_path)
    texts = [prose(number) for number in range(4)]
    for name in ("web", "edu"):
        corpus.write(name, texts)
    corpus.compare({"web": Duplicates(), "edu": NEVER})
    assert sorted(corpus.all_texts("edu")) == sorted(texts)
    with pytest.raises(UserError, match=r"source edu has no documents left .*4 duplicate.*exact: false, near: false"):
        corpus.compare({"web": Duplicates(), "edu": Duplicates()})
    assert not (tmp_path / "corpus" / "edu" / "manifest.json").exists()


def test_sources_that_are_compared_already_are_left_as_they_are_and_still_told(tmp_path: Path) -> None:
    corpus = left_of(tmp_path)
    whole = (tmp_path / "duplicates" / "manifest.json").read_bytes()
    before = {name: (tmp_path / "corpus" / name / "manifest.json").read_bytes() for name in ASKED}
    for name in "ab":
        (tmp_path / "corpus" / name / "manifest.json").write_bytes(b"untouched")
    corpus.compare_again(list(ASKED), 1, only=["c"])
    assert (tmp_path / "duplicates" / "manifest.json").read_bytes() == whole
    assert (tmp_path / "corpus" / "c" / "manifest.json").read_bytes() == before["c"]
    assert (tmp_path / "corpus" / "a" / "manifest.json").read_bytes() == b"untouched"
