"""Encoders from elsewhere beside the runs of a recipe: which jobs they are, and what they are loaded from."""

from __future__ import annotations

import copy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from common.errors import UserError
from evaluation.retrieval.fine_tune import build
from evaluation.understanding.examples import Sentence, Splits
from evaluation.understanding.measure import measure
from recipe.needs import foreign_tokenizers, retrieval_encoders, speed_encoders, understanding_encoders
from recipe.reading import load_recipe
from recipe.schema import Recipe
from recipe.slices.types import UnderstandingSlice
from workflow.dag import Dag

DEMO = yaml.safe_load((Path(__file__).parents[2] / "config" / "demo.yaml").read_text())


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """A small model of another kind, as transformers keeps one."""
    words = {word: number for number, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "yksi", "kaksi"])}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]").save_pretrained(tmp_path)
    shape = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    BertModel(BertConfig(vocab_size=len(words), max_position_embeddings=20, **shape)).save_pretrained(tmp_path)
    return tmp_path


def demo(**named: Any) -> Recipe:
    content = copy.deepcopy(DEMO)
    content["evaluation"]["models"] = named
    return load_recipe(content, "demo")


def test_they_are_measured_by_the_jobs_of_the_runs_and_their_tokenizers_are_compared(other: Path) -> None:
    recipe = demo(mine=str(other), xlmr="FacebookAI/xlm-roberta-base")
    assert retrieval_encoders(recipe)[-2:] == speed_encoders(recipe)[-2:] == ["mine", "xlmr"]
    assert foreign_tokenizers(recipe)[-2:] == [str(other), "FacebookAI/xlm-roberta-base"]
    assert understanding_encoders(recipe)[-2:] == ["mine", "xlmr"]
    dag = Dag(recipe)
    assert "results/evaluation/understanding/topic/xlmr.json" in dag.understanding.results()
    assert "results/evaluation/retrieval/interface-fi-sv/xlmr.json" in dag.retrieval_results()
    assert "results/fertility/foreign/FacebookAI--xlm-roberta-base.json" in dag.fertility_results()
    asked = {name: SimpleNamespace(encoder=name) for name in ("small", "small.untrained", "mine", "xlmr")}
    assert dag.encoder(asked["small.untrained"]) == dag.encoder(asked["small"]) == "results/models/small/config.json"
    assert dag.encoder_model(asked["mine"]) == [dag.encoder(asked["mine"])] == [f"{other}/config.json"]
    assert (dag.encoder(asked["xlmr"]), dag.encoder_model(asked["xlmr"])) == ("FacebookAI/xlm-roberta-base", [])
    assert dag.model_of(asked["mine"]) == "mine"


def test_a_name_of_a_run_and_an_absent_directory_are_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"evaluation.models.small: is the name of a run too"):
        demo(small=str(tmp_path))
    missing = Dag(demo(mine=str(tmp_path / "none"))).missing()
    assert (
        f"evaluation: {tmp_path}/none does not exist; put the tokenizer or the model there, or mend the path."
        in missing
    )


def test_one_learns_to_retrieve_and_reads_no_more_than_it_takes(other: Path) -> None:
    encoder = build(f"{other}/config.json", 512, untrained=False, seed=1)
    assert encoder.max_seq_length == 20
    assert encoder.encode(["yksi kaksi"]).shape == (1, 32)


def test_one_learns_to_tag_by_its_own_tokenizer(other: Path) -> None:
    sentences = [Sentence(["yksi", "kaksi"] * 20, ["A", "B"] * 20)]
    task = {"kind": "tagging", "language": "fi", "train": "-", "test": "-", "name": "t", "seed": 1, "seeds": 1}
    task |= {"learning_rates": [1e-2], "epochs": 20, "batch": 4, "length": 512, "warmup": 0.1}
    splits = Splits(sentences, sentences, sentences)
    found = measure(f"{other}/config.json", UnderstandingSlice.model_validate(task), splits, untrained=False)
    assert found["how"]["tokens_read"] == 20
    assert found["value"] == 1


def test_weights_in_a_pickle_are_not_read(other: Path) -> None:
    (other / "model.safetensors").rename(other / "pytorch_model.bin")
    with pytest.raises(UserError, match="holds no model that loads"):
        build(f"{other}/config.json", 16, untrained=False, seed=1)
