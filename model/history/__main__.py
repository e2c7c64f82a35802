"""A phase that has been trained already, by whomever: its `checkpoint.json` without a job, `python -m model.history`.

It takes the trainer's options, and ends with 0 whether or not it found what the phase ends with.
"""

from __future__ import annotations

import argparse
import json

from common.errors import run_command
from common.files import digest_of, read_json
from common.telling import say
from corpus.rows.listing import read_list
from model.history.beginning import Places, finish
from model.history.options import add_options, before, decisive, started
from model.history.plan import plan_of
from model.history.position import Position
from model.history.store import load_state, pointer_facts, write_pointer
from recipe.slices.files import read_slice
from recipe.slices.types import PhaseSlice


def main() -> None:
    """Write the pointer of a phase that is trained."""
    parser = argparse.ArgumentParser(
        prog="python -m model.history",
        description="Write checkpoint.json of a phase if any checkpoint has the history that the phase ends with.",
    )
    add_options(parser)
    arguments, _ = parser.parse_known_args()
    content = read_slice(arguments.slice, PhaseSlice)
    tokenizer, start = read_json(arguments.tokenizer), started(arguments.start)
    plan = plan_of(content, read_list(arguments.rows), tokenizer, before(arguments), start)
    inputs = digest_of(decisive(arguments))
    facts = {"slice": json.loads(content.model_dump_json()), "inputs": inputs}
    last = finish(plan, Places(arguments.folder, arguments.runs), facts, say)
    if last:
        reached = Position.read(load_state(last)["position"])
        write_pointer(arguments.folder / "checkpoint.json", last, pointer_facts(content, reached), inputs)
        say(
            f"{last} has the history that {content.run}/{content.phase} ends with, so nothing was trained. To train it "
            f"anew, delete {arguments.folder / 'checkpoints'} and what it says above that it took over"
        )


if __name__ == "__main__":
    run_command(main)
