"""A checkpoint as transformers loads it, and which checkpoints a person may name."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForMaskedLM

from common.errors import UserError
from common.files import read_json, sha256_of
from model.modernbert import ModernBert
from recipe.publish import Publish
from tests.model.whole_checkpoints import of_weights, write_checkpoint
from workflow.publish.checkpoints import checkpoint_part
from workflow.publish.destination import Bucket, Repository, destination_of
from workflow.publish.parts import NAMES, Kept, chosen, kept_checkpoints
from workflow.report.results import Results


@pytest.fixture
def kept(published: Path, small_encoder: ModernBert, tmp_path: Path) -> Kept:
    """A checkpoint with the weights of a small encoder."""
    state = read_json(published / "results/runs/small/stable/checkpoints/step-00000040/state.json")
    directory = tmp_path / "step-00000040"
    write_checkpoint(directory, of_weights(small_encoder.state_dict()), state, ranks=2)
    return Kept(directory, "stable", 0)


def part_of(kept: Kept, exported_model: Path, folder: Path) -> Path:
    (exported_model.parent / "README.md").touch()
    part = checkpoint_part(kept, exported_model.parent, "small", "org/name", Publish(license="mit"), folder)
    assert [file.path for file in part.files] == [folder / name for name in NAMES]
    return folder


def test_transformers_loads_it_with_the_weights_of_the_checkpoint(
    kept: Kept, exported_model: Path, small_encoder: ModernBert, tmp_path: Path
) -> None:
    folder = part_of(kept, exported_model, tmp_path / "one")
    model = AutoModelForMaskedLM.from_pretrained(folder)
    theirs = model.state_dict()
    for name, weight in small_encoder.state_dict().items():
        assert torch.equal(theirs[name], weight)
    assert model.config.max_position_embeddings == 128
    assert (folder / "README.md").read_text().startswith("---\nlicense: mit\n")


def test_the_same_checkpoint_gives_the_same_bytes(kept: Kept, exported_model: Path, tmp_path: Path) -> None:
    folders = [part_of(kept, exported_model, tmp_path / name) for name in ("one", "two")]
    assert len({sha256_of(folder / "model.safetensors") for folder in folders}) == 1


def test_a_damaged_one_is_told(kept: Kept, exported_model: Path, tmp_path: Path) -> None:
    next(kept.directory.glob("shard-*")).write_bytes(b"")
    with pytest.raises(UserError, match="Leave step-00000040 out of --checkpoints"):
        part_of(kept, exported_model, tmp_path / "one")


def test_checkpoints_are_named_by_their_step(published: Path) -> None:
    kept = kept_checkpoints(Results(published / "results"), "small")
    assert [(one.name, one.phase, one.bytes) for one in kept] == [("step-00000040", "stable", 4 * 12 * 34)]
    for names in (["all"], ["40"], ["step-40"], ["step-00000040", "40"]):
        assert chosen(names, kept) == kept
    with pytest.raises(UserError, match=r"no checkpoint step-41 of this run is kept; did you mean step-40\?"):
        chosen(["step-41"], kept)


def test_places_are_repositories_or_buckets_and_no_secret_is_repeated() -> None:
    assert destination_of("org/name") == Repository("org/name")
    assert destination_of("s3://models/a/b/") == Bucket("models", "a/b")
    assert destination_of("s3://models") == Bucket("models", "")
    for wrong in (
        "name",
        "https://huggingface.co/org/name",
        "s3://KEY:topsecret@models/a",
        "org/../name",
        "s3://M/a b",
    ):
        with pytest.raises(UserError) as error:
            destination_of(wrong)
        assert "topsecret" not in str(error.value)
