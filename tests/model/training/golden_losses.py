"""Trains a small encoder by each optimizer: `python -m tests.model.training.golden_losses OUTPUT`, one rank.

OUTPUT becomes JSON, optimizer -> loss of each step. It is compared with `golden/{kind of device}.json` of this folder;
whoever changes what training computes, and means to, writes that file anew by this command.
"""

import json
import os
import sys
from pathlib import Path

import numpy as np
import torch

from model.batch import LayOut, flatten
from model.masking import mask_row
from model.modernbert import ModernBert, Shape
from model.training.data import MicroBatch, RankBatch
from model.training.engine import Engine, fresh_tensors, start_process_group
from model.training.metrics import Tally
from model.training.step import accumulate
from recipe.schema import Optimizer

VOCABULARY = 64
SHAPE = Shape(
    layers=4,
    hidden=32,
    heads=2,
    intermediate=48,
    local_attention=16,
    padded_vocabulary=VOCABULARY,
    global_rope_theta=10_000.0,
)
RATES = {"adamw": 1e-2, "stable_adamw": 1e-2, "muon": 1e-2}
STEPS, ROWS, LENGTH, PIECES = 40, 8, 64, 4


def micro_batch(step: int, number: int, lay_out: LayOut) -> MicroBatch:
    """Rows in which each token follows from the one before it, most of the time."""
    random = np.random.default_rng([step, number])
    rows, lengths = [], []
    for row in range(ROWS // 2):
        tokens = random.integers(5, VOCABULARY, LENGTH)
        for place in range(1, LENGTH):
            if random.random() < 0.9:
                tokens[place] = 5 + (tokens[place - 1] * 7 + 3) % (VOCABULARY - 5)
        rows.append(mask_row(tokens.astype(np.uint16), step * ROWS + number * ROWS // 2 + row, b"key", 0.3, VOCABULARY))
        lengths.append(np.full(PIECES, LENGTH // PIECES))
    flat = flatten(rows, lengths, lay_out)
    return MicroBatch(flat, torch.zeros(len(flat.labels), dtype=torch.int64))


def losses(settings: Optimizer, device: torch.device) -> list[float]:
    model = ModernBert(SHAPE, 0).to(device)
    engine = Engine(model, settings)
    engine.load(fresh_tensors(model), 0)
    found = []
    for step in range(STEPS):
        parts = [micro_batch(step, number, model.lay_out) for number in range(2)]
        tally = Tally(1, 1, device)
        batch = RankBatch(None, parts, sum(len(part.languages) for part in parts), np.zeros(1, dtype=np.int64))
        accumulate(model, engine, batch, tally, device)
        tally.share(batch.drawn, stop=False, checkpoint_due=False, order=engine.order)
        found.append(tally.summary(["en"])["loss"])
        engine.step(RATES[settings.name], lambda norm: None)
    return found


def main() -> None:
    torch.set_num_threads(1)
    device = start_process_group()
    found = {name: losses(Optimizer(name=name), device) for name in RATES}
    Path(sys.argv[1]).write_text(json.dumps(found, indent=1) + "\n")
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    os.environ |= {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1"}
    main()
