"""Files of the hub come here once, whole and right, whatever happens on the way; tokens are told nobody."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from common.files import read_json
from tests.corpus.hub.server import Hub, serving

ROOT = Path(__file__).parents[3]
OLD, NEW = "a" * 40, "b" * 40
SMALL = b'{"text": "pieni"}\n'
LARGE = b"".join(hashlib.sha256(b"%d" % n).digest() for n in range(320))
BLOCK = 1000
COMMAND = f"import corpus.hub.fetching as f, corpus.hub.__main__ as m; f.BLOCK_BYTES = {BLOCK}; m.run_command(m.main)"


class Fetching:
    """A directory that files are fetched into from a hub."""

    def __init__(self, hub: Hub, place: Path) -> None:
        self.hub, self.place = hub, place
        self.list = place / "list.json"

    def start(self, *addresses: str, **environment: str) -> subprocess.Popen[str]:
        """Start the command, without a token and with an endpoint, unless they are given."""
        (self.place / "slice.json").write_text(json.dumps({"files": addresses}))
        arguments = ["--slice", "slice.json", "--folder", "text", "--output", "list.json"]
        variables = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
        variables |= {"HF_ENDPOINT": self.hub.endpoint, "HF_HOME": str(self.place / "home"), "PYTHONPATH": str(ROOT)}
        return subprocess.Popen(
            [sys.executable, "-c", COMMAND, *arguments],
            cwd=self.place,
            env=variables | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *addresses: str, **environment: str) -> tuple[int, str]:
        """Run it to its end; return its status and all that it said."""
        process = self.start(*addresses, **environment)
        said, _ = process.communicate(timeout=60)
        return process.returncode, said

    def listed(self) -> list[tuple[str, str, bytes]]:
        """Return (name, commit, content here) of each file on the list."""
        entries: list[dict[str, Any]] = read_json(self.list)["files"]
        return [(one["name"], one["commit"], (self.place / one["path"]).read_bytes()) for one in entries]


@pytest.fixture
def fetching(tmp_path: Path) -> Iterator[Fetching]:
    """A hub with two commits of a data set, and a directory."""
    old = {"fi/1.jsonl": SMALL, "fi/2.jsonl": LARGE, "sv/1.jsonl": b"{}"}
    hub = Hub(commits={OLD: old, NEW: old | {"fi/3.jsonl": SMALL + SMALL}}, revisions={"main": OLD, "refs/pr/1": NEW})
    with serving(hub):
        yield Fetching(hub, tmp_path)


FINNISH = "hf://datasets/org/set/fi/*.jsonl"


def test_what_a_pattern_names_is_fetched_and_listed_with_its_commit(fetching: Fetching) -> None:
    status, said = fetching.run(FINNISH)
    assert status == 0, said
    assert fetching.listed() == [("fi/1.jsonl", OLD, SMALL), ("fi/2.jsonl", OLD, LARGE)]
    assert fetching.hub.fetched("fi/2.jsonl") == len(LARGE)
    assert not fetching.hub.fetched("sv/1.jsonl")


def test_nothing_is_fetched_twice_and_of_a_new_commit_only_what_is_new(fetching: Fetching) -> None:
    assert fetching.run(FINNISH)[0] == 0
    asked = len(fetching.hub.asked)
    assert fetching.run("hf://datasets/org/set@refs%2Fpr%2F1/**/*.jsonl")[0] == 0
    assert sorted(path for path, _, _ in fetching.hub.asked[asked:]) == ["fi/3.jsonl", "sv/1.jsonl"]
    assert [(name, commit) for name, commit, _ in fetching.listed()] == [
        (name, NEW) for name in ("fi/1.jsonl", "fi/2.jsonl", "fi/3.jsonl", "sv/1.jsonl")
    ]


def test_a_connection_that_breaks_is_taken_up(fetching: Fetching) -> None:
    fetching.hub.cuts = [300]
    status, said = fetching.run("hf://datasets/org/set/fi/2.jsonl")
    assert status == 0, said
    assert fetching.listed() == [("fi/2.jsonl", OLD, LARGE)]
    assert fetching.hub.fetched("fi/2.jsonl") == len(LARGE) + BLOCK


def test_a_fetch_that_was_killed_goes_on_where_it_was(fetching: Fetching) -> None:
    fetching.hub.slow_seconds = 0.1
    process = fetching.start("hf://datasets/org/set/fi/2.jsonl")
    while len(fetching.hub.asked) < 4:
        assert process.poll() is None
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    (part,) = fetching.place.rglob("*.part")
    there = part.stat().st_size
    assert 0 < there < len(LARGE)
    assert not fetching.list.exists()
    fetching.hub.slow_seconds, fetching.hub.asked = 0.0, []
    assert fetching.run("hf://datasets/org/set/fi/2.jsonl")[0] == 0
    assert fetching.hub.asked[0][1] == there
    assert fetching.hub.fetched("fi/2.jsonl") == len(LARGE) - there
    assert fetching.listed() == [("fi/2.jsonl", OLD, LARGE)]


def test_half_a_file_that_is_damaged_is_fetched_anew(fetching: Fetching) -> None:
    assert fetching.run("hf://datasets/org/set/fi/2.jsonl")[0] == 0
    (whole,) = (fetching.place / "text").rglob("2.jsonl")
    whole.rename(whole.with_name(".2.jsonl.part"))
    whole.with_name(".2.jsonl.part").write_bytes(b"?" + LARGE[1:-5])
    assert fetching.run("hf://datasets/org/set/fi/2.jsonl")[0] == 0
    assert fetching.listed() == [("fi/2.jsonl", OLD, LARGE)]


@pytest.mark.parametrize(("path", "lie"), [("fi/1.jsonl", SMALL[::-1]), ("fi/2.jsonl", LARGE[::-1])])
def test_another_checksum_is_an_error_and_leaves_nothing(fetching: Fetching, path: str, lie: bytes) -> None:
    fetching.hub.lies = {path: lie}
    status, said = fetching.run(f"hf://datasets/org/set/{path}")
    assert status == 1
    assert f"error: {path} of data set org/set came with another checksum than the hub tells" in said
    assert not fetching.list.exists()
    assert not [one for one in (fetching.place / "text").rglob("*") if one.is_file() and one.suffix != ".lock"]


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("hf://datasets/org/none/x", "has no data set org/none"),
        ("hf://datasets/org/set@v9/x", "data set org/set has no revision v9"),
        ("hf://datasets/org/set/no/*.x", "no file of data set org/set matches no/*.x"),
    ],
)
def test_what_is_not_there_is_told_in_one_sentence(fetching: Fetching, address: str, told: str) -> None:
    status, said = fetching.run(address)
    assert status == 1
    assert told in said.splitlines()[-1]
    assert "Traceback" not in said


def test_a_hub_out_of_reach_is_told_with_what_to_do(fetching: Fetching) -> None:
    status, said = fetching.run(FINNISH, HF_HUB_OFFLINE="1")
    assert status == 1
    assert "error: the hub (127.0.0.1) is out of reach, and data set org/set is not all here; run the same" in said
    assert "Traceback" not in said


def test_a_token_opens_what_is_closed_and_is_nowhere_to_be_read(fetching: Fetching) -> None:
    token = "hf_" + "s" * 34
    fetching.hub.token = token
    status, said = fetching.run(FINNISH, HF_TOKEN="hf_wrong")
    assert status == 1
    assert "does not give data set org/set to everybody" in said
    assert "hf_wrong" not in said
    fetching.hub.cuts = [5]
    status, said = fetching.run(FINNISH, HF_TOKEN=token)
    assert status == 0, said
    written = [path.read_bytes() for path in fetching.place.rglob("*") if path.is_file()]
    assert not any(token.encode() in content for content in [said.encode(), *written])
