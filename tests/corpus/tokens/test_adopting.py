"""A tokenizer from elsewhere cuts text as it did; only ids, and the names of special tokens, are others."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import AutoTokenizer

from common.errors import UserError
from corpus.demo.made_text import made_documents
from corpus.tokens.adopting import make
from corpus.tokens.encoding import chunks, read_encoder
from corpus.tokens.sizes import token_bytes
from corpus.tokens.special import SPECIAL_TOKENS
from recipe.slices.files import to_json
from recipe.slices.types import AdoptedTokenizerSlice

ROOT = Path(__file__).parents[3]
TEXTS = [text for _, text in made_documents("fi", "fi", ["ja", "on", "ei", "että", "se"])][:60]
TEXTS += [
    "Hyvää päivää,  maailma!\n\n\tfor i in range(10):\n        x += 1",
    "中文 текст 😀 e\u0301 [MASK] <mask> 12345",
    " ",
    "a",
]
ROLES = {"bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>", "unk_token": "<unk>", "mask_token": "<mask>"}
SPECIAL = ["<pad>", "<eos>", "<bos>", "<unk>"]


def gpt_like(directory: Path) -> Tokenizer:
    """Byte-level BPE as of ModernBERT: special tokens after all others, runs of spaces among the added ones."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(TEXTS, trainers.BpeTrainer(vocab_size=500, initial_alphabet=alphabet))
    tokenizer.add_tokens([AddedToken(" " * 4, normalized=False), AddedToken("  ", normalized=False)])
    tokenizer.add_special_tokens([*SPECIAL, AddedToken("<mask>", lstrip=True), "<extra>"])
    return tokenizer


