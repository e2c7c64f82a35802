"""How the ranks of a job agree on MASTER_PORT.

Rank 0 reserves a port for the life of the job and publishes it in a file of the job; the others wait for that file.
"""

from __future__ import annotations

import socket
import time
from pathlib import Path

from common.errors import UserError
from common.files import read_json, write_json
from common.processes import Received


def reserve_port() -> socket.socket:
    """Return a socket bound to a free port and not listening.

    While it is open the kernel gives the port to nobody who asks for any free one, yet a server that sets SO_REUSEADDR,
    as torch's TCPStore does, can still bind it by number and listen (socket(7)).
    """
    reservation = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reservation.bind(("", 0))
    return reservation


def publish(path: Path, port: int) -> None:
    """Tell the other ranks of the job the port."""
    write_json(path, {"port": port})


def await_port(path: Path, received: Received, timeout: float = 60.0) -> int | None:
    """Wait for rank 0 to publish its port and return it, or None if a signal is received before.

    Raises `UserError` if it takes more than `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    while not path.exists():
        if received.signals:
            return None
        if time.monotonic() > deadline:
            raise UserError(f"rank 0 did not start within {timeout:.0f} s ({path} was not written); see its log.")
        time.sleep(0.05)
    return int(read_json(path)["port"])
