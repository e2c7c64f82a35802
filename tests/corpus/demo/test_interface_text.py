"""Text of a wheel's translations: each string once, what is translated only, parallel under the same name."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from common.errors import UserError
from corpus.demo.interface_text import interface, read_strings
from corpus.sources.readers import Document, read_documents
from workflow.dag import WHEEL

ROOT = Path(__file__).parents[3]
STRINGS = {
    "lamp": {
        "fi": {"title": "Lamppu", "error": {"failed": "Yhteys ei onnistu", "new": "Not translated"}},
        "sv": {"title": "Lampa", "error": {"failed": "Kan inte ansluta", "new": "Inte översatt"}},
        "en": {"title": "Lamp", "error": {"failed": "Failed to connect", "new": "Not translated"}},
    },
    "radio_set": {
        "fi": {"title": "Radio-vastaanotin", "error": {"failed": "Yhteys ei onnistu", "empty": " "}},
        "en": {"title": "Radio set", "error": {"failed": "Failed to connect", "empty": ""}},
    },
    "same": {"fi": {"error": "Yhteys ei onnistu"}, "en": {"error": "Failed to connect"}},
}


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    path = tmp_path / "a wheel.whl"
    with zipfile.ZipFile(path, "w") as content:
        for name, languages in reversed(STRINGS.items()):
            for language, strings in languages.items():
                place = f"homeassistant/components/{name}/translations/{language}.json"
                content.writestr(place, json.dumps(strings))
            content.writestr(f"homeassistant/components/{name}/manifest.json", "{}")
    return path


def test_strings_come_under_their_keys_without_empty_ones(wheel: Path) -> None:
    strings = read_strings(wheel, "fi")
    assert list(strings) == ["lamp", "radio_set", "same"]
    assert strings["radio_set"] == {"title": "Radio-vastaanotin", "error.failed": "Yhteys ei onnistu"}


def test_a_document_is_what_an_integration_says_that_none_before_it_said(wheel: Path) -> None:
    texts = {record["id"]: record["text"] for record in interface("fi", wheel)}
    assert texts == {"interface-fi-lamp": "Lamppu\nYhteys ei onnistu", "interface-fi-radio_set": "Radio-vastaanotin"}
    assert next(interface("en", wheel))["text"] == "Lamp\nFailed to connect\nNot translated"
    assert [record["language"] for record in interface("sv", wheel)] == ["sv"]


def test_what_is_no_such_wheel_is_told(tmp_path: Path, wheel: Path) -> None:
    (tmp_path / "cut.whl").write_bytes(wheel.read_bytes()[:100])
    with zipfile.ZipFile(tmp_path / "other.whl", "w") as content:
        content.writestr("other/components/lamp/translations/fi.json", "{}")
    for name, told in (("cut.whl", "delete it"), ("none.whl", "none.whl"), ("other.whl", "no interface in 'fi'")):
        with pytest.raises(UserError, match=told):
            list(interface("fi", tmp_path / name))


def test_the_command_wants_the_wheel_and_writes_the_same_bytes_each_time(tmp_path: Path, wheel: Path) -> None:
    command = [sys.executable, "-m", "corpus.demo.package_text", "interface-sv", "--output"]
    without = subprocess.run([*command, tmp_path / "x.jsonl.zst"], cwd=ROOT, capture_output=True, text=True)
    assert without.returncode == 1
    assert "--wheel" in without.stderr
    for name in ("a.jsonl.zst", "b.jsonl.zst"):
        subprocess.run([*command, tmp_path / name, "--wheel", wheel], cwd=ROOT, check=True)
    assert (tmp_path / "a.jsonl.zst").read_bytes() == (tmp_path / "b.jsonl.zst").read_bytes()
    (document,) = read_documents([tmp_path / "a.jsonl.zst"])
    assert isinstance(document, Document)
    assert document.text == "Lampa\nKan inte ansluta\nInte översatt"


def test_the_workflow_names_the_wheel_that_is_pinned() -> None:
    (pin,) = [line for line in (ROOT / "envs/text.txt").read_text().splitlines() if not line.startswith("#")]
    package, version = pin.split()[0].split("==")
    assert Path(WHEEL).name == f"{package}-{version}-py3-none-any.whl"
    assert "--hash=sha256:" in pin
