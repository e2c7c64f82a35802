"""A model's directory for EuroEval: what transformers 4 needs is told, weights are linked or made anew."""

import json
from pathlib import Path

import pytest
from safetensors.torch import load_file

from common.errors import UserError
from common.files import read_json
from evaluation.euroeval.directory import prepare, readable_config
from evaluation.hub import HubAbsentError

KINDS = {"g": "full_attention", "l": "sliding_attention"}


def as_transformers_5_writes(layers: str) -> dict[str, object]:
    """A configuration without any of the older keys."""
    rope = {"full_attention": {"rope_theta": 70_000.0}, "sliding_attention": {"rope_theta": 3_000.0}}
    return {"model_type": "modernbert", "layer_types": [KINDS[one] for one in layers], "rope_parameters": rope}


@pytest.mark.parametrize(("layers", "every"), [("glglg", 2), ("gllgl", 3), ("ggg", 1), ("gll", 3)])
def test_thetas_and_the_pattern_of_layers_are_told_in_the_older_way(layers: str, every: int) -> None:
    told = readable_config(as_transformers_5_writes(layers), "here")
    assert told["global_attn_every_n_layers"] == every
    assert (told["global_rope_theta"], told["local_rope_theta"]) == (70_000.0, 3_000.0)


def test_a_pattern_that_the_older_way_has_no_word_for_is_refused_and_other_models_are_left_alone() -> None:
    with pytest.raises(UserError, match=r"here: its layers with global attention, \[0, 1, 3\], do not stand"):
        readable_config(as_transformers_5_writes("gglg"), "here")
    assert readable_config({"model_type": "bert"}, "here") == {"model_type": "bert"}


def test_a_copy_links_the_weights_and_names_a_tokenizer_that_is_known(exported_model: Path, tmp_path: Path) -> None:
    prepare(str(exported_model), tmp_path / "model")
    assert read_json(tmp_path / "model" / "config.json") == read_json(exported_model)
    weights = tmp_path / "model" / "model.safetensors"
    assert weights.resolve() == exported_model.with_name("model.safetensors").resolve()
    assert read_json(tmp_path / "model" / "tokenizer_config.json")["tokenizer_class"] == "PreTrainedTokenizerFast"


def test_a_model_that_transformers_5_saved_is_made_readable_and_itself_left_alone(
    exported_model: Path, tmp_path: Path
) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    for path in exported_model.parent.iterdir():
        (theirs / path.name).write_bytes(path.read_bytes())
    config = {key: value for key, value in read_json(exported_model).items() if not key.endswith(("_theta", "_layers"))}
    (theirs / "config.json").write_text(json.dumps(config))
    (theirs / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "TokenizersBackend"}))
    (theirs / "code.py").write_text("raise SystemExit")
    prepare(str(theirs / "config.json"), tmp_path / "model")
    assert read_json(tmp_path / "model" / "config.json")["global_attn_every_n_layers"] == 2
    assert read_json(tmp_path / "model" / "tokenizer_config.json")["tokenizer_class"] == "PreTrainedTokenizerFast"
    assert not (tmp_path / "model" / "code.py").exists()
    assert "global_attn_every_n_layers" not in read_json(theirs / "config.json")


def test_an_untrained_encoder_has_the_shape_and_random_weights_by_the_seed(
    exported_model: Path, tmp_path: Path
) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        prepare(str(exported_model), tmp_path / name, untrained=True, seed=seed)
    a, b, c = (load_file(tmp_path / name / "model.safetensors") for name in "abc")
    trained = load_file(exported_model.with_name("model.safetensors"))
    name = "model.embeddings.tok_embeddings.weight"
    assert a.keys() == trained.keys()
    assert a[name].equal(b[name])
    assert not a[name].equal(c[name])
    assert not a[name].equal(trained[name])


def test_pickled_weights_are_not_read_and_an_absent_hub_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").touch()
    with pytest.raises(UserError, match="no weights as safetensors"):
        prepare(str(tmp_path / "config.json"), tmp_path / "model")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(HubAbsentError, match="the model some/one needs the hub, which is out of reach"):
        prepare("some/one", tmp_path / "model")
