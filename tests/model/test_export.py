"""What is exported loads in transformers and in this project, and computes the same there."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from transformers import AutoModelForMaskedLM, AutoTokenizer, pipeline

from common.errors import UserError
from model.export import export, load_encoder
from model.history.store import write_pointer
from model.modernbert import ModernBert
from tests.model.whole_checkpoints import of_weights, write_checkpoint


@pytest.fixture
def copy(exported_model: Path, tmp_path: Path) -> Path:
    shutil.copytree(exported_model.parent, tmp_path / "copy")
    return tmp_path / "copy" / "config.json"


def test_transformers_computes_the_same_logits_for_a_text(exported_model: Path, small_encoder: ModernBert) -> None:
    tokenizer = AutoTokenizer.from_pretrained(exported_model.parent)
    theirs = AutoModelForMaskedLM.from_pretrained(exported_model.parent)
    assert tokenizer.model_max_length == theirs.config.max_position_embeddings == 64
    assert theirs.config.vocab_size == 384
    ids = tokenizer("Alasin on vanha ja [MASK] on uusi.", return_tensors="pt").input_ids
    assert (ids[0, 0], ids[0, -1]) == (theirs.config.cls_token_id, theirs.config.sep_token_id)
    assert tokenizer.mask_token_id in ids
    ours = small_encoder(ids[0], small_encoder.lay_out([0, ids.shape[1]]))
    torch.testing.assert_close(ours, theirs(ids).logits[0], atol=1e-4, rtol=0)


def test_transformers_fills_in_a_mask(exported_model: Path) -> None:
    fill = pipeline("fill-mask", model=str(exported_model.parent), device="cpu")
    assert len(fill("Alasin on [MASK].")) == 5


def test_an_export_read_back_is_the_same_encoder(exported_model: Path, small_encoder: ModernBert) -> None:
    loaded = load_encoder(exported_model)
    assert loaded.shape == small_encoder.shape
    torch.testing.assert_close(loaded.state_dict(), small_encoder.state_dict(), atol=0, rtol=0)


def test_the_configuration_holds_what_older_readers_look_for(exported_model: Path) -> None:
    content = json.loads(exported_model.read_text())
    assert (content["global_rope_theta"], content["local_rope_theta"]) == (70_000.0, 3_000.0)
    assert content["global_attn_every_n_layers"] == 2
    tokenizer = json.loads(exported_model.with_name("tokenizer_config.json").read_text())
    assert tokenizer["tokenizer_class"] == "PreTrainedTokenizerFast"
    with safe_open(exported_model.with_name("model.safetensors"), "pt") as weights:
        assert weights.metadata() == {"format": "pt"}


def test_words_that_are_split_already_stay_words_as_the_card_says(exported_model: Path) -> None:
    template = Path(__file__).parents[2] / "workflow" / "report" / "templates" / "card.md.j2"
    said = re.search(r"```python\n(from tokenizers import .*?)```", template.read_text(encoding="utf-8"), re.DOTALL)
    assert said is not None
    tokenizer = AutoTokenizer.from_pretrained(exported_model.parent)
    names = {"tokenizer": tokenizer}
    exec(said[1], names)
    ids = names["inputs"].input_ids[0]
    assert tokenizer.decode(ids, skip_special_tokens=True).split() == ["words", "one", "by", "one"]
    assert set(names["inputs"].word_ids()) == {None, 0, 1, 2, 3}


@pytest.mark.parametrize(
    "fields",
    [
        "hidden_activation initializer_range initializer_cutoff_factor norm_eps norm_bias eos_token_id bos_token_id "
        "cls_token_id sep_token_id attention_bias attention_dropout classifier_activation",
        "layer_norm_eps",
    ],
    ids=["text-embeddings-inference", "candle"],
)
def test_the_configuration_holds_what_readers_without_defaults_require(exported_model: Path, fields: str) -> None:
    shape = (
        "vocab_size hidden_size intermediate_size num_hidden_layers num_attention_heads max_position_embeddings "
        "global_attn_every_n_layers global_rope_theta local_attention local_rope_theta pad_token_id"
    )
    assert set(f"{shape} {fields}".split()) <= set(json.loads(exported_model.read_text()))


def test_weights_of_another_shape_are_refused_and_nothing_is_written(
    tokenizer_manifest: Path, small_encoder: ModernBert, tmp_path: Path
) -> None:
    larger = small_encoder.shape.model_copy(update={"layers": 6})
    with pytest.raises(UserError, match="weights are not of the shape"):
        export(small_encoder.state_dict(), larger, 64, tokenizer_manifest, tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_an_export_that_fails_leaves_no_configuration(
    copy: Path, tokenizer_manifest: Path, small_encoder: ModernBert, tmp_path: Path
) -> None:
    partial = tmp_path / "tokenizer" / "manifest.json"
    shutil.copytree(tokenizer_manifest.parent, partial.parent)
    partial.with_name("special_tokens_map.json").unlink()
    with pytest.raises(FileNotFoundError):
        export(small_encoder.state_dict(), small_encoder.shape, 64, partial, copy.parent)
    assert not copy.exists()


def test_damaged_weights_are_named(copy: Path) -> None:
    weights = copy.with_name("model.safetensors")
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(UserError, match=r"model\.safetensors is damaged"):
        load_encoder(copy)


def test_a_configuration_of_another_origin_is_named(copy: Path) -> None:
    content = json.loads(copy.read_text())
    del content["local_rope_theta"]
    copy.write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"config\.json has no local_rope_theta"):
        load_encoder(copy)


def run_export(folder: Path, tokenizer: Path, encoder: ModernBert) -> subprocess.CompletedProcess[str]:
    shape = encoder.shape.model_dump()
    for taken_elsewhere in ("padded_vocabulary", "global_rope_theta"):
        del shape[taken_elsewhere]
    stage = {
        "length": 64,
        "tokens": 640,
        "batch": {"tokens": 64},
        "learning_rate": {"peak": 0.001},
        "rope_theta": encoder.shape.global_rope_theta,
        "masking_rate": 0.3,
        "components": [],
    }
    content = {"run": "r", "phase": "p", "seed": 1, "model": shape, "tokenizer": "t", "optimizer": {}}
    (folder / "slice.json").write_text(json.dumps(content | {"stages": [stage | {"rope_theta": 1.0}, stage]}))
    options = {
        "--checkpoint": folder / "checkpoint.json",
        "--slice": folder / "slice.json",
        "--tokenizer": tokenizer,
        "--output": folder / "model" / "config.json",
    }
    command = [sys.executable, "-m", "model.export", *(str(part) for option in options.items() for part in option)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])


def test_the_command_exports_a_checkpoint_and_refuses_a_damaged_one(
    tokenizer_manifest: Path, small_encoder: ModernBert, tmp_path: Path
) -> None:
    directory = tmp_path / "checkpoints" / "step-00000001"
    write_checkpoint(directory, of_weights(small_encoder.state_dict()), {"stage_end": True}, ranks=3)
    write_pointer(tmp_path / "checkpoint.json", directory, {})
    done = run_export(tmp_path, tokenizer_manifest, small_encoder)
    assert done.returncode == 0, done.stderr
    assert load_encoder(tmp_path / "model" / "config.json").shape == small_encoder.shape

    shard = directory / "shard-00001-of-00003.safetensors"
    content = shard.read_bytes()
    shard.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    refused = run_export(tmp_path, tokenizer_manifest, small_encoder)
    assert refused.returncode == 1
    assert refused.stderr.startswith("error: ")
    assert "shard-00001-of-00003.safetensors does not match its checksum" in refused.stderr
