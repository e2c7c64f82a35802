"""What an evaluation takes from the Hugging Face hub, and the word that it leaves where the hub is out of reach.

A run of a month is not lost for a data set that could not be fetched: the evaluation leaves a result that says so, all
else goes on, and once it is deleted the same command measures again.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import shorten
from typing import Any

from common.errors import UserError
from common.files import write_json
from corpus.hub.reach import out_of_reach
from evaluation.results import FORMAT


class HubAbsentError(UserError):
    """Something is neither kept on this machine nor within reach on the hub."""


@contextmanager
def needing_the_hub(what: str) -> Iterator[None]:
    """Turn the errors of whoever fetches `what` from the hub into one sentence.

    Raises:
        HubAbsentError: the hub is out of reach and what is kept below HF_HOME does not do.
        UserError: the hub answered, and what is asked for is not there or cannot be read.
    """
    try:
        yield
    except (OSError, ValueError) as error:
        reason = shorten(str(error) or type(error).__name__, 100, placeholder=" ...").rstrip(".")
        if _is_absent(error):
            raise HubAbsentError(
                f"{what} needs the hub, which is out of reach, and is not kept below HF_HOME ({reason}); fetch it once "
                "where there is a network, with HF_HOME on a disk that both see."
            ) from None
        raise UserError(f"{what} did not come from the hub ({reason}); mend its name, or ask for access.") from None


def _is_absent(error: BaseException | None) -> bool:
    """Tell an absent hub, or `datasets` offline which keeps another part of the data set, from a hub that refuses."""
    absent = out_of_reach(error)
    while error is not None and not absent:
        absent = "Couldn't find cache for" in str(error)
        error = error.__cause__ or error.__context__
    return absent


def leave_the_hub() -> None:
    """Ask the hub for nothing from here on: all else is here, and without a network each question is waited for.

    Libraries read the variable when they are imported; this one may have been before.
    """
    from huggingface_hub import constants

    os.environ["HF_HUB_OFFLINE"] = "1"
    constants.HF_HUB_OFFLINE = True


def write_unmeasured(path: Path, reason: str, **facts: Any) -> None:
    """Write the result of what could not be measured, and tell it."""
    write_json(path, {"format": FORMAT, "unmeasured": reason, **facts})
    print(f"not measured: {reason}")
