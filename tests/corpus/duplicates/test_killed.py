"""Stages that compare documents, killed at each write or on a full disk: what follows is as if it never was."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from recipe.duplicates import Duplicates
from tests.corpus.duplicates.compared import Corpus, prose

KILLED = """
import os, runpy, signal, sys
left = [int(sys.argv.pop(1))]
def replace(*names, real=os.replace, **options):
    left[0] -= 1
    left[0] >= 0 or os.kill(os.getpid(), signal.SIGKILL)
    return real(*names, **options)
os.replace = replace
runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
"""
FULL = """
import resource, runpy, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv.pop(1)),) * 2)
runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
"""


def arguments(corpus: Corpus, stage: str) -> list[str]:
    place, documents = corpus.folder / "duplicates", corpus.folder / "corpus" / "web" / "sampled.json"
    own = {
        "held_out": ["--slice", place / "contamination.json", "--documents", documents],
        "fingerprints": [
            "--slice",
            place / "web.json",
            "--documents",
            documents,
            "--held-out",
            place / "held_out.json",
        ],
        "survivors": ["--slice", place / "duplicates.json", "--documents", documents],
    }
    own["survivors"] += ["--fingerprints", place / "web" / "manifest.json", "--held-out", place / "held_out.json"]
    output = {"held_out": place / "held_out.json", "fingerprints": place / "web" / "manifest.json"}
    return [
        f"corpus.duplicates.{stage}",
        *map(str, own[stage]),
        "--output",
        str(output.get(stage, place / "manifest.json")),
    ]


def run(script: str, number: int, command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script, str(number), *command], capture_output=True, text=True, check=False, timeout=120
    )


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    corpus = Corpus(tmp_path_factory.mktemp("done"))
    menu = "Etusivu Tuotteet Yhteystiedot Kirjaudu Ostoskori"
    texts = [prose(n) for n in range(40)] + [prose(n).upper() for n in range(5)]
    texts += [f"{menu}\n{prose(100 + n)}" for n in range(8)] + [prose(n) + f"\nloppu {n}" for n in range(10, 14)]
    corpus.write("web", texts)
    corpus.compare({"web": Duplicates(max_line_documents=3)}, part_bytes=25_000, held_out_share=0.1)
    return corpus


@pytest.mark.parametrize(
    ("stage", "manifest"),
    [
        ("held_out", "duplicates/held_out.json"),
        ("fingerprints", "duplicates/web/manifest.json"),
        ("survivors", "corpus/web/manifest.json"),
    ],
)
def test_a_kill_at_any_write_leaves_no_manifest_and_the_next_attempt_makes_the_same_bytes(
    done: Corpus, tmp_path: Path, stage: str, manifest: str
) -> None:
    expected = content(done.folder)
    shutil.copytree(done.folder, tmp_path / "copy")
    corpus = Corpus(tmp_path / "copy")
    command, killed = arguments(corpus, stage), 0
    if stage == "fingerprints":
        for path in (tmp_path / "copy" / "duplicates" / "web").iterdir():
            path.unlink()
    while run(KILLED, killed, command).returncode == -signal.SIGKILL:
        assert killed == 0 or stage != "survivors" or not (corpus.folder / "duplicates/manifest.json").exists()
        killed += 1
        if stage == "fingerprints" and killed > 1:
            assert len(list((corpus.folder / "duplicates/web").glob("*.*"))) >= killed - 1
    assert killed >= 2
    assert content(corpus.folder) == expected
    assert manifest in expected


@pytest.mark.parametrize("stage", ["held_out", "fingerprints", "survivors"])
def test_a_full_disk_is_one_sentence_and_the_next_attempt_makes_the_same_bytes(
    done: Corpus, tmp_path: Path, stage: str
) -> None:
    shutil.copytree(done.folder, tmp_path / "copy")
    corpus = Corpus(tmp_path / "copy")
    if stage == "fingerprints":
        for path in (corpus.folder / "duplicates" / "web").iterdir():
            path.unlink()
    refused = run(FULL, 20, arguments(corpus, stage))
    assert refused.returncode == 1
    assert refused.stderr.startswith("error: ")
    assert refused.stderr.count("\n") == 1
    assert run(KILLED, 10**6, arguments(corpus, stage)).returncode == 0
    assert content(corpus.folder) == content(done.folder)
