"""An encoder with a head of transformers' for a task: built, trained, and asked.

The loop is a plain one. transformers' Trainer would want a folder, callbacks and a data set class for what is said here
in a screen; the optimizer is the one that it has by default: AdamW without weight decay, a rate that rises and falls
linearly, gradients clipped at a norm of 1. A seed decides the head's weights and the order of the examples.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil
from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray

from evaluation.encoders import located
from evaluation.understanding.inputs import Input, asked_of, padded, parts_of, shuffled_batches
from recipe.slices.types import UnderstandingSlice

GRADIENT_NORM = 1.0
TOKENS_AT_ONCE = 1 << 14
"""Of padded inputs, however long and however many are a batch; the mask of attention grows with the square of one."""
Outputs = dict[str, NDArray[np.float32]]
"""Name, as transformers has it, -> float32[padded tokens, ...] of one input, or float32[labels] of its one label."""


def read_tokenizer(model: str, length: int) -> tuple[Any, int]:
    """Return the tokenizer of an encoder, and how many tokens it is given: `length`, or fewer if it takes fewer.

    Args:
        model: config.json of a directory as transformers keeps a model, or a name on the hub.
        length: tokens of a text that are read at once.

    Raises:
        HubAbsentError: it is on the hub, which is out of reach.
        UserError: the model is absent or damaged.
    """
    where, context = located(model)
    with context:
        tokenizer = transformers.AutoTokenizer.from_pretrained(where)
        shape = transformers.AutoConfig.from_pretrained(where)
    return tokenizer, min(length, tokenizer.model_max_length, getattr(shape, "max_position_embeddings", length))


def build(model: str, head: str, labels: int, untrained: bool, seed: int, problem: str | None = None) -> Any:
    """Return a model with a head of `labels` outputs, on a GPU if there is one.

    No code of a model is run, and weights are read as safetensors only.

    Args:
        model: config.json of a directory as transformers keeps a model, or a name on the hub.
        head: class of transformers, such as AutoModelForTokenClassification.
        labels: number of outputs.
        untrained: begin from random weights instead of the encoder's.
        seed: of all random weights.
        problem: which of the head's problems, as transformers has it; none where it has one only.

    Raises:
        HubAbsentError: it is on the hub, which is out of reach.
        UserError: the model is absent or damaged.
    """
    transformers.utils.logging.set_verbosity_error()  # that the head is new is no news
    transformers.utils.logging.disable_progress_bar()
    kind = getattr(transformers, head)
    asked = {"num_labels": labels, "problem_type": problem}
    where, context = located(model)
    torch.manual_seed(seed)
    with context:
        if untrained:
            made = kind.from_config(transformers.AutoConfig.from_pretrained(where, **asked))
        else:
            made = kind.from_pretrained(where, **asked, dtype=torch.float32, use_safetensors=True)
    return made.to("cuda" if torch.cuda.is_available() else "cpu")


def train(model: Any, inputs: Sequence[Input], content: UnderstandingSlice, rate: float, seed: int) -> None:
    """Train a model in place, in bf16 on a GPU. A batch of long inputs is learnt from in parts, of the same loss."""
    steps = content.epochs * ceil(len(inputs) / content.batch)
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.0)
    warmup = ceil(content.warmup * steps)
    schedule = transformers.get_linear_schedule_with_warmup(optimizer, warmup, steps)
    chance = np.random.default_rng(seed)
    torch.manual_seed(seed)
    model.train()
    for _ in range(content.epochs):
        for batch in shuffled_batches(inputs, content.batch, chance):
            asked = asked_of(batch)
            for part in parts_of(batch, TOKENS_AT_ONCE):
                with _in_bf16(model):
                    loss = model(**_moved(part, model)).loss
                # What no answer is asked of has no mean.
                if own := asked_of(part):
                    (loss * (own / asked)).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), GRADIENT_NORM)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()


@torch.no_grad()
def outputs(model: Any, inputs: Sequence[Input]) -> Iterator[tuple[Input, Outputs]]:
    """Yield each input with what a model says of it, in an order of lengths; nothing is learnt from its targets."""
    model.eval()
    for batch in parts_of(inputs, TOKENS_AT_ONCE):
        bare = [Input(one.example, one.ids, types=one.types) for one in batch]
        with _in_bf16(model):
            found = model(**_moved(bare, model))
        arrays = {name: value.float().cpu().numpy() for name, value in found.items()}
        for place, one in enumerate(batch):
            yield one, {name: values[place] for name, values in arrays.items()}


def _moved(batch: Sequence[Input], model: Any) -> dict[str, torch.Tensor]:
    content = padded(batch, model.config.pad_token_id)
    if getattr(model.config, "type_vocab_size", 0) < 2:
        content.pop("token_type_ids", None)  # tokenizers make them for encoders that know no types too
    return {name: value.to(model.device) for name, value in content.items()}


def _in_bf16(model: Any) -> Any:
    return torch.autocast(model.device.type, torch.bfloat16, enabled=model.device.type == "cuda")
