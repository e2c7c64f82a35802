"""Commands read and print UTF-8 in whatever locale they are called."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from common.files import read_json
from tests.workflow.test_whole_recipe import RECIPE, House

TITLE = "Дом и вода"


@pytest.fixture(scope="module")
def latin1(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return an environment of a locale that is not UTF-8."""
    folder = tmp_path_factory.mktemp("locale")
    command = ["localedef", "-i", "en_US", "-f", "ISO-8859-1", folder / "en_US"]
    if not shutil.which("localedef") or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("needs localedef and its description of en_US")
    names = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "PYTHON"))}
    return names | {"LOCPATH": str(folder), "LC_ALL": "en_US"}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    return House(tmp_path_factory.mktemp("latin1"))


def test_snakemake_reads_the_recipe_as_utf8_and_its_jobs_print_so(
    house: House, latin1: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in set(os.environ) - set(latin1):
        monkeypatch.delenv(name)
    for name, value in latin1.items():
        monkeypatch.setenv(name, value)
    (house.directory / "слово.jsonl").write_text('{"text": "дом"}\nсломано: "дом"\n', encoding="utf-8")
    source = RECIPE["sources"]["en"] | {"files": ["слово.jsonl"], "max_rejected": 0.5}
    recipe = RECIPE | {"title": TITLE, "sources": RECIPE["sources"] | {"en": source}}
    path = house.directory / "cyrillic.yaml"
    path.write_text(yaml.safe_dump(recipe, allow_unicode=True), encoding="utf-8")
    output = house.run(RECIPE, "--until", "sample", "--configfile", path)
    assert read_json(house.result("recipe/recipe.json"))["title"] == TITLE
    assert 'сломано: "дом"' in (house.directory / "logs" / "corpus" / "en.log").read_text(encoding="utf-8"), output


def test_alasin_prints_utf8(house: House, latin1: dict[str, str], tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(RECIPE | {"title": TITLE}, allow_unicode=True), encoding="utf-8")
    command = [sys.executable, "-m", "workflow.cli", "check", recipe]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, env=latin1 | {"PYTHONPATH": str(root)}, capture_output=True, check=False, cwd=root)
    assert TITLE in done.stdout.decode(), done.stderr
