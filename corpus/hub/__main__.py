"""Stage: files of data sets on the Hugging Face hub come here: `python -m corpus.hub`."""

from __future__ import annotations

import argparse
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from threading import Event

from huggingface_hub import HfFileSystem

from common.errors import run_command
from corpus.hub.fetching import StoppedError, fetch
from corpus.hub.files import HubFile
from corpus.hub.listing import commit_of, files_of
from corpus.hub.lists import write_list
from recipe.hub import address_of
from recipe.slices.files import read_slice
from recipe.slices.types import HubSlice

AT_ONCE = 4
"""Files that are fetched at a time: what one connection gives is often the limit."""


def _files(addresses: list[str], hub: HfFileSystem) -> list[tuple[str, HubFile]]:
    """Return each address with each of its files, all of a revision of a data set at one commit."""
    commits: dict[tuple[str, str], str] = {}
    found = []
    for text in addresses:
        address = address_of(text)
        key = address.repository, address.revision
        if key not in commits:
            commits[key] = commit_of(address)
            print(f"{address.repository} at {address.revision} is commit {commits[key]}", flush=True)
        found += [(text, file) for file in files_of(address, commits[key], hub)]
    return found


def main() -> None:
    """Run the stage from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m corpus.hub",
        description="Fetch files of data sets from the hub, each once, and check them. Run again, it goes on.",
    )
    parser.add_argument("--slice", type=Path, required=True, help="JSON slice of the addresses, from the recipe")
    parser.add_argument("--folder", type=Path, required=True, help="folder below which the files are kept")
    parser.add_argument("--output", type=Path, required=True, help="list of the files, written when all are there")
    arguments = parser.parse_args()
    hub = HfFileSystem()
    found = _files(read_slice(arguments.slice, HubSlice).files, hub)
    total = sum({file.checksum: file.bytes for _, file in found}.values())
    print(f"{len(found)} file(s) of {total / 1e9:,.2f} GB", flush=True)

    places = _fetched(found, arguments.folder, hub)
    write_list(arguments.output, [(*item, place) for item, place in zip(found, places, strict=True)])


def _fetched(found: list[tuple[str, HubFile]], folder: Path, hub: HfFileSystem) -> list[Path]:
    """Fetch some files at a time; return where each is. The first error stops all."""
    stopped = Event()

    def one(item: tuple[str, HubFile]) -> Path:
        try:
            place = fetch(item[1], folder, hub, stopped)
        except BaseException:
            stopped.set()
            raise
        print(f"  {item[1].name} is {place}", flush=True)
        return place

    with ThreadPoolExecutor(AT_ONCE) as pool:
        futures = [pool.submit(one, item) for item in found]
        try:
            errors = [error for future in as_completed(futures) if (error := future.exception())]
        finally:
            stopped.set()
    if errors:
        raise next((error for error in errors if not isinstance(error, StoppedError)), errors[0])
    return [future.result() for future in futures]


if __name__ == "__main__":
    run_command(main)
