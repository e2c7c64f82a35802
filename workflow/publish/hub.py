"""The Hugging Face hub as a place to publish: a commit for the model, a branch and a commit for each checkpoint.

`huggingface_hub` sends large files first and names them in a commit last, so that the repository is never half of
something. What a broken attempt has sent is kept there and not sent again. The token is the library's affair, from
HF_TOKEN or `hf auth login`; nothing that the library says reaches the terminal, for it may hold signed addresses.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from logging import ERROR
from textwrap import shorten
from typing import Any, TypeVar
from urllib.parse import urlsplit

from common.errors import UserError
from corpus.hub.reach import out_of_reach
from workflow.publish.destination import Repository
from workflow.publish.parts import File, Part

TRIES = 4
WAIT_SECONDS = 5.0
"""Before the second try; then twice as long, and so on."""
REFUSED = (401, 403)
Result = TypeVar("Result")


class HubStore:
    """A repository of models on the hub."""

    def __init__(self, repository: Repository, private: bool, say: Callable[[str], None]) -> None:
        """Take the library's token and endpoint; nothing is asked yet.

        Raises:
            UserError: there is no token.
        """
        from huggingface_hub import HfApi, constants, get_token, logging
        from huggingface_hub.utils.tqdm import disable_progress_bars

        logging.set_verbosity(ERROR)  # its warnings name addresses with signatures in them
        if not sys.stderr.isatty():
            disable_progress_bars()
        self._name, self._private, self._say = repository.name, private, say
        self._token = get_token()
        if not self._token:
            raise UserError(
                f"there is no token that may write to {self._name}; let HF_TOKEN be one, or log in with "
                "`hf auth login`, and run the same command again."
            )
        place = urlsplit(constants.ENDPOINT)
        self._host = place.hostname or "HF_ENDPOINT"
        self._page = f"{place.scheme}://{self._host}{f':{place.port}' if place.port else ''}/{self._name}"
        self._hub = HfApi(token=self._token)

    def prepare(self) -> None:
        """Make the repository if it is not there."""
        with self._asking():
            self._trying(lambda: self._hub.create_repo(self._name, private=self._private or None, exist_ok=True))
            # One that was there keeps what it was.
            if self._private and not self._trying(lambda: self._hub.repo_info(self._name)).private:
                raise UserError(
                    f"{self._name} is there and public; make it private on its page, or leave --private out."
                )

    def missing(self, part: Part) -> list[File]:
        """Return the files of a part that its revision does not hold with the same checksum."""
        from huggingface_hub.errors import RevisionNotFoundError

        names = [file.name for file in part.files]
        with self._asking():
            try:
                told = self._trying(lambda: self._hub.get_paths_info(self._name, names, revision=part.checkpoint))
            except RevisionNotFoundError:
                return list(part.files)
        there = {one.path: one for one in told}
        return [file for file in part.files if not _is_same(file, there.get(file.name))]

    def send(self, part: Part, files: Sequence[File]) -> None:
        """Send files in one commit, on a branch of its own for a checkpoint."""
        from huggingface_hub import CommitOperationAdd

        def commit() -> None:
            added = [CommitOperationAdd(file.name, file.path) for file in files]
            message = f"Checkpoint {part.checkpoint}" if part.checkpoint else "Model and card"
            self._hub.create_commit(self._name, added, commit_message=message, revision=part.checkpoint)

        with self._asking():
            if branch := part.checkpoint:
                self._trying(lambda: self._hub.create_branch(self._name, branch=branch, exist_ok=True))
            self._trying(commit)

    def address(self, part: Part) -> str:
        """Return the address of a part's page."""
        return self._page + (f"/tree/{part.checkpoint}" if part.checkpoint else "")

    def _trying(self, act: Callable[[], Result]) -> Result:
        """Do something, and again after a while if the hub was out of reach."""
        for attempt in range(TRIES - 1):
            try:
                return act()
            except Exception as error:
                if not out_of_reach(error):
                    raise
            wait = WAIT_SECONDS * 2**attempt
            self._say(f"the hub ({self._host}) is out of reach; once more in {wait:g} s")
            time.sleep(wait)
        return act()

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Turn errors into one sentence, without what libraries say."""
        from huggingface_hub.errors import HfHubHTTPError

        try:
            yield
        except UserError:
            raise
        except Exception as error:
            if out_of_reach(error):
                raise UserError(
                    f"the hub ({self._host}) is out of reach. What was sent is kept there; run the same command again "
                    "where there is a network."
                ) from None
            if isinstance(error, HfHubHTTPError):
                status = error.response.status_code
                if status in REFUSED:
                    raise UserError(
                        f"the hub ({self._host}) does not let this token write to {self._name}; let HF_TOKEN be one "
                        "with write access there, and run the same command again."
                    ) from None
                raise UserError(
                    f"the hub ({self._host}) refuses {self._name} with status {status}; see whether its name is right, "
                    "and run the same command again."
                ) from None
            if isinstance(error, ValueError):  # the library's form for a card or a name that is refused
                reason = shorten(str(error).replace(str(self._token), "***"), 200, placeholder=" ...")
                raise UserError(f"the hub ({self._host}) does not take it: {reason.rstrip('.')}.") from None
            # Of hf_xet, which sends large files; an error of a file here names it.
            if isinstance(error, RuntimeError) or (isinstance(error, OSError) and error.filename is None):
                raise UserError(
                    f"sending to the hub ({self._host}) broke off ({type(error).__name__}); run the same command "
                    "again: what is there is not sent once more."
                ) from None
            raise


def _is_same(file: File, there: Any) -> bool:
    if there is None or there.size != file.bytes:
        return False
    return bool(there.lfs.sha256 == file.sha256 if there.lfs else there.blob_id == file.git_id)
