"""Settings of all tests, and a small tokenizer and model with random weights for tests of whatever reads one."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

# Workers of pytest-xdist share the cores; torch reads this when it is imported, here and in processes of tests.
if WORKERS := os.environ.get("PYTEST_XDIST_WORKER_COUNT"):
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, len(os.sched_getaffinity(0)) // int(WORKERS))))

import pytest
import torch
from huggingface_hub import constants
from hypothesis import settings

from common.files import sha256_of, write_json
from corpus.tokens.bpe import train, write_tokenizer
from model.export import export
from model.modernbert import ModernBert, Shape
from tests import side_by_side
from tests.slurm import both_outcomes

# Machines are shared and slow at times, and a failure must come back when the test is run again.
settings.register_profile("alasin", deadline=None, derandomize=True)
settings.load_profile("alasin")


def pytest_configure(config: pytest.Config) -> None:
    """Have workers share the tests by file, and both outcomes told of what is run once more."""
    for plugin in (side_by_side, both_outcomes):
        if not config.pluginmanager.is_registered(plugin):
            config.pluginmanager.register(plugin)


TEXTS = [
    "The anvil is old, and the hammer is new.",
    "Alasin on vanha ja vasara on uusi.",
    "Städet är gammalt och hammaren är ny.",
    "Incus vetus est et malleus novus.",
] * 4


@pytest.fixture(autouse=True)
def process_as_it_was(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Undo what commands called here do to their whole process: tests share it, and their children inherit it."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", constants.HF_HUB_OFFLINE)
    before = dict(os.environ)
    yield
    for name in os.environ.keys() ^ before.keys() | {name for name in before if os.environ.get(name) != before[name]}:
        if name == "PYTEST_CURRENT_TEST":
            continue
        if name in before:
            os.environ[name] = before[name]
        else:
            del os.environ[name]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A directory on a file system of 64 kB."""
    directory = tmp_path / "small disk"
    directory.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", directory]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a small tmpfs")
    yield directory
    subprocess.run(["umount", directory], check=True)


@pytest.fixture(scope="session")
def tokenizer_manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """manifest.json of a tokenizer of 320 entries; its models have 384 rows in the embedding."""
    directory = tmp_path_factory.mktemp("tokenizer")
    tokenizer = train(iter(TEXTS), 320)
    write_tokenizer(tokenizer, directory)
    manifest = {
        "format": 1,
        "vocabulary": tokenizer.get_vocab_size(),
        "padded_vocabulary": 384,
        "special": {"[MASK]": 0, "[CLS]": 1, "[PAD]": 2, "[UNK]": 3, "[SEP]": 4},
        "fingerprint": sha256_of(directory / "tokenizer.json"),
        "sample": {},
    }
    write_json(directory / "manifest.json", manifest)
    return directory / "manifest.json"


@pytest.fixture(scope="session")
def small_encoder() -> ModernBert:
    """An encoder for that tokenizer, with settings that differ from every default of transformers."""
    shape = Shape(
        padded_vocabulary=384,
        layers=5,
        hidden=32,
        heads=2,
        intermediate=48,
        global_every=2,
        local_attention=8,
        global_rope_theta=70_000.0,
        local_rope_theta=3_000.0,
        norm_eps=1e-4,
    )
    encoder = ModernBert(shape, seed=0)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
    return encoder.eval()


@pytest.fixture(scope="session")
def exported_model(
    tmp_path_factory: pytest.TempPathFactory, tokenizer_manifest: Path, small_encoder: ModernBert
) -> Path:
    """config.json of that encoder and tokenizer, exported."""
    directory = tmp_path_factory.mktemp("model")
    export(small_encoder.state_dict(), small_encoder.shape, 64, tokenizer_manifest, directory)
    return directory / "config.json"
