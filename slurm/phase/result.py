"""Whether a phase's result is there, or can be made again from the word of a command that finished."""

from __future__ import annotations

from common.finished import FINISHED, make_again
from common.telling import say
from slurm.records.request import Request


def made(request: Request) -> bool:
    """Tell whether `request.done` is there; make it again, and say so, where the command finished with these inputs."""
    if request.done.exists():
        return True
    if not make_again(request.done, request.inputs):
        return False
    say(f"{request.done} was away, but {FINISHED} beside it says that all is done; made it again")
    return True
