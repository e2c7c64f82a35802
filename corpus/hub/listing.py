"""Which files an address on the hub names, as of one commit, and the checksum that the hub tells of each."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, cast
from urllib.parse import urlsplit

from huggingface_hub import HfApi, HfFileSystem, constants
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError

from common.errors import UserError
from corpus.hub.files import HubFile
from corpus.hub.reach import out_of_reach
from recipe.hub import Address

_CHECKSUM = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")
REFUSED = (401, 403)
"""Statuses of what a token would open, or another one."""


def commit_of(address: Address) -> str:
    """Return the commit that a revision is now.

    Raises:
        UserError: there is no such data set or revision for whoever asks, or the hub is out of reach.
    """
    with asking(address):
        info = HfApi().dataset_info(address.repository, revision=address.revision, files_metadata=False)
    return str(info.sha)


def files_of(address: Address, commit: str, hub: HfFileSystem) -> list[HubFile]:
    """Return the files that an address names at a commit, sorted by name.

    Raises:
        UserError: there are none, or the hub is out of reach.
    """
    root = f"datasets/{address.repository}@{commit}/"
    found: dict[str, Any] = {}
    # The commit is known to be there, so that what is not found is the path.
    with asking(address), suppress(FileNotFoundError):
        found = cast("dict[str, Any]", hub.glob(root + address.pattern, detail=True))
    files = [
        HubFile(
            address.repository,
            commit,
            path.removeprefix(root),
            entry["size"],
            entry["lfs"]["sha256"] if entry.get("lfs") else None,
            entry["blob_id"],
        )
        for path, entry in sorted(found.items())
        if entry["type"] == "file"
    ]
    if strange := next((file for file in files if not _is_sane(file)), None):
        raise UserError(f"the hub ({_host()}) lists {strange.name!r} with checksum {strange.checksum!r}; it is no hub.")
    if not files:
        raise UserError(
            f"no file of data set {address.repository} matches {address.pattern}; mend `files` in the recipe."
        )
    return files


def _is_sane(file: HubFile) -> bool:
    """Tell whether a file may be given a place by what the hub says of it."""
    return _CHECKSUM.fullmatch(file.checksum) is not None and ".." not in file.name.split("/")


@contextmanager
def asking(address: Address) -> Iterator[None]:
    """Turn the errors of whoever asks the hub for a data set into one sentence, without what libraries say.

    Raises:
        UserError: the hub is out of reach, or refuses.
    """
    what = f"data set {address.repository}"
    try:
        yield
    except Exception as error:
        if out_of_reach(error):
            raise UserError(
                f"the hub ({_host()}) is out of reach, and {what} is not all here; run the same again where there is a "
                "network: what was fetched is kept. Or copy the files here and name their paths in `files`."
            ) from None
        cause = next((one for one in (error, error.__cause__) if isinstance(one, HfHubHTTPError)), None)
        if isinstance(cause, RevisionNotFoundError):
            raise UserError(f"{what} has no revision {address.revision}; mend `files` in the recipe.") from None
        if isinstance(cause, GatedRepoError) or (cause and cause.response.status_code in REFUSED):
            raise UserError(
                f"the hub ({_host()}) does not give {what} to everybody; ask for access on its page, and let HF_TOKEN "
                "be a token of who has it, or log in with `hf auth login`."
            ) from None
        if isinstance(cause, RepositoryNotFoundError) or isinstance(error, FileNotFoundError):
            raise UserError(
                f"the hub ({_host()}) has no {what}, or none that is yours to see; mend its name."
            ) from None
        raise


def _host() -> str:
    """Return the hub's host, without what else an endpoint may hold."""
    return urlsplit(constants.ENDPOINT).hostname or os.environ.get("HF_ENDPOINT", "")
