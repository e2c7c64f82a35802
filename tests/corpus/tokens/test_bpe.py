"""The tokenizer: its ids, its round trip, its sample, its files."""

from __future__ import annotations

import json
import subprocess
import sys
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from common.errors import UserError
from common.files import read_json
from corpus.sampling.sample import sample
from corpus.tokens.bpe import SPACE_RUNS, make, train
from corpus.tokens.encoding import chunks, read_encoder
from corpus.tokens.special import SPECIAL_TOKENS
from recipe.slices.types import SourceSlice, TokenizerSlice
from tests.texts import WORDS

ROOT = Path(__file__).parents[3]
PROPERTY = settings(deadline=None, derandomize=True)
TEXTS = st.text(st.characters(exclude_categories=["Cs"])) | st.text(" ab[]MASKCLÄ\n\té́", max_size=120)


def sentence(number: int) -> str:
    return " ".join(WORDS[(number * step) % len(WORDS)] for step in range(1, 12)) + f" {number}."


def write_source(directory: Path, name: str, texts: list[str]) -> Path:
    """Make a source's documents with the real sampling stage; everything lies in train."""
    directory.mkdir(parents=True, exist_ok=True)
    raw = directory / f"{name}.jsonl"
    raw.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
    source = SourceSlice(name=name, seed=1, language="fi", files=[str(raw)], held_out=0.0)
    manifest = directory / name / "manifest.json"
    sample(source, [raw], manifest, workers=1)
    return manifest


def tokenizer_slice(**changes: Any) -> TokenizerSlice:
    fields = {
        "name": "small",
        "seed": 1,
        "vocabulary": 400,
        "multiple": 64,
        "sample_bytes": 10**6,
        "factors": {"one": 1.0},
        "languages": {"one": "fi"},
    }
    return TokenizerSlice(**{**fields, **changes})


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train((sentence(number) for number in range(400)), 500)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("tokenizer")
    manifest = write_source(directory, "one", [sentence(number) for number in range(400)])
    make(tokenizer_slice(), {"one": manifest}, directory / "tokenizer" / "manifest.json")
    return directory / "tokenizer"


def test_special_tokens_have_ids_0_to_4_and_runs_of_2_to_24_spaces_the_next_23(tokenizer: Tokenizer) -> None:
    added = tokenizer.get_added_tokens_decoder()
    assert [added[number].content for number in range(5)] == ["[MASK]", "[CLS]", "[PAD]", "[UNK]", "[SEP]"]
    assert [added[number].content for number in range(5, 28)] == [" " * spaces for spaces in range(2, 25)]
    assert [added[number].special for number in range(28)] == [True] * 5 + [False] * 23
    assert len(added) == 28


def test_the_template_puts_cls_before_and_sep_after(tokenizer: Tokenizer) -> None:
    ids = tokenizer.encode("alku on").ids
    assert (ids[0], ids[-1]) == (1, 4)
    assert tokenizer.decode(ids) == "alku on"


@PROPERTY
@given(text=TEXTS)
def test_decoding_the_ids_of_any_text_gives_its_nfc_form(made: Path, text: str) -> None:
    encoder = read_encoder(made / "tokenizer.json")
    ((same, ids),) = encoder.encode([text])
    assert same == text
    assert Tokenizer.from_file(str(made / "tokenizer.json")).decode(
        ids.tolist(), skip_special_tokens=False
    ) == unicodedata.normalize("NFC", text)


def test_text_that_looks_like_a_special_token_becomes_ordinary_tokens(made: Path) -> None:
    encoder = read_encoder(made / "tokenizer.json")
    ((_, ids),) = encoder.encode(["[MASK][CLS] [PAD] [UNK] [SEP] alku"])
    assert min(ids) >= 5


@PROPERTY
@given(text=st.text(" ab\nä\u0301\u00a0.,1", max_size=200), characters=st.integers(1, 20))
def test_chunks_of_a_long_text_have_the_ids_of_the_whole(made: Path, text: str, characters: int) -> None:
    tokenizer = Tokenizer.from_file(str(made / "tokenizer.json"))
    parts = list(chunks(text, characters))
    assert "".join(parts) == text
    encodings = tokenizer.encode_batch(parts, add_special_tokens=False)
    whole = tokenizer.encode(text, add_special_tokens=False)
    assert [number for encoding in encodings for number in encoding.ids] == whole.ids


