"""The benchmark of BPE compares two trainings of the same text."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_it_prints_what_both_trainers_took_once_their_merges_agree(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    texts = [f"Sana {number} ja toinen sana {number % 7}." for number in range(200)]
    (data / "a.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    command = [sys.executable, "-m", "benchmarks.bpe", "--data", data, "--vocabulary", "320", "--rounds", "1"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert [line.split()[1] for line in told.splitlines()[2:4]] == ["ours", "tokenizers"]
    assert "320 entries" in told
