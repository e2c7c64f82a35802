"""A file of the hub comes here once, however often it is asked for and the connection breaks.

It lies where its checksum says, so that what is there is whole and right, of whatever revision it was. What is half
there, `.{name}.part`, grows until it is whole; the bytes that are there are read again, for the checksum, and not
fetched. Two that fetch the same file wait for each other.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event

from huggingface_hub import HfFileSystem

from common.errors import UserError
from common.files import full_disk_names
from common.locks import try_lock
from corpus.hub.files import HubFile
from corpus.hub.listing import asking
from recipe.hub import Address

BLOCK_BYTES = 2**25
"""Of one request. What is half written when the connection breaks is asked for again."""
CHECKSUM_CHARACTERS = 20
"""Of the checksum, in the name of a folder."""
WAIT_SECONDS = 1.0


def place_of(file: HubFile, folder: Path) -> Path:
    """Return where a file is kept below a folder."""
    return folder / "datasets" / file.repository / file.checksum[:CHECKSUM_CHARACTERS] / Path(file.name).name


class StoppedError(Exception):
    """Another file could not be fetched, so that this one need not be."""


def fetch(file: HubFile, folder: Path, hub: HfFileSystem, stopped: Event) -> Path:
    """Return where a file is, after it was fetched if it was not there.

    Raises:
        UserError: the hub is out of reach, or gives other bytes than it says.
        StoppedError: `stopped` was set; what is there stays.
    """
    path = place_of(file, folder)
    lock_path = path.with_name(f".{path.name}.lock")
    while not path.exists():
        if lock := try_lock(lock_path):
            try:
                _fetch(file, path, hub, stopped)
            finally:
                lock.release()
        else:
            time.sleep(WAIT_SECONDS)
    return path


def _fetch(file: HubFile, path: Path, hub: HfFileSystem, stopped: Event) -> None:
    staged = path.with_name(f".{path.name}.part")
    resumed = staged.exists()
    if _digest_of_all(file, staged, hub, stopped) != file.checksum:
        staged.unlink()
        # What a killed process left may have been of a damaged disk: once more, from the beginning.
        if not resumed or _digest_of_all(file, staged, hub, stopped) != file.checksum:
            staged.unlink(missing_ok=True)
            raise UserError(
                f"{file.name} of data set {file.repository} came with another checksum than the hub tells; run the "
                "same again, and if that does not help, ask those who keep the data set."
            )
    staged.replace(path)


def _digest_of_all(file: HubFile, staged: Path, hub: HfFileSystem, stopped: Event) -> str:
    """Fetch what is missing of a file; return the checksum of what is there then."""
    digest = hashlib.sha256() if file.sha256 else hashlib.sha1(b"blob %d\0" % file.bytes, usedforsecurity=False)
    with full_disk_names(staged), open(staged, "a+b") as sink:
        if sink.tell() > file.bytes:
            sink.truncate(0)
        sink.seek(0)
        while block := sink.read(BLOCK_BYTES):
            digest.update(block)
        if sink.tell() < file.bytes:
            for block in _blocks(file, sink.tell(), hub):
                if stopped.is_set():
                    raise StoppedError
                sink.write(block)
                sink.flush()
                digest.update(block)
    return digest.hexdigest()


def _blocks(file: HubFile, start: int, hub: HfFileSystem) -> Iterator[bytes]:
    """Yield a file from byte `start` on."""
    address = Address(file.repository, file.commit, file.name)
    # One request a block, which is asked for again when the connection breaks.
    with asking(address), hub.open(file.remote, "rb", cache_type="none") as stream:
        stream.seek(start)
        while block := stream.read(BLOCK_BYTES):
            yield block