def test_a_long_text_of_words_is_cut_into_chunks_near_the_wanted_size() -> None:
    parts = list(chunks(" ".join(["sana"] * 1000), 100))
    assert len(parts) > 40
    assert max(map(len, parts)) < 110


def test_a_text_of_many_chunks_is_given_once_with_all_its_ids(made: Path) -> None:
    encoder = read_encoder(made / "tokenizer.json")
    long = " ".join(sentence(number) for number in range(29_000))
    texts = ["alku", long, "loppu"]
    encoded = list(encoder.encode(texts))
    assert [text for text, _ in encoded] == texts
    assert (
        encoded[1][1].tolist()
        == Tokenizer.from_file(str(made / "tokenizer.json")).encode(long, add_special_tokens=False).ids
    )


def test_runs_of_spaces_are_single_tokens_and_no_merge_is_spent_on_them() -> None:
    code = [f"def f{number}():\n{' ' * 8}return {' ' * 40}{number}\n{' ' * 25}x" for number in range(200)]
    tokenizer = train(iter(code), 400)
    assert tokenizer.encode(" " * 24, add_special_tokens=False).tokens == [SPACE_RUNS[-1]]
    assert tokenizer.encode("x" + " " * 8 + "y", add_special_tokens=False).tokens == ["x", " " * 8, "y"]
    learnt = [token for token, number in tokenizer.get_vocab().items() if number >= 28]
    assert not [token for token in learnt if "ĠĠ" in token]


def test_a_sample_with_too_few_merges_gives_the_vocabulary_it_can_and_a_warning(tmp_path: Path) -> None:
    write_source(tmp_path, "one", ["aa bb aa bb", "bb aa"])
    (tmp_path / "slice.json").write_text(tokenizer_slice(vocabulary=5000).model_dump_json())
    run = run_stage(tmp_path, "t")
    manifest = read_json(tmp_path / "t" / "manifest.json")
    assert run.returncode == 0
    assert "5,000" in run.stderr
    assert "no more merges" in run.stderr
    assert 284 < manifest["vocabulary"] < 300
    assert manifest["padded_vocabulary"] == 320


def run_stage(directory: Path, output: str, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "corpus.tokens.bpe", "--slice", directory / "slice.json"]
    command += ["--documents", directory / "one" / "manifest.json"]
    command += ["--output", directory / output / "manifest.json", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_any_number_of_processes_gives_the_same_bytes(tmp_path: Path) -> None:
    write_source(tmp_path, "one", [sentence(number) for number in range(2000)])
    (tmp_path / "slice.json").write_text(tokenizer_slice().model_dump_json())
    for workers in ("1", "3"):
        assert run_stage(tmp_path, workers, "--workers", workers).returncode == 0
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "manifest.json"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "3" / name).read_bytes()


def test_transformers_loads_the_tokenizer_with_the_same_ids_and_special_tokens(
    made: Path, tokenizer: Tokenizer
) -> None:
    transformers = pytest.importorskip("transformers")
    loaded = transformers.AutoTokenizer.from_pretrained(str(made))
    specials = (
        loaded.mask_token_id,
        loaded.cls_token_id,
        loaded.pad_token_id,
        loaded.unk_token_id,
        loaded.sep_token_id,
    )
    assert specials == (0, 1, 2, 3, 4)
    text = "työ  tekijäänsä [MASK] kiitos"
    assert loaded(text)["input_ids"] == Tokenizer.from_file(str(made / "tokenizer.json")).encode(text).ids
    assert set(loaded(text)) == {"input_ids", "attention_mask"}
    assert loaded.decode(loaded("a    b")["input_ids"], skip_special_tokens=True) == "a    b"
    assert len(loaded(" ".join(WORDS * 1000))["input_ids"]) > 10_000, "no length limit of its own"


