"""An encoder that begins with what transformers wrote computes what that did, whatever its tokens were called."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from common.errors import UserError
from corpus.tokens.adopting import make as adopt
from model.export import export
from model.modernbert import ModernBert, Shape
from model.starts.__main__ import make
from model.starts.manifest import put_start, refuse_damaged
from recipe.schema import ModelShape
from recipe.slices.files import to_json
from recipe.slices.types import AdoptedTokenizerSlice
from tests.model.starts.origins import NAMES, SHAPE, their_tokenizer, wanted, write_directory

ROOT = Path(__file__).parents[3]


def begun(manifest: Path, shape: ModelShape = SHAPE) -> ModernBert:
    refuse_damaged(manifest)
    model = ModernBert(Shape(padded_vocabulary=384, global_rope_theta=70_000.0, **dict(shape)), None)
    put_start(model, manifest)
    return model.eval()


def ids_by_name(path: Path) -> dict[str, int]:
    return json.loads(path.read_text())["model"]["vocab"]


@pytest.mark.parametrize("settings", [{}, {"decoder_bias": False}], ids=["bias", "no bias"])
@pytest.mark.parametrize("shards", ["5GB", "20KB"], ids=["whole", "sharded"])
def test_logits_of_shared_tokens_are_the_same_as_in_transformers(tokenizer_manifest, tmp_path, settings, shards):
    ours = tokenizer_manifest.with_name("tokenizer.json")
    theirs = write_directory(tmp_path / "theirs", their_tokenizer(ours), **settings)
    if shards != "5GB":
        (tmp_path / "theirs" / "model.safetensors").unlink()
        theirs.save_pretrained(tmp_path / "theirs", max_shard_size=shards)
        assert not (tmp_path / "theirs" / "model.safetensors").exists()
    manifest = make(wanted(), tokenizer_manifest, tmp_path / "theirs", tmp_path / "start" / "manifest.json")
    vocabulary = len(ids_by_name(ours))
    assert manifest["tokens"] == {"kept": vocabulary, "composed": 0, "unknown": 0}
    names = ids_by_name(tmp_path / "theirs" / "tokenizer.json")
    there = torch.tensor([names[NAMES.get(name, name)] for name in ids_by_name(ours)])
    here = torch.tensor(list(ids_by_name(ours).values()))
    order = here.argsort()
    here, there = here[order], there[order]
    text = torch.randint(vocabulary, (40,), generator=torch.Generator().manual_seed(1))
    expected = theirs(there[text][None]).logits[0][:, there]
    encoder = begun(tmp_path / "start" / "manifest.json")
    found = encoder(text, encoder.lay_out([0, 40]))
    torch.testing.assert_close(found[:, here], expected, atol=1e-4, rtol=0)


def test_with_its_own_tokenizer_every_token_keeps_its_row(tokenizer_manifest, tmp_path):
    """Tokens of no role, that stand for no text or for the text of another, too."""
    content = their_tokenizer(tokenizer_manifest.with_name("tokenizer.json"))
    content["added_tokens"][5]["special"] = True
    theirs = write_directory(tmp_path / "theirs", content)
    size = len(content["model"]["vocab"])
    slice_ = AdoptedTokenizerSlice(name="t", directory=str(tmp_path / "theirs"), vocabulary=size, multiple=128)
    adopt(slice_, tmp_path / "own" / "manifest.json")
    manifest = make(wanted(), tmp_path / "own" / "manifest.json", tmp_path / "theirs", tmp_path / "manifest.json")
    assert manifest["tokens"] == {"kept": size, "composed": 0, "unknown": 0}
    here = sorted(ids_by_name(tmp_path / "own" / "tokenizer.json").items(), key=lambda item: item[1])
    names = ids_by_name(tmp_path / "theirs" / "tokenizer.json")
    there = torch.tensor([names[NAMES.get(name, name)] for name, _ in here] + list(range(size, 384)))
    text = torch.randint(size, (40,), generator=torch.Generator().manual_seed(1))
    encoder = begun(tmp_path / "manifest.json")
    found = encoder(text, encoder.lay_out([0, 40]))
    torch.testing.assert_close(found, theirs(there[text][None]).logits[0][:, there], atol=1e-4, rtol=0)


def test_rows_beyond_the_vocabulary_stay_too_so_that_the_loss_is_the_same(tokenizer_manifest, tmp_path):
    ours = tokenizer_manifest.with_name("tokenizer.json")
    theirs = write_directory(tmp_path / "theirs", their_tokenizer(ours))
    make(wanted(), tokenizer_manifest, tmp_path / "theirs", tmp_path / "manifest.json")
    found = load_file(tmp_path / "weights.safetensors")
    expected = dict(theirs.state_dict())
    size = len(ids_by_name(ours))
    for name in ("model.embeddings.tok_embeddings.weight", "decoder.bias"):
        assert torch.equal(found[name][size:], expected[name][size:])
        assert torch.equal(found[name][:size], expected[name][:size].flip(0))


def test_a_token_that_they_lack_is_the_mean_of_its_pieces_and_all_else_is_kept(tokenizer_manifest, tmp_path):
    ours = tokenizer_manifest.with_name("tokenizer.json")
    theirs = write_directory(tmp_path / "theirs", their_tokenizer(ours, last=5), rows=315)
    manifest = make(wanted(), tokenizer_manifest, tmp_path / "theirs", tmp_path / "manifest.json")
    content = json.loads(ours.read_text())
    size = len(content["model"]["vocab"])
    assert manifest["tokens"] == {"kept": size - 5, "composed": 5, "unknown": 0}
    found = load_file(tmp_path / "weights.safetensors")
    rows, bias = theirs.model.embeddings.tok_embeddings.weight.detach(), theirs.decoder.bias.detach()
    names = ids_by_name(tmp_path / "theirs" / "tokenizer.json")
    first = content["model"]["merges"][-5]
    pieces = [names[piece] for piece in first]
    number = content["model"]["vocab"]["".join(first)]
    torch.testing.assert_close(found["model.embeddings.tok_embeddings.weight"][number], rows[pieces].mean(0))
    torch.testing.assert_close(found["decoder.bias"][number], bias[pieces].mean())
    # Their embedding has no rows to spare: what no text ever uses must take no probability.
    assert (found["decoder.bias"][size:] == found["decoder.bias"].min()).all()


def test_what_decides_a_start_decides_its_digest_and_names_and_places_do_not(tokenizer_manifest, tmp_path):
    ours = tokenizer_manifest.with_name("tokenizer.json")
    write_directory(tmp_path / "one", their_tokenizer(ours))
    write_directory(tmp_path / "two", their_tokenizer(ours))
    made = [make(wanted(), tokenizer_manifest, tmp_path / name, tmp_path / "m.json") for name in ("one", "two")]
    assert made[0]["digest"] == made[1]["digest"]
    write_directory(tmp_path / "other", their_tokenizer(ours, last=1))
    assert make(wanted(), tokenizer_manifest, tmp_path / "other", tmp_path / "m.json")["digest"] != made[0]["digest"]
    larger = wanted(SHAPE.model_copy(update={"layers": 6}), run="one")
    assert make(larger, tokenizer_manifest, tmp_path / "one", tmp_path / "m.json")["digest"] != made[0]["digest"]


def test_an_exported_model_is_tiled_and_one_of_the_same_shape_stays_as_it_is(
    exported_model, small_encoder, tokenizer_manifest, tmp_path
):
    shape = ModelShape(**small_encoder.shape.model_dump(include=set(ModelShape.model_fields)))
    same = make(wanted(shape, run="base"), tokenizer_manifest, exported_model.parent, tmp_path / "same" / "m.json")
    found = load_file(tmp_path / "same" / "weights.safetensors")
    torch.testing.assert_close(found, dict(small_encoder.state_dict()), atol=0, rtol=0)
    assert same["from"]["run"] == "base"
    larger = shape.model_copy(update={"layers": 7, "hidden": 64, "heads": 4, "intermediate": 100})
    make(wanted(larger, run="base"), tokenizer_manifest, exported_model.parent, tmp_path / "larger" / "m.json")
    encoder = begun(tmp_path / "larger" / "m.json", larger)
    logits = encoder(torch.tensor([1, 70, 4]), encoder.lay_out([0, 3]))
    assert torch.isfinite(logits).all()


def test_the_manifest_tells_where_it_came_from(tokenizer_manifest, tmp_path):
    write_directory(tmp_path / "theirs", their_tokenizer(tokenizer_manifest.with_name("tokenizer.json")))
    (tmp_path / "theirs" / "README.md").write_text("---\nlanguage: fi\nlicense: mit\n---\nlicense: other\n")
    told = make(wanted(), tokenizer_manifest, tmp_path / "theirs", tmp_path / "m.json")["from"]
    assert (told["licence"], told["global_rope_theta"], told["vocabulary"]) == ("mit", 70_000.0, 384)
    assert [file["name"] for file in told["files"]] == [
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ]


def test_damaged_weights_and_those_of_another_shape_are_one_sentence(tokenizer_manifest, tmp_path):
    write_directory(tmp_path / "theirs", their_tokenizer(tokenizer_manifest.with_name("tokenizer.json")))
    make(wanted(), tokenizer_manifest, tmp_path / "theirs", tmp_path / "manifest.json")
    with pytest.raises(UserError, match="is of another shape than the phase"):
        begun(tmp_path / "manifest.json", SHAPE.model_copy(update={"layers": 5}))
    weights = tmp_path / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\1")
    with pytest.raises(UserError, match="does not match its checksum"):
        refuse_damaged(tmp_path / "manifest.json")


def test_an_encoder_without_its_head_is_refused(exported_model, small_encoder, tokenizer_manifest, tmp_path):
    export(small_encoder.state_dict(), small_encoder.shape, 64, tokenizer_manifest, tmp_path / "bare")
    weights = {name.removeprefix("model."): part for name, part in small_encoder.state_dict().items()}
    save_file(weights, tmp_path / "bare" / "model.safetensors")
    shape = ModelShape(**small_encoder.shape.model_dump(include=set(ModelShape.model_fields)))
    with pytest.raises(UserError, match="without its head"):
        make(wanted(shape), tokenizer_manifest, tmp_path / "bare", tmp_path / "m.json")


def test_the_command_makes_a_start_and_tells_the_theta_to_go_on_with(tokenizer_manifest, tmp_path):
    write_directory(tmp_path / "theirs", their_tokenizer(tokenizer_manifest.with_name("tokenizer.json")))
    (tmp_path / "slice.json").write_text(to_json(wanted(directory=str(tmp_path / "theirs"))))
    command = [sys.executable, "-m", "model.starts", "--slice", tmp_path / "slice.json", "--models", tmp_path]
    command += ["--tokenizer", tokenizer_manifest, "--output", tmp_path / "starts" / "mine" / "manifest.json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert "theta 70000" in done.stdout
    assert (tmp_path / "starts" / "mine" / "weights.safetensors").exists()
