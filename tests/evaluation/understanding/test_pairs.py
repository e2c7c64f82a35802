"""Two texts with one label: both are read, the longer one is cut, and encoders that know types are told them."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from evaluation.understanding import measure
from evaluation.understanding.answering import Answering
from evaluation.understanding.classification import Classification
from evaluation.understanding.examples import Question, Splits, Text
from evaluation.understanding.fine_tuning import build, outputs, read_tokenizer
from recipe.slices.types import UnderstandingSlice

TREES, TOOLS = ["kuusi", "koivu", "tammi", "haapa"], ["vasara", "pihti", "taltta", "saha"]
PAIRS = [Text("yksi kaksi", "a", second="kaksi"), Text("yksi", "b", second="yksi yksi")]


@pytest.fixture
def bert(tmp_path: Path) -> str:
    """config.json of a small encoder with types, its tokenizer beside it."""
    words = {word: number for number, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "yksi", "kaksi"])}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    special = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    names = ["input_ids", "token_type_ids", "attention_mask"]
    made = PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_input_names=names, **special)
    made.save_pretrained(tmp_path)
    shape = {
        "hidden_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "initializer_range": 0.5,
    }
    torch.manual_seed(1)
    BertModel(BertConfig(vocab_size=len(words), max_position_embeddings=20, **shape)).save_pretrained(tmp_path)
    return f"{tmp_path}/config.json"


def test_what_the_second_text_says_is_learnt(exported_model: Path) -> None:
    chance = random.Random(1)

    def pairs(number: int) -> list[Text]:
        first = [chance.choice(TREES + TOOLS) for _ in range(number)]
        second = [chance.choice(TREES + TOOLS) for _ in range(number)]
        return [Text(one, "tree" if two in TREES else "tool", two) for one, two in zip(first, second, strict=True)]

    fields: dict[str, Any] = {"name": "two", "kind": "pairs", "language": "fi", "train": "a", "test": "b", "seed": 1}
    fields |= {"learning_rates": [3e-3], "seeds": 1, "epochs": 5, "batch": 8, "length": 32, "warmup": 0.1}
    content = UnderstandingSlice.model_validate(fields)
    found = measure.measure(str(exported_model), content, Splits(pairs(160), pairs(30), pairs(80)), untrained=False)
    assert (found["metric"], list(found["also"])) == ("macro_f1", ["accuracy"])
    assert found["value"] > 0.9


def test_of_two_texts_the_longer_is_cut(exported_model: Path) -> None:
    tokenizer, _ = read_tokenizer(str(exported_model), 64)
    kind = Classification(tokenizer, 16, PAIRS)
    for pair in (Text("saha " * 50, "a", second="tammi"), Text("tammi", "a", second="saha " * 50)):
        (one,) = kind.inputs([pair], learn=False)
        assert len(one.ids) == 16
        assert "tammi" in tokenizer.decode(one.ids)
        assert one.ids.count(tokenizer.sep_token_id) == 2


def test_an_encoder_with_types_is_given_which_of_two_texts_a_token_is_of(bert: str) -> None:
    tokenizer, length = read_tokenizer(bert, 64)
    kind = Classification(tokenizer, length, PAIRS)
    model = build(bert, kind.head, 2, untrained=False, seed=1)
    said = {one.example: found["logits"] for one, found in outputs(model, kind.inputs(PAIRS, learn=False))}
    for place, pair in enumerate(PAIRS):
        whole = tokenizer(pair.text, pair.second, return_tensors="pt")
        assert whole["token_type_ids"].max() == 1
        with torch.no_grad():
            expected, without = model(**whole).logits, model(whole["input_ids"]).logits
        assert said[place] == pytest.approx(expected[0].numpy(), abs=1e-5)
        assert said[place] != pytest.approx(without[0].numpy(), abs=1e-3)
    asked = Question("yksi", "kaksi kaksi", ["kaksi"], 0)
    (window,) = Answering(tokenizer, length, [asked]).inputs([asked], learn=True)
    assert list(window.types) == [0, 0, 0, 1, 1, 1]


def test_an_encoder_without_types_is_given_none(exported_model: Path) -> None:
    tokenizer, length = read_tokenizer(str(exported_model), 64)
    kind = Classification(tokenizer, length, PAIRS)
    (one, *_) = kind.inputs(PAIRS, learn=False)
    model = build(str(exported_model), kind.head, 2, untrained=False, seed=1)
    typed = type(one)(one.example, one.ids, types=[0] * len(one.ids))
    ((_, plain),), ((_, told),) = (list(outputs(model, [each])) for each in (one, typed))
    assert plain["logits"] == pytest.approx(told["logits"])
