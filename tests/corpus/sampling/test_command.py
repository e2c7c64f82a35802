"""Sampling as a command: killed, with a killed worker, on a full disk, and what it tells a person."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from recipe.slices.types import SourceSlice

ROOT = Path(__file__).parents[3]


def slice_of(files, held_out):
    return SourceSlice(name="x", seed=1, language="fi", files=files, held_out=held_out).model_dump_json()


def bytes_below(directory):
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def command(slice_path, output, *more):
    return [sys.executable, "-m", "corpus.sampling", "--slice", slice_path, "--output", output, *more]


TWO = ("--workers", "2", "--part-bytes", "1000000")


def run(slice_path, output, *more):
    return subprocess.run(command(slice_path, output, *more), cwd=ROOT, capture_output=True, text=True)


@pytest.fixture
def slow_source(tmp_path):
    """A slice of four files that take some seconds to sample."""
    words = [f"sana{n}" for n in range(5000)]
    chance = random.Random(1)
    block = "".join(json.dumps({"text": " ".join(chance.choices(words, k=400))}) + "\n" for _ in range(500))
    for n in range(4):
        (tmp_path / f"{n}.jsonl").write_text(block * 3)
    path = tmp_path / "slice.json"
    path.write_text(slice_of([f"{tmp_path}/*.jsonl"], held_out=0.1))
    return path


def alive(process):
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_killed_in_the_middle_and_run_again_gives_the_same_bytes_and_no_worker_lives_on(tmp_path, slow_source):
    killed, whole = tmp_path / "killed" / "x", tmp_path / "whole" / "x"  # else one is taken over for the other
    process = subprocess.Popen(command(slow_source, killed / "manifest.json", *TWO), cwd=ROOT)
    while not list(killed.glob(".train-*.part")):
        assert process.poll() is None
        time.sleep(0.01)
    workers = psutil.Process(process.pid).children(recursive=True)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    for _ in range(1000):
        if not any(map(alive, workers)):
            break
        time.sleep(0.01)
    assert not any(map(alive, workers))
    assert not (killed / "manifest.json").exists()
    for output in (killed, whole):
        done = run(slow_source, output / "manifest.json", *TWO)
        assert done.returncode == 0, done.stderr
    assert bytes_below(killed) == bytes_below(whole)


def test_a_killed_worker_is_told_in_one_sentence(tmp_path, slow_source):
    out = tmp_path / "out"
    process = subprocess.Popen(
        command(slow_source, out / "manifest.json", *TWO),
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not list(out.glob(".train-*.part")):
        time.sleep(0.01)
    number = int(next(out.glob(".train-*.part")).name.split(".")[-2])
    os.kill(number, signal.SIGKILL)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 1
    assert told.startswith("error: a worker was killed")
    assert told.count("\n") == 1


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_full_disk_is_told_in_one_sentence_that_names_the_file(small_disk, slow_source, workers):
    done = run(slow_source, small_disk / "manifest.json", "--workers", workers, "--part-bytes", "1000000")
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: No space left on device ({small_disk}/")
    assert ".parquet). Free some space" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not list(small_disk.iterdir())


def test_the_command_tells_a_person_what_it_did(tmp_path):
    file = tmp_path / "in.jsonl"
    file.write_text('{"text": "yksi kaksi"}\n' * 99 + '{"text": "\x1b[31m\n')
    (tmp_path / "slice.json").write_text(slice_of([str(file)], held_out=0))
    done = run(tmp_path / "slice.json", tmp_path / "out" / "manifest.json")
    assert done.returncode == 0, done.stderr
    assert "x: 99 documents read from 1 file(s), kept 99 train, 0 validation, 0 test" in done.stdout
    assert f"{file} line 100: malformed JSON" in done.stdout
    assert "\x1b" not in done.stdout
    for arguments, sentence in (
        (("--workers", "0"), "give at least 1"),
        (("--files", str(tmp_path / "none.jsonl")), "no file matches"),
    ):
        failed = run(tmp_path / "slice.json", tmp_path / "out" / "manifest.json", *arguments)
        assert failed.returncode == 1
        assert sentence in failed.stderr
        assert "Traceback" not in failed.stderr
