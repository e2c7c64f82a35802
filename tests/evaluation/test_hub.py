"""What the hub refuses is an error, what is out of reach is told: by the kinds of errors of its libraries."""

import os
from types import SimpleNamespace

import pytest
from huggingface_hub import constants
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError

from common.errors import UserError
from evaluation.hub import HubAbsentError, leave_the_hub, needing_the_hub


def answered(status: int, kind: type[HfHubHTTPError] = HfHubHTTPError) -> HfHubHTTPError:
    response = SimpleNamespace(status_code=status, headers={}, request=None)
    return kind("no", response=response)  # type: ignore[arg-type]  # the fields that it reads


@pytest.mark.parametrize(
    "error",
    [
        ConnectionError("Couldn't reach it"),
        TimeoutError("too slow"),
        LocalEntryNotFoundError("not kept"),
        answered(503),
        answered(429),
        ValueError("Couldn't find cache for a for config 'b'"),
    ],
)
def test_a_hub_out_of_reach_is_told_as_such(error: Exception) -> None:
    with pytest.raises(HubAbsentError, match="SciFact needs the hub"), needing_the_hub("SciFact"):
        raise error
    wrapped = OSError("wrapped")
    wrapped.__cause__ = error
    with pytest.raises(HubAbsentError), needing_the_hub("SciFact"):
        raise wrapped


@pytest.mark.parametrize("error", [answered(404, RepositoryNotFoundError), answered(403), ValueError("no such part")])
def test_a_hub_that_refuses_is_an_error(error: Exception) -> None:
    with pytest.raises(UserError, match="SciFact did not come from the hub") as told, needing_the_hub("SciFact"):
        raise error
    assert not isinstance(told.value, HubAbsentError)


def test_whoever_leaves_the_hub_asks_it_for_nothing_more_nor_do_its_children() -> None:
    leave_the_hub()
    assert constants.HF_HUB_OFFLINE
    assert os.environ["HF_HUB_OFFLINE"] == "1"


def test_the_next_test_of_the_same_process_does_not_inherit_that() -> None:
    assert not constants.HF_HUB_OFFLINE
    assert "HF_HUB_OFFLINE" not in os.environ
