"""A message goes out by a command of the person's, and nothing that is told becomes a part of that command."""

import re
import time
from pathlib import Path

import pytest

from common.messages import COMMAND, Message, send

MESSAGE = Message("failed", "large/stable\nBcc: all $(touch caught)", "what is wrong: `touch caught`\n", Path("/a log"))


def test_the_text_comes_on_standard_input_and_the_rest_in_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(COMMAND, 'cat > text; printf "%s|" "$ALASIN_STATUS" "$ALASIN_SUBJECT" "$ALASIN_LOG" > rest')
    assert send(MESSAGE) == ""
    assert Path("text").read_text() == "what is wrong: `touch caught`\n"
    assert Path("rest").read_text() == "failed|large/stable Bcc: all $(touch caught)|/a log|"
    assert not Path("caught").exists()


@pytest.mark.parametrize("command", ["", "  "])
def test_without_a_command_nothing_is_sent(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(COMMAND, command)
    assert send(MESSAGE) == ""


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("echo first; echo no such host >&2; exit 7", r"ended with status 7 \(no such host\)"),
        ("no-such-program", r"ended with status 127 \(.*not found\)"),
        ("exit 1", "ended with status 1;"),
    ],
)
def test_a_command_that_fails_is_one_sentence(command: str, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(COMMAND, command)
    said = send(MESSAGE)
    assert re.search(f"^no message was sent, for its command {why}", said)
    assert "\n" not in said


def test_a_command_that_hangs_is_ended_with_all_that_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(COMMAND, "(sleep 0.6; touch later) & sleep 60")
    assert "took longer than 0.2 s and was ended" in send(MESSAGE, seconds=0.2)
    time.sleep(0.8)
    assert not Path("later").exists()


def test_a_command_that_reads_nothing_and_leaves_a_child_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(COMMAND, "sleep 1 & exit 0")
    assert send(Message("done", "s", "x" * 1_000_000, Path("l"))) == ""
