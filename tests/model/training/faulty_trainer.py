"""The trainer with steps that go wrong: `python -m tests.model.training.faulty_trainer ARGUMENTS`, as the trainer's.

FAULTS in the environment is JSON, step -> fault:

    gradient    a gradient of the last rank's alone is not a number
    loss        all losses of rank 0 are not a number
    spike       losses are large, and finite

A window is of 8 steps, so that it is half full after 4, and 2 steps of it may be skipped.
"""

import json
import os

import torch

from common.errors import run_command
from model.training import guard, trainer

FAULTS = json.loads(os.environ["FAULTS"])
ACCUMULATE = trainer.accumulate
PHASES: list[trainer.Phase] = []
"""The one that this process trains."""


def compute(model, engine, *arguments):
    """Compute a batch as the trainer does, with the fault of this step."""
    fault = FAULTS.get(str(PHASES[-1].position.step + 1))
    bias = model.decoder.bias
    kept = bias.detach().clone()
    hook = None
    with torch.no_grad():
        if fault == "loss" and os.environ["RANK"] == "0":
            bias.fill_(float("nan"))
        if fault == "spike":
            bias[0] += 1000.0
    if fault == "gradient" and int(os.environ["RANK"]) == engine.world_size - 1:
        hook = bias.register_hook(lambda gradient: gradient * float("nan"))
    ACCUMULATE(model, engine, *arguments)
    with torch.no_grad():
        bias.copy_(kept)
    if hook:
        hook.remove()


class Phase(trainer.Phase):
    def train(self):
        PHASES.append(self)
        super().train()


def main() -> None:
    guard.WINDOW, guard.MOST_SKIPPED = 8, 2
    trainer.accumulate, trainer.Phase = compute, Phase
    trainer.main()


if __name__ == "__main__":
    run_command(main, lasting_status=os.EX_DATAERR)
