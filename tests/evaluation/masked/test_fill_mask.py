"""Predictions for a prompt, from the exported directory alone."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForMaskedLM, AutoTokenizer

from common.errors import UserError
from evaluation.masked.fill_mask import fill_masks, predictions

PROMPT = "Alasin on [MASK] ja vasara."


def test_the_five_likeliest_ordinary_tokens_with_their_probabilities(exported_model: Path) -> None:
    rows = fill_masks(exported_model, {"sv": "Städet är [MASK].", "fi": PROMPT})
    assert [row["language"] for row in rows] == ["fi", "sv"]
    tokenizer = AutoTokenizer.from_pretrained(exported_model.parent)
    ids = tokenizer(PROMPT, return_tensors="pt").input_ids
    place = ids[0].tolist().index(tokenizer.mask_token_id)
    probabilities = AutoModelForMaskedLM.from_pretrained(exported_model.parent)(ids).logits[0, place].softmax(-1)
    ordinary = sorted(range(5, len(tokenizer)), key=lambda token: -probabilities[token])[:5]
    assert [guess["token"] for guess in rows[0]["predictions"]] == [tokenizer.decode([token]) for token in ordinary]
    assert [guess["probability"] for guess in rows[0]["predictions"]] == pytest.approx(probabilities[ordinary].tolist())


def test_special_and_unused_tokens_are_never_offered_however_likely(exported_model: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(exported_model.parent)
    model = AutoModelForMaskedLM.from_pretrained(exported_model.parent)
    with torch.no_grad():
        model.decoder.bias[:5] = 100.0
        model.decoder.bias[len(tokenizer) :] = 100.0
    guesses = predictions(model, tokenizer, PROMPT)
    assert len(guesses) == 5
    assert all(guess["probability"] < 1e-20 for guess in guesses)
    assert not {"[MASK]", "[CLS]", "[PAD]", "[UNK]", "[SEP]", ""} & {guess["token"] for guess in guesses}


@pytest.mark.parametrize("prompt", ["Alasin on.", "[MASK] on [MASK]."])
def test_a_prompt_without_exactly_one_mask_is_refused(exported_model: Path, prompt: str) -> None:
    with pytest.raises(UserError, match=r"give it one, under evaluation\.prompts"):
        fill_masks(exported_model, {"fi": prompt})


def test_a_model_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"config\.json does not exist; export"):
        fill_masks(tmp_path / "config.json", {"fi": PROMPT})


def test_a_directory_without_a_model_is_told(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UserError, match=r"holds no model that transformers loads .*export it again"):
        fill_masks(tmp_path / "config.json", {"fi": "Alasin on [MASK]."})
