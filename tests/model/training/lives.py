"""Lives of a command that are cut off at chosen places: `python lives.py MODULE RANKS FOLDER PLAN -- ARGUMENTS`.

Every life is a fork of this process, which has imported everything once. A place is one of

    step N                 rank 0 has made N steps in this life
    peer N                 rank 1 has
    NAME WHAT N            rank 0 is about to NAME for the N-th time, where the path matches WHAT
    peer NAME WHAT N       rank 1 is
    full NAME WHAT N       rank 0 is, and finds the disk full instead of being killed
    peer full NAME WHAT N  rank 1 is, likewise

NAME is an audit event of Python's, `open` for one that writes; digits in a path's last two parts are #. PLAN is a file
with a JSON list of places; a last life goes on to the end. Printed is JSON: for each life its place, the statuses of
its ranks, and what rank 0, or the one that the place speaks of, did, a name and a path each.
"""

from __future__ import annotations

import errno
import importlib
import json
import os
import re
import signal
import socket
import sys
from pathlib import Path
from typing import Any

from common.errors import run_command

PRELOADED = (
    *("deepspeed", "torch.utils.tensorboard", "torch._dynamo", "torch._inductor.compile_fx"),
    "deepspeed.runtime.zero.muon.muon_optimizer",
)
"""What a rank imports while it starts."""
EVENTS = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def watch(folder: str, place: str, record: Path) -> None:
    """Note what this process does to files in `folder`, and end it, or fail, just before what `place` says."""
    full = place.startswith("full ")
    name, what, number = [*place.removeprefix("full ").split(" "), "", ""][:3]
    left = [int(number or 0)]

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event not in EVENTS or not isinstance(arguments[0], (str, bytes, os.PathLike)):
            return
        path = os.fsdecode(arguments[0])
        writes = event != "open" or (isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR))
        if not path.startswith(folder) or not writes or path == str(record):
            return
        seen = re.sub(r"\d+", "#", "/".join(Path(path).parts[-2:]).replace(socket.gethostname(), "HOST"))
        descriptor = os.open(record.with_suffix(".seen"), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(descriptor, f"{event} {seen}\n".encode())
        os.close(descriptor)
        if event == name and seen == what:
            left[0] -= 1
            if left[0] == 0 and full:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
            if left[0] == 0:
                die()

    sys.addaudithook(hook)


def count_steps(place: str) -> None:
    """End this process when it has made as many steps as `place` says."""
    from model.training.trainer import Phase

    whose, number = place.split(" ")
    if (whose == "step") != (os.environ["RANK"] == "0"):
        return
    made, advance = [0], Phase._advance

    def counted(self: Phase, *arguments: Any) -> None:
        advance(self, *arguments)
        made[0] += 1
        if made[0] == int(number):
            die()

    Phase._advance = counted  # type: ignore[method-assign]


def main() -> None:
    module, ranks, folder, plan = sys.argv[1], int(sys.argv[2]), sys.argv[3], Path(sys.argv[4])
    arguments = sys.argv[sys.argv.index("--") + 1 :]
    command = importlib.import_module(module)
    os.environ["DS_ACCELERATOR"] = "cpu"
    for name in PRELOADED:
        importlib.import_module(name)
    lives = []
    for place in [*json.loads(plan.read_text()), ""]:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        record = plan.with_name("record")
        record.with_suffix(".seen").unlink(missing_ok=True)
        pids = {}
        for rank in range(ranks):
            pid = os.fork()
            if pid == 0:
                place_of = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": ranks, "MASTER_PORT": port}
                os.environ |= {name: str(value) for name, value in place_of.items()} | {"MASTER_ADDR": "127.0.0.1"}
                output = os.open(plan.with_name(f"rank-{rank}.log"), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
                os.dup2(output, 1)
                os.dup2(output, 2)
                if len(place.split(" ")) == 2:
                    count_steps(place)
                elif rank == (1 if place.startswith("peer ") else 0):
                    watch(folder, place.removeprefix("peer "), record)
                sys.argv = [module, *arguments]
                run_command(command.main, lasting_status=os.EX_DATAERR)  # as the trainer does
                return
            pids[pid] = rank
        statuses = {}
        while pids:
            pid, status = os.wait()
            statuses[pids.pop(pid)] = os.waitstatus_to_exitcode(status)
            if status:  # as the launcher does, where one rank has died
                for other in pids:
                    os.kill(other, signal.SIGKILL)
        seen = record.with_suffix(".seen")
        did = seen.read_text().splitlines() if seen.exists() else []
        lives.append({"place": place, "statuses": [statuses[rank] for rank in range(ranks)], "did": did})
    print(json.dumps(lives))


if __name__ == "__main__":
    main()