def test_the_mask_takes_the_space_before_it_as_words_do(tokenizer: Tokenizer) -> None:
    encoding = tokenizer.encode("alku [MASK] aina", add_special_tokens=False)
    assert encoding.ids[-2:] == [0, tokenizer.token_to_id("Ġaina")]
    assert tokenizer.token_to_id("Ġ") not in encoding.ids


def test_the_manifest_tells_what_the_sample_took(made: Path) -> None:
    manifest = read_json(made / "manifest.json")
    text = [sentence(number) for number in range(400)]
    assert manifest["sample"] == {"one": {"documents": 400, "bytes": sum(len(t.encode()) for t in text)}}
    assert (manifest["vocabulary"], manifest["padded_vocabulary"]) == (400, 448)


def test_a_smaller_vocabulary_has_the_first_merges_of_a_larger_one() -> None:
    texts = [sentence(number) for number in range(400)]
    small, large = (json.loads(train(texts, size).to_str())["model"]["merges"] for size in (350, 400))
    assert (len(small), len(large)) == (66, 116)
    assert large[:66] == small


def test_it_is_the_tokenizer_that_tokenizers_itself_trains() -> None:
    texts = [sentence(number) for number in range(400)]
    theirs = Tokenizer(models.BPE(unk_token="[UNK]"))
    theirs.normalizer = normalizers.NFC()
    theirs.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=500,
        special_tokens=[*SPECIAL_TOKENS, *SPACE_RUNS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    theirs.train_from_iterator(texts, trainer)
    assert json.loads(train(texts, 500).to_str())["model"] == json.loads(theirs.to_str())["model"]


def test_tokenizers_of_one_sample_share_its_words(tmp_path: Path) -> None:
    manifests = {"one": write_source(tmp_path, "one", [sentence(number) for number in range(100)])}
    words = tmp_path / "words" / "manifest.json"
    make(tokenizer_slice(), manifests, tmp_path / "a" / "manifest.json", words)
    counted = words.stat().st_mtime_ns
    make(tokenizer_slice(name="larger", vocabulary=450), manifests, tmp_path / "b" / "manifest.json", words)
    assert words.stat().st_mtime_ns == counted


def test_the_objective_is_in_the_manifest_and_parity_gives_other_merges(tmp_path: Path) -> None:
    texts = {"one": [sentence(number) for number in range(300)], "two": ["zu viel ist nie genug"]}
    manifests = {name: write_source(tmp_path, name, few) for name, few in texts.items()}
    fields = {"factors": {"one": 1.0, "two": 1.0}, "languages": {"one": "fi", "two": "de"}, "vocabulary": 310}
    learnt = {}
    for objective in ("classical", "parity"):
        output = tmp_path / objective / "manifest.json"
        recipe = tokenizer_slice(objective=objective, **fields)
        assert make(recipe, manifests, output)["objective"] == objective
        learnt[objective] = json.loads((output.parent / "tokenizer.json").read_text())["model"]["merges"]
    assert "zu" in map("".join, learnt["parity"])
    assert "zu" not in map("".join, learnt["classical"])


def test_a_source_of_the_mixture_without_documents_is_named(tmp_path: Path) -> None:
    write_source(tmp_path, "one", ["alku"])
    recipe = tokenizer_slice(factors={"one": 1.0, "two": 1.0}, languages={"one": "fi", "two": "sv"})
    (tmp_path / "slice.json").write_text(recipe.model_dump_json())
    run = run_stage(tmp_path, "t")
    assert run.returncode == 1
    assert "trained on two too; give it in --documents" in run.stderr


def test_a_changed_tokenizer_is_refused(made: Path, tmp_path: Path) -> None:
    for path in filter(Path.is_file, made.iterdir()):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    content = (tmp_path / "tokenizer.json").read_bytes()
    (tmp_path / "tokenizer.json").write_bytes(content.replace(b'"NFC"', b'"NFD"'))
    with pytest.raises(UserError, match="SHA-256 differs"):
        read_encoder(tmp_path / "tokenizer.json")
