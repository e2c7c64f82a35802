"""Stage: an encoder learns to retrieve at one learning rate; its score on a dev split chooses between the rates.

`sentence-transformers` trains it with in-batch negatives, CachedMultipleNegativesRankingLoss (Gao et al. 2021, arXiv
2101.06983), on pairs of a query and its answer, or triplets with a wrong answer. The embedding of a text is the mean
over its tokens. With `--untrained` the encoder begins from random weights: what pre-training is worth is the
difference.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from common.errors import run_command
from common.files import write_json
from evaluation.encoders import located
from evaluation.hub import HubAbsentError, leave_the_hub, write_unmeasured
from evaluation.retrieval.pairs import Columns, read_pairs
from evaluation.retrieval.tasks import open_task
from recipe.slices.files import read_slice
from recipe.slices.types import RetrievalSlice

COMMAND = "python -m evaluation.retrieval.fine_tune"
FORMAT = 1
MODEL = "model"
COMPUTED_TOGETHER = 64
"""Pairs whose activations are held at a time; changes the result by rounding only."""


def build(model: str, length: int, untrained: bool, seed: int) -> Any:
    """Return a `SentenceTransformer` of an encoder, or of one of its shape with random weights.

    No code of a model is run, and weights are read as safetensors only.

    Args:
        model: config.json of a directory as transformers keeps a model, or a name on the hub.
        length: tokens of a text that are read, at most; fewer if the model takes fewer.
        untrained: whether the weights are random.
        seed: of these.

    Raises:
        HubAbsentError: it is on the hub, which is out of reach.
        UserError: the encoder is absent or damaged.
    """
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import AutoConfig, AutoModel

    where, context = located(model)
    with context:
        encoder = Transformer(where, model_kwargs={"use_safetensors": True})
    encoder.max_seq_length = min(length, encoder.max_seq_length or length)
    if untrained:
        torch.manual_seed(seed)
        fresh = AutoModel.from_config(AutoConfig.from_pretrained(where, local_files_only=True))
        encoder.model.load_state_dict(fresh.state_dict())
    pooling = Pooling(encoder.get_embedding_dimension(), pooling_mode="mean")
    return SentenceTransformer(modules=[encoder, pooling])


def train(encoder: Any, pairs: Columns, content: RetrievalSlice, rate: float, folder: Path) -> None:
    """Train a `SentenceTransformer` in place, in bf16 on a GPU; `folder` is for what the trainer wants to write."""
    import torch
    from datasets import Dataset
    from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
    from sentence_transformers.sentence_transformer.losses import CachedMultipleNegativesRankingLoss

    arguments = SentenceTransformerTrainingArguments(
        output_dir=str(folder),
        num_train_epochs=content.epochs,
        per_device_train_batch_size=content.batch,
        learning_rate=rate,
        warmup_steps=content.warmup,
        bf16=torch.cuda.is_available(),
        seed=content.seed,
        save_strategy="no",
        logging_strategy="no",
        report_to=[],
        disable_tqdm=True,
    )
    loss = CachedMultipleNegativesRankingLoss(encoder, mini_batch_size=min(content.batch, COMPUTED_TOGETHER))
    SentenceTransformerTrainer(model=encoder, args=arguments, train_dataset=Dataset.from_dict(pairs), loss=loss).train()


def main() -> None:
    """Run the stage from the command line."""
    parser = argparse.ArgumentParser(prog=COMMAND, description="Train an encoder to retrieve, at one learning rate.")
    parser.add_argument("--slice", type=Path, required=True, help="JSON slice of the retrieval, from the recipe")
    parser.add_argument("--model", required=True, help="config.json of a model, or its name on the hub")
    parser.add_argument("--untrained", action="store_true", help="begin from random weights instead of the model's")
    parser.add_argument("--learning-rate", type=float, required=True, help="peak of the learning rate")
    parser.add_argument("--output", type=Path, required=True, help="result.json to write; the model goes beside it")
    arguments = parser.parse_args()
    content = read_slice(arguments.slice, RetrievalSlice)
    arguments.output.unlink(missing_ok=True)
    try:
        pairs, dev = read_pairs(content.train, content.seed), open_task("dev", content.dev, "dev")
    except HubAbsentError as error:
        write_unmeasured(arguments.output, str(error), learning_rate=arguments.learning_rate)
        return
    try:
        encoder = build(arguments.model, content.length, arguments.untrained, content.seed)
    except HubAbsentError as error:
        write_unmeasured(arguments.output, str(error), learning_rate=arguments.learning_rate)
        return
    leave_the_hub()
    from evaluation.retrieval.ranking import METRIC, grade, rank_by_encoder

    folder = arguments.output.parent
    train(encoder, pairs, content, arguments.learning_rate, folder / "trainer")
    encoder.save(str(folder / MODEL))
    encoder.max_seq_length = content.dev.length or content.length
    scores = grade(rank_by_encoder(encoder, dev), dev.relevant)
    value = sum(scores.values()) / len(scores)
    how = {"pairs": len(pairs["query"]), "negatives": "negative" in pairs, "untrained": arguments.untrained}
    write_json(
        arguments.output,
        {"format": FORMAT, "learning_rate": arguments.learning_rate, "dev": {METRIC: value, "queries": len(scores)}}
        | {"how": how | content.model_dump(mode="json")},
    )
    print(f"learning rate {arguments.learning_rate:g}: nDCG@10 {value:.4f} on {len(scores):,} queries of {dev.where}")


if __name__ == "__main__":
    run_command(main)
