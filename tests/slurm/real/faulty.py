"""The trainer, with one fault: `python faulty.py FAULT RANK STEP MARK model.training.trainer ARGUMENTS`.

Once in the life of the file MARK, which is made then, rank RANK meets FAULT after STEP steps.
"""

import ctypes
import os
import sys
from pathlib import Path

FAULTS = {
    # A call into C that does not give the interpreter's lock away: no thread and no signal handler of Python runs.
    "stuck": lambda: ctypes.PyDLL(None).sleep(3600),
    "segfault": lambda: ctypes.string_at(0),
}


def main() -> None:
    from common.errors import run_command
    from model.training import trainer

    fault, rank, step, mark = sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(sys.argv[4])
    advance = trainer.Phase._advance

    def meets(phase, *arguments):
        advance(phase, *arguments)
        if os.environ["RANK"] == rank and phase.position.step == step and not mark.exists():
            mark.touch()
            FAULTS[fault]()

    trainer.Phase._advance = meets
    sys.argv[1:] = sys.argv[6:]
    run_command(trainer.main, lasting_status=os.EX_DATAERR)


if __name__ == "__main__":
    main()
