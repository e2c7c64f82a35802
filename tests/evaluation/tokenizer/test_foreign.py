"""Tokenizers from elsewhere: a file, a directory, the hub; counted as by hand, and absent ones told."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

from common.errors import UserError
from common.files import read_json
from corpus.sampling.sample import sample
from evaluation.hub import HubAbsentError
from evaluation.tokenizer import fertility
from evaluation.tokenizer.fertility import count, measure
from evaluation.tokenizer.foreign import read_foreign
from recipe.slices.files import to_json
from recipe.slices.types import FertilitySlice, SourceSlice

TEXTS = ["Kissa naukuu yöllä.", "kissa [MASK] naukuu", "yöllä"]
HASH = "0" * 40


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tokenizer of whole words in lower case that adds special tokens, pads, and cuts after two tokens."""
    tokenizer = Tokenizer(models.WordLevel(unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.WordLevelTrainer(special_tokens=["<unk>", "[MASK]"])
    tokenizer.train_from_iterator(["kissa naukuu yöllä"], trainer)
    tokenizer.post_processor = processors.TemplateProcessing("[MASK] $0", special_tokens=[("[MASK]", 1)])
    tokenizer.enable_truncation(2)
    tokenizer.enable_padding(length=9)
    folder = tmp_path_factory.mktemp("foreign")
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder / "tokenizer.json"


def test_counts_are_those_by_hand_nothing_cut_or_added_and_special_tokens_read_as_text(words: Path) -> None:
    encoder = read_foreign(str(words))
    # kissa naukuu yöllä <.>; kissa <[> <MASK> <]> naukuu; yöllä: what is in < > is no word of the five.
    assert [len(ids) for _, ids in encoder.encode(TEXTS)] == [4, 5, 1]
    assert encoder.vocabulary == 5
    counts = count(encoder, TEXTS)
    assert (counts.documents, counts.words, counts.tokens, counts.unknown) == (3, 10, 10, 4)
    assert counts.bytes == sum(len(text.encode()) for text in TEXTS)


def test_a_directory_is_as_good_as_its_file(words: Path) -> None:
    assert read_foreign(str(words.parent)).fingerprint == read_foreign(str(words)).fingerprint


def test_a_vocabulary_of_bert_is_made_a_tokenizer_without_a_file_of_one(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nkissa\n##n\n")
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer"}')
    encoder = read_foreign(str(tmp_path))
    assert [ids.tolist() for _, ids in encoder.encode(["kissan koira"])] == [[5, 6, 1]]
    assert encoder.unknown == 1


def in_the_cache(cache: Path, tokenizer: Path) -> None:
    """Lay a tokenizer into a cache of the hub as the repository `someone/words`."""
    repository = cache / "models--someone--words"
    (repository / "snapshots" / HASH).mkdir(parents=True)
    (repository / "snapshots" / HASH / "tokenizer.json").write_bytes(tokenizer.read_bytes())
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(HASH)


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the hub, and no network."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "hub"


def test_a_name_on_the_hub_is_read_from_what_is_kept_of_it(words: Path, offline: Path) -> None:
    in_the_cache(offline, words)
    assert read_foreign("someone/words").fingerprint == read_foreign(str(words)).fingerprint
    with pytest.raises(
        HubAbsentError, match=r"someone/else, which is no path here, needs the hub, which is out of reach"
    ):
        read_foreign("someone/else")


def test_what_is_no_tokenizer_is_told(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(UserError, match=r"tokenizer.json is no tokenizer.json that can be read"):
        read_foreign(str(tmp_path))


def test_one_out_of_reach_leaves_a_result_that_says_so(
    tmp_path: Path, offline: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = tmp_path / "raw.jsonl"
    raw.write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS))
    source = SourceSlice(name="pets", seed=1, language="fi", files=[str(raw)], held_out=0.45)
    sample(source, [raw], tmp_path / "pets" / "manifest.json", workers=1)
    (tmp_path / "slice.json").write_text(to_json(FertilitySlice(seed=1, sources={"pets": "fi"})))
    output = tmp_path / "result.json"
    command = ["fertility", "--slice", tmp_path / "slice.json", "--tokenizer", "someone/words"]
    command += ["--documents", tmp_path / "pets" / "manifest.json", "--output", output]
    monkeypatch.setattr(sys, "argv", list(map(str, command)))
    fertility.main()
    result = read_json(output)
    assert result.keys() == {"format", "tokenizer", "unmeasured"}
    assert result["unmeasured"] in capsys.readouterr().out


def test_all_tokenizers_are_measured_on_the_same_documents(tmp_path: Path, words: Path) -> None:
    raw = tmp_path / "raw.jsonl"
    raw.write_text("".join(json.dumps({"text": f"kissa {number}"}) + "\n" for number in range(200)))
    source = SourceSlice(name="pets", seed=1, language="fi", files=[str(raw)], held_out=0.4)
    sample(source, [raw], tmp_path / "pets" / "manifest.json", workers=1)
    manifests = {"pets": tmp_path / "pets" / "manifest.json"}
    content = FertilitySlice(seed=1, sources={"pets": "fi"})
    row = measure(content, read_foreign(str(words)), manifests, 20)["sources"][0]
    drawn = list(fertility.sampled_texts(manifests["pets"], 20, content.seed, "pets"))
    assert (row["documents"], row["unknown"], row["words"]) == (20, 20, 40)
    assert row["bytes"] == sum(len(text) for text in drawn)
    assert isinstance(row["tokens_per_word"], float)
    assert np.isclose(row["tokens_per_word"], 1.0)
