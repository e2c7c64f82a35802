"""What a user gets wrong about a directory is one sentence that says what to do."""

import json
from pathlib import Path

import pytest

from common.errors import UserError
from model.starts.origin import misfit, named_files, read_origin
from recipe.schema import ModelShape
from tests.model.starts.origins import SHAPE, their_tokenizer, wanted, write_directory


@pytest.fixture
def directory(tokenizer_manifest: Path, tmp_path: Path) -> Path:
    write_directory(tmp_path / "theirs", their_tokenizer(tokenizer_manifest.with_name("tokenizer.json")))
    return tmp_path / "theirs"


def rewrite(directory: Path, **changes) -> None:
    content = json.loads((directory / "config.json").read_text()) | changes
    content = {key: value for key, value in content.items() if value is not None}
    (directory / "config.json").write_text(json.dumps(content))


def test_a_directory_of_transformers_5_is_read(directory):
    origin = read_origin(directory)
    assert not {"global_rope_theta", "global_attn_every_n_layers"} & origin.config.keys()
    assert (origin.shape, origin.vocabulary, origin.global_rope_theta) == (SHAPE, 384, 70_000.0)
    assert misfit(origin, wanted()) is None
    assert origin.files() == named_files(directory)


def test_a_directory_of_transformers_4_is_read(directory):
    older = {"rope_parameters": None, "layer_types": None, "global_attn_every_n_layers": 3}
    rewrite(directory, **older, global_rope_theta=70_000.0, local_rope_theta=3000.0)
    assert read_origin(directory).shape == SHAPE
    rewrite(directory, local_rope_theta=None)
    assert read_origin(directory).shape.local_rope_theta == 70_000.0


def test_an_export_of_this_project_is_read(exported_model, small_encoder):
    fields = small_encoder.shape.model_dump(include=set(ModelShape.model_fields))
    assert read_origin(exported_model.parent).shape == ModelShape(**fields)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"model_type": "bert"}, "holds a model of type bert, but only modernbert"),
        ({"attention_bias": True}, "attention_bias is true, but the encoder here has no such biases"),
        ({"norm_bias": True}, "norm_bias is true"),
        ({"mlp_bias": True}, "mlp_bias is true"),
        ({"classifier_bias": True}, "classifier_bias is true"),
        ({"tie_word_embeddings": False}, "tie_word_embeddings is false"),
        ({"hidden_activation": "silu"}, "hidden_activation is silu"),
        ({"rope_parameters": {"full_attention": {"rope_type": "yarn"}}}, "rope_type of full_attention is yarn"),
        ({"num_hidden_layers": None}, "has no num_hidden_layers"),
        ({"hidden_size": "wide"}, "describes no shape"),
        (
            {"layer_types": ["full_attention"] * 2 + ["sliding_attention"] * 2},
            "describes no shape",
        ),
    ],
)
def test_a_configuration_that_cannot_be_continued_is_told(directory, changes, told):
    rewrite(directory, **changes)
    with pytest.raises(UserError, match=told) as error:
        read_origin(directory)
    assert "\n" not in str(error.value)


def test_another_shape_is_told_with_the_values_to_write(directory):
    other = SHAPE.model_copy(update={"layers": 3, "local_rope_theta": 1e4})
    told = misfit(read_origin(directory), wanted(other))
    assert told.endswith("write layers: 4, local_rope_theta: 3000 into models.mine.")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"layers": 3}, "has layers 4, more than the 3 here"),
        ({"intermediate": 40}, "has intermediate 48, more than the 40 here"),
        ({"hidden": 64}, "has 16 dimensions in a head, and the model here 32"),
    ],
)
def test_what_cannot_be_tiled_is_told(directory, changes, told):
    assert told in misfit(read_origin(directory), wanted(SHAPE.model_copy(update=changes), run="base"))


def test_pickles_are_refused(directory):
    (directory / "model.safetensors").rename(directory / "pytorch_model.bin")
    with pytest.raises(UserError, match="is a pickle, which could run code"):
        read_origin(directory)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_file_that_is_not_there_is_named(directory, name):
    (directory / name).unlink()
    with pytest.raises(UserError, match=name.replace(".", r"\.")):
        read_origin(directory)


@pytest.mark.parametrize("name", ["../secret.safetensors", "absent.safetensors", "pytorch_model.bin"])
def test_an_index_that_names_files_elsewhere_is_refused(directory, name):
    (directory / "model.safetensors").unlink()
    (directory / "pytorch_model.bin").touch()
    (directory / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"decoder.bias": name}}))
    with pytest.raises(UserError, match="no safetensors file beside it"):
        read_origin(directory)


def test_a_directory_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UserError, match=r"none has no config\.json"):
        read_origin(tmp_path / "none")
