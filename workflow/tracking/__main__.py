"""Mirror the metrics of a phase to an experiment tracker: `python -m workflow.tracking`, beside its launch.

It ends at SIGTERM, with all that was written until then.
Nothing that goes wrong here ends anything else: it is told once, tried again later, and caught up with.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from pathlib import Path

from common.errors import UserError, run_command
from common.files import read_json
from common.processes import Received
from corpus.rows.listing import read_list
from model.history.options import add_options, before, started
from model.history.plan import plan_of
from recipe.slices.files import read_slice
from recipe.slices.types import PhaseSlice
from workflow.tracking.following import Lines
from workflow.tracking.mirror import Mirror
from workflow.tracking.segment import Named, mode, upload
from workflow.tracking.state import Record

SEGMENT_SECONDS = {"offline": 3600.0, "online": 600.0}
"""By wandb's mode: how old a segment may be before it can be uploaded. After a kill so much is written again."""
_RETRY_SECONDS = 600.0


def main() -> None:
    """Mirror until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m workflow.tracking", description=__doc__)
    parser.add_argument("--project", required=True, help="what the tracker calls the recipe")
    parser.add_argument("--segments", type=Path, required=True, help="folder that takes what can be uploaded")
    add_options(parser)
    arguments, _ = parser.parse_known_args()
    received = Received(signal.SIGTERM)
    if mode() == "disabled":
        return
    if mode() not in SEGMENT_SECONDS:
        raise UserError(f"WANDB_MODE is {mode()}; Alasin knows online, offline (the default) and disabled.")
    warned = False
    while True:
        try:
            _follow(arguments, received)
        except Exception as error:  # of wandb, the disk or ourselves: none may end more than this
            if not warned:
                _warn(f"the tracker fell out ({type(error).__name__}: {error})")
            warned = True
        if received.signals:
            return
        _pause(received, _RETRY_SECONDS)


def _follow(arguments: argparse.Namespace, received: Received) -> None:
    content = read_slice(arguments.slice, PhaseSlice)
    tokenizer, start = read_json(arguments.tokenizer), started(arguments.start)
    plan = plan_of(content, read_list(arguments.rows), tokenizer, before(arguments), start)
    record = Record(arguments.folder, next(plan.points()).history, arguments.segments)
    lines = Lines(arguments.folder / "metrics.jsonl", bytes.fromhex(record.mirrored.known))
    named = Named(arguments.project, content.run, content.phase, json.loads(content.model_dump_json()))
    failed: list[str] = []

    def told() -> None:
        if mode() == "online" and (why := upload(record.segments())) and not failed:
            failed.append(why)
            _warn(f"what is in {arguments.segments} was not uploaded ({why})")

    Mirror(record, lines, named, SEGMENT_SECONDS[mode()]).follow(
        lambda: bool(received.signals), lambda seconds: _pause(received, seconds), told
    )


def _pause(received: Received, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not received.signals and time.monotonic() < deadline:
        time.sleep(0.2)


def _warn(what: str) -> None:
    said = " ".join(what.split())
    print(f"warning: {said}; training goes on, and what is missing is caught up with", file=sys.stderr, flush=True)


if __name__ == "__main__":
    run_command(main)
