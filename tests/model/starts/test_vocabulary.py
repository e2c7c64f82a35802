"""Tokens are the same where they stand for the same text, however a tokenizer writes them."""

import json
from pathlib import Path

import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers

from common.errors import UserError
from corpus.tokens.bpe import SPACE_RUNS
from corpus.tokens.special import CLS, MASK, PAD, SEP, UNK
from model.starts.vocabulary import map_rows, read_vocabulary
from tests.model.starts.origins import their_tokenizer

SPECIAL = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"]


def sentencepiece(folder: Path) -> Path:
    """A tokenizer of the kind that Gemma has, and mmBERT with it."""
    bytes_ = [f"<0x{byte:02X}>" for byte in range(256)]
    letters = ["▁", "\n", *"abcdefghijklmnopqrstuvwxyzåäö."]
    merges = [("o", "n"), ("▁", "on"), ("v", "a"), ("va", "n")]
    entries = [*SPECIAL, *bytes_, *letters, *("".join(pair) for pair in merges)]
    model = models.BPE(
        {entry: number for number, entry in enumerate(entries)},
        merges,
        unk_token="<unk>",
        byte_fallback=True,
        fuse_unk=True,
    )
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.add_special_tokens([AddedToken(name, normalized=False) for name in SPECIAL])
    folder.mkdir(exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    roles = {"bos_token": "<bos>", "eos_token": {"content": "<eos>"}, "pad_token": "<pad>", "unk_token": "<unk>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(roles | {"mask_token": "<mask>"}))
    return folder / "tokenizer.json"


def test_special_tokens_are_found_by_their_role(tmp_path, tokenizer_manifest):
    theirs = read_vocabulary(sentencepiece(tmp_path))
    assert theirs.special == {"[MASK]": 4, "[CLS]": 2, "[PAD]": 0, "[UNK]": 3, "[SEP]": 1}
    ours = read_vocabulary(tokenizer_manifest.with_name("tokenizer.json"))
    origins = map_rows(ours, theirs, 384, theirs.size).origins
    assert [origins[number] for number in (MASK, CLS, PAD, UNK, SEP)] == [[4], [2], [0], [3], [1]]


def test_spaces_and_bytes_of_sentencepiece_are_those_of_byte_level_tokens(tmp_path, tokenizer_manifest):
    theirs = read_vocabulary(sentencepiece(tmp_path))
    ours = read_vocabulary(tokenizer_manifest.with_name("tokenizer.json"))
    origins = map_rows(ours, theirs, 384, theirs.size).origins
    entries = Tokenizer.from_file(str(tokenizer_manifest.with_name("tokenizer.json"))).get_vocab()
    known = {
        name: [theirs.ordinary[text] for text in parts]
        for name, parts in {
            "a": [b"a"],
            "Ġ": [b" "],
            "Ã": [b"\xc3"],
            "Ċ": [b"\n"],
            "Ġon": [b" on"],
        }.items()
    }
    assert {name: origins[entries[name]] for name in known} == known
    # The letter itself counts before its bytes, which are there for what has no token.
    assert theirs.ordinary["ä".encode()] != theirs.ordinary[b"\xc3"]


def test_a_token_is_cut_as_their_model_would_cut_its_text(tmp_path):
    theirs = read_vocabulary(sentencepiece(tmp_path))
    texts = {number: text for text, number in theirs.ordinary.items()}
    assert [texts[piece] for piece in theirs.cut(b" vanha")] == [b" ", b"van", b"h", b"a"]
    assert [texts[piece] for piece in theirs.cut("ä".encode()[:1])] == [b"\xc3"]
    assert [texts[piece] for piece in theirs.cut("€".encode())] == [b"\xe2", b"\x82", b"\xac"]


def test_runs_of_spaces_are_whole_where_both_have_them_and_cut_where_one_has_not(tmp_path, tokenizer_manifest):
    path = tokenizer_manifest.with_name("tokenizer.json")
    ours = read_vocabulary(path)
    assert [ours.texts[number] for number in range(5, 28)] == [run.encode() for run in SPACE_RUNS]
    content = their_tokenizer(path)
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    (tmp_path / "tokenizer_config.json").write_text("{}")
    same = map_rows(ours, read_vocabulary(tmp_path / "tokenizer.json"), 384, 384)
    assert all(len(same.origins[number]) == 1 for number in range(5, 28))
    theirs = read_vocabulary(sentencepiece(tmp_path))
    cut = map_rows(ours, theirs, 384, theirs.size)
    assert cut.origins[5] == [theirs.ordinary[b" "]] * 2


def test_a_special_token_without_a_role_here_is_no_text(tmp_path, tokenizer_manifest):
    content = their_tokenizer(tokenizer_manifest.with_name("tokenizer.json"))
    content["added_tokens"][0]["special"] = True
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    name = content["added_tokens"][0]["content"]
    assert name.encode() not in read_vocabulary(tmp_path / "tokenizer.json").ordinary


def test_rows_that_their_embedding_has_not_are_not_asked_for(tmp_path, tokenizer_manifest):
    ours = read_vocabulary(tokenizer_manifest.with_name("tokenizer.json"))
    rows = map_rows(ours, ours, 384, 300)
    assert max(number for origin in rows.origins for number in origin) < 300
    assert (rows.kept, rows.kept + rows.composed + rows.unknown) == (300, ours.size)


def test_a_tokenizer_whose_tokens_do_not_tell_their_text_is_refused(tmp_path):
    tokenizer = Tokenizer(models.WordPiece({"[UNK]": 0, "a": 1, "##b": 2}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(UserError, match="of the kind WordPiece"):
        read_vocabulary(tmp_path / "tokenizer.json")


@pytest.mark.parametrize("content", ["{}", "[]", '{"model": {"type": "BPE"}}'])
def test_what_is_no_tokenizer_is_told(tmp_path, content):
    (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(UserError, match="is no tokenizer that can be read"):
        read_vocabulary(tmp_path / "tokenizer.json")
