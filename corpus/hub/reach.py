"""Whether the hub is out of reach, or answered that something is not to be had."""

from __future__ import annotations

TOO_BUSY = 429
"""The hub's status for too many requests; from 500 on it is its own failure."""


def out_of_reach(error: BaseException | None) -> bool:
    """Tell an absent hub from one that refuses; libraries wrap what happened, some of them twice."""
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    while error is not None:
        if isinstance(error, ConnectionError | TimeoutError | LocalEntryNotFoundError | httpx2.TransportError):
            return True
        if isinstance(error, HfHubHTTPError):
            status = error.response.status_code
            return status == TOO_BUSY or status >= 500
        error = error.__cause__ or error.__context__
    return False
