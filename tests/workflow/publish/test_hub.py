"""A model goes to the hub once, whole, whatever happens on the way; tokens are told nobody."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import metadata_load

from common.files import read_json
from tests.loopback import serving
from tests.workflow.publish.conftest import Publishing
from tests.workflow.publish.hub_server import Handler, Hub

TO = ("--to", "org/name")


@pytest.fixture
def hub() -> Iterator[Hub]:
    hub = Hub()
    with serving(Handler, hub=hub) as hub.port:
        yield hub


@pytest.fixture
def publishing(hub: Hub, published: Path, tmp_path: Path) -> Publishing:
    return Publishing(published, tmp_path, HF_ENDPOINT=hub.endpoint, HF_TOKEN=hub.token)


def test_model_and_card_are_sent_once_and_the_checkpoint_is_a_revision(
    hub: Hub, publishing: Publishing, tmp_path: Path
) -> None:
    status, said = publishing.run(*TO, "--checkpoints", "step-40")
    assert status == 0, said
    assert said.startswith("to org/name: 6 files and 1 checkpoint, ")
    main, branch = hub.branches["main"], hub.branches["step-00000040"]
    model = publishing.folder / "results/models/small"
    assert set(main) == {path.name for path in model.iterdir()} == set(branch)
    assert {name for name in main if main[name] != (model / name).read_bytes()} == {"README.md"}
    assert b'directory = "org/name"\n' in main["README.md"]
    (tmp_path / "README.md").write_bytes(branch["README.md"])
    assert metadata_load(tmp_path / "README.md")["library_name"] == "transformers"
    assert b"small, step 40" in branch["README.md"]
    assert b"exp_avg" not in branch["model.safetensors"]
    (tmp_path / "config.json").write_bytes(branch["config.json"])
    config = read_json(tmp_path / "config.json")
    assert (config["max_position_embeddings"], config["global_rope_theta"]) == (128, 10_000.0)
    assert not (publishing.folder / "results/publish/small").exists()
    sent = list(hub.sent)
    status, said = publishing.run(*TO, "--checkpoints", "all")
    assert (status, said.count("there already")) == (0, 2)
    assert (hub.sent, hub.commits) == (sent, ["main", "step-00000040"])
    assert hub.token not in said


def test_a_dry_run_says_what_it_would_send_and_sends_nothing(hub: Hub, publishing: Publishing) -> None:
    status, said = publishing.run(*TO, "--dry-run", "--checkpoints", "40")
    assert status == 0
    assert "model.safetensors\n" in said
    assert "step-00000040, of phase stable: its weights" in said
    assert said.endswith("nothing was sent\n")
    assert not hub.branches


def test_a_file_that_breaks_off_and_a_busy_hub_are_tried_again(hub: Hub, publishing: Publishing) -> None:
    hub.cuts, hub.busy = [100], 1
    status, said = publishing.run(*TO)
    assert status == 0, said
    assert "out of reach; once more in" in said
    assert hub.commits == ["main"]
    assert "signature" not in said


def test_killed_in_the_middle_the_same_command_ends_it(hub: Hub, publishing: Publishing) -> None:
    hub.stuck = threading.Event()
    process = publishing.start(*TO, "--checkpoints", "40")
    assert hub.stuck.wait(60)
    process.kill()
    said, _ = process.communicate()
    hub.stuck = None
    status, more = publishing.run(*TO, "--checkpoints", "40")
    assert status == 0, more
    assert hub.commits == ["main", "step-00000040"]
    assert hub.token not in said + more


def test_what_only_the_card_changes_sends_no_weights(hub: Hub, publishing: Publishing) -> None:
    assert publishing.run(*TO)[0] == 0
    hub.branches["main"]["README.md"] += b"\nmore\n"
    status, said = publishing.run(*TO)
    assert (status, len(hub.sent), hub.commits) == (0, 1, ["main", "main"])
    assert "sending 1 files" in said


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({"HF_TOKEN": ""}, "there is no token that may write to org/name; let HF_TOKEN be one"),
        ({"HF_TOKEN": "hf_of_another"}, "does not let this token write to org/name"),
        ({"HF_ENDPOINT": "http://127.0.0.1:9"}, "is out of reach. What was sent is kept there"),
        ({"HF_HUB_OFFLINE": "1"}, "is out of reach. What was sent is kept there"),
    ],
)
def test_who_may_not_write_is_told_so_in_a_sentence(
    publishing: Publishing, environment: dict[str, str], told: str
) -> None:
    publishing.environment |= environment
    status, said = publishing.run(*TO)
    assert status == 1
    assert told in said.splitlines()[-1]
    assert "Traceback" not in said
    assert not [token for token in ("hf_of_another", "hf_secret_of_nobody") if token in said]


def test_what_goes_wrong_in_the_hubs_own_protocol_for_large_files_is_a_sentence(
    hub: Hub, publishing: Publishing
) -> None:
    publishing.environment["HF_HUB_DISABLE_XET"] = "0"
    status, said = publishing.run(*TO)
    assert status == 1
    assert "is out of reach. What was sent is kept there" in said.splitlines()[-1]
    assert "Traceback" not in said
    assert hub.token not in said
    assert not hub.commits


def test_a_card_that_the_hub_refuses_is_told_and_nothing_is_sent(hub: Hub, publishing: Publishing) -> None:
    hub.complaint = f"license is not one of ours, {hub.token}"
    status, said = publishing.run(*TO)
    assert status == 1
    assert "does not take it: Invalid metadata in README.md. - license is not one of ours, ***." in said
    assert not hub.sent
    assert hub.token not in said


def test_a_public_repository_is_not_taken_for_a_private_one(hub: Hub, publishing: Publishing) -> None:
    status, said = publishing.run(*TO, "--private")
    assert status == 0, said
    assert hub.private
    hub.private = False
    status, said = publishing.run(*TO, "--private")
    assert (status, "org/name is there and public" in said) == (1, True)
