"""The trainer as a test steers it: `python steered.py FOLDER FAULT RANK STEP model.training.trainer ARGUMENTS`.

While the file FOLDER/slow is there, each step takes so many seconds more as it says: a phase then lasts until what a
test does to it has happened, and leaves the processors to others. Once in the life of FOLDER/met, which is made then,
rank RANK meets FAULT after STEP steps.
"""

import ctypes
import os
import sys
import time
from contextlib import suppress
from pathlib import Path

FAULTS = {
    "none": lambda: None,
    # A call into C that does not give the interpreter's lock away: no thread and no signal handler of Python runs.
    "stuck": lambda: ctypes.PyDLL(None).sleep(3600),
    "segfault": lambda: ctypes.string_at(0),
}


def main() -> None:
    from common.errors import run_command
    from model.training import trainer

    folder, fault, rank, step = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
    advance = trainer.Phase._advance

    def steered(phase, *arguments):
        advance(phase, *arguments)
        with suppress(FileNotFoundError):
            time.sleep(float((folder / "slow").read_text()))
        met = folder / "met"
        if fault != "none" and os.environ["RANK"] == rank and phase.position.step == step and not met.exists():
            met.touch()
            FAULTS[fault]()

    trainer.Phase._advance = steered
    sys.argv[1:] = sys.argv[6:]
    run_command(trainer.main, lasting_status=os.EX_DATAERR)


if __name__ == "__main__":
    main()