def gemma_like(directory: Path) -> Tokenizer:
    """BPE as SentencePiece writes it, with bytes for what has no entry, as of mmBERT."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    fallback = [f"<0x{byte:02X}>" for byte in range(256)]
    first = [*SPECIAL, "<mask>", *fallback]
    trainer = trainers.BpeTrainer(vocab_size=700, special_tokens=first)
    tokenizer.train_from_iterator(TEXTS[:50], trainer)
    content = json.loads(tokenizer.to_str())
    content["added_tokens"] = content["added_tokens"][:5]
    content["pre_tokenizer"] = None
    return Tokenizer.from_str(json.dumps(content))


@pytest.fixture(params=[gpt_like, gemma_like])
def directory(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    (tmp_path / "there").mkdir()
    request.param(tmp_path / "there").save(str(tmp_path / "there" / "tokenizer.json"))
    (tmp_path / "there" / "tokenizer_config.json").write_text(
        json.dumps(ROLES | {"tokenizer_class": "PreTrainedTokenizerFast"})
    )
    return tmp_path / "there"


def wanted(directory: Path, entries: int = 0) -> AdoptedTokenizerSlice:
    entries = entries or Tokenizer.from_file(str(directory / "tokenizer.json")).get_vocab_size()
    return AdoptedTokenizerSlice(name="theirs", directory=str(directory), vocabulary=entries, multiple=64)


@pytest.fixture
def adopted(directory: Path, tmp_path: Path) -> Path:
    make(wanted(directory), tmp_path / "own" / "manifest.json")
    return tmp_path / "own" / "manifest.json"


def test_special_tokens_come_first_and_all_others_in_their_order(directory, adopted):
    before = Tokenizer.from_file(str(directory / "tokenizer.json"))
    after = Tokenizer.from_file(str(adopted.with_name("tokenizer.json")))
    assert [after.id_to_token(number) for number in range(5)] == list(SPECIAL_TOKENS)
    others = [before.id_to_token(number) for number in range(before.get_vocab_size())]
    others = [entry for entry in others if entry not in ROLES.values()]
    assert [after.id_to_token(number) for number in range(5, after.get_vocab_size())] == others


def test_text_is_cut_into_the_same_tokens_as_before(directory, adopted):
    before = Tokenizer.from_file(str(directory / "tokenizer.json"))
    before.encode_special_tokens = True
    names = Tokenizer.from_file(str(adopted.with_name("tokenizer.json")))
    for text, ids in read_encoder(adopted, "tokenizers").encode(TEXTS):
        cut = before.encode(text, add_special_tokens=False).tokens
        # What looks like a special token is ordinary text here, and in text of theirs too.
        assert [names.id_to_token(number) for number in ids] == ["[UNK]" if one == "<unk>" else one for one in cut]
        assert not ids.size or ids.min() >= 5 or "<unk>" in cut


def test_transformers_cuts_text_as_with_the_original(directory, adopted):
    before, after = AutoTokenizer.from_pretrained(directory), AutoTokenizer.from_pretrained(adopted.parent)
    for text in TEXTS[:20]:
        assert after.tokenize(text) == before.tokenize(text)
        assert after.decode(after(text).input_ids, skip_special_tokens=True) == before.decode(
            before(text, add_special_tokens=False).input_ids
        )
    ids = after("ja [MASK]").input_ids
    assert (ids[0], ids[-1], after.mask_token_id) == (1, 4, 0)
    assert 0 in ids


@given(
    text=st.lists(st.sampled_from([*"aä1.,(中😀", " ", "  ", "\n", "ja", "että"]), min_size=1, max_size=30).map("".join)
)
@pytest.mark.parametrize("kind", [gpt_like, gemma_like])
def test_chunks_of_a_text_have_the_ids_of_the_whole(kind, text, tmp_path_factory):
    if kind not in _MADE:
        folder = tmp_path_factory.mktemp("there")
        kind(folder).save(str(folder / "tokenizer.json"))
        (folder / "tokenizer_config.json").write_text(json.dumps(ROLES))
        make(wanted(folder), folder / "own" / "manifest.json")
        _MADE[kind] = read_encoder(folder / "own" / "manifest.json", "tokenizers").engine
    whole, _ = _MADE[kind]([text])
    parts, _ = _MADE[kind](list(chunks(text, 1)))
    assert np.array_equal(whole, parts)


_MADE: dict = {}


def test_entries_stand_for_as_many_bytes_as_their_text_has(directory, adopted):
    tokenizer = Tokenizer.from_file(str(adopted.with_name("tokenizer.json")))
    sizes = token_bytes(tokenizer)
    for text, ids in read_encoder(adopted, "tokenizers").encode(TEXTS[:40]):
        assert sizes[ids].sum() == len(text.encode())


def change(directory: Path, **changes) -> None:
    content = json.loads((directory / "tokenizer.json").read_text())
    (directory / "tokenizer.json").write_text(json.dumps(content | changes))


def test_other_entries_than_the_recipe_says_are_told_with_what_to_write(directory, tmp_path):
    entries = wanted(directory).vocabulary
    with pytest.raises(UserError, match=f"write vocabulary: {entries} into tokenizers.theirs"):
        make(wanted(directory, entries + 1), tmp_path / "own" / "manifest.json")
    assert not (tmp_path / "own").exists()


def test_a_role_that_no_token_plays_is_told(directory, tmp_path):
    (directory / "tokenizer_config.json").write_text(json.dumps(ROLES | {"mask_token": None}))
    with pytest.raises(UserError, match=r"no token for the role of \[MASK\]"):
        make(wanted(directory), tmp_path / "own" / "manifest.json")


def test_a_token_for_two_roles_is_told(directory, tmp_path):
    (directory / "tokenizer_config.json").write_text(json.dumps(ROLES | {"eos_token": "<bos>"}))
    with pytest.raises(UserError, match="one token for two of the roles"):
        make(wanted(directory), tmp_path / "own" / "manifest.json")


def test_a_tokenizer_that_begins_every_text_with_a_space_of_its_own_is_refused(tmp_path):
    tokenizer = gemma_like(tmp_path)
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(ROLES))
    with pytest.raises(UserError, match="otherwise than in two at the space, so it cannot be adopted"):
        make(wanted(tmp_path), tmp_path / "own" / "manifest.json")


def test_a_tokenizer_of_another_kind_or_none_is_refused(directory, tmp_path):
    change(directory, model={"type": "WordPiece", "vocab": {}})
    slice_ = wanted(directory, 10)
    with pytest.raises(UserError, match="is of the kind WordPiece"):
        make(slice_, tmp_path / "own" / "manifest.json")
    (directory / "tokenizer.json").unlink()
    with pytest.raises(UserError, match="does not exist"):
        make(slice_, tmp_path / "own" / "manifest.json")


def test_the_command_adopts_a_tokenizer(directory, tmp_path):
    (tmp_path / "slice.json").write_text(to_json(wanted(directory)))
    command = [sys.executable, "-m", "corpus.tokens.adopting", "--slice", tmp_path / "slice.json"]
    command += ["--output", tmp_path / "own" / "manifest.json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert "the special ones first" in done.stdout
