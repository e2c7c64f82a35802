import json
import os
import shutil

import pytest
import torch

from common.errors import UserError
from model.history import store
from model.training import checkpoint


def tensors(value):
    return {name: {"a.weight": torch.full((3, 2), value), "b": torch.arange(4.0)} for name in store.TENSOR_FILES}


def write(folder, step, stage_end=False):
    directory = folder / f"step-{step:08}"
    state = {"format": store.FORMAT, "step": step, "position": {"stage_end": stage_end, "slots": 100 * step}}
    checkpoint.write_checkpoint(directory, tensors(float(step)), state)
    return directory


def test_what_was_written_is_read_back_bit_for_bit(tmp_path):
    directory = write(tmp_path, 7)
    loaded = checkpoint.load_tensors(directory)
    assert all(torch.equal(loaded[kind][name], tensors(7.0)[kind][name]) for kind in loaded for name in loaded[kind])
    assert store.load_state(directory)["step"] == 7
    assert store.damage(directory) is None


def test_equal_content_gives_equal_bytes(tmp_path):
    first, second = write(tmp_path / "a", 1), write(tmp_path / "b", 1)
    assert (first / "manifest.json").read_bytes() == (second / "manifest.json").read_bytes()


def test_nothing_in_a_checkpoint_is_a_pickle(tmp_path):
    directory = write(tmp_path, 1)
    assert {path.suffix for path in directory.iterdir()} == {".safetensors", ".json"}


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def truncate(path):
    os.truncate(path, path.stat().st_size - 1)


def remove(path):
    path.unlink()


@pytest.mark.parametrize("harm", [flip, truncate, remove])
@pytest.mark.parametrize("name", ["weights.safetensors", "exp_avg.safetensors", "exp_avg_sq.safetensors", "state.json"])
def test_damage_to_any_file_is_told_with_its_name(tmp_path, harm, name):
    directory = write(tmp_path, 2)
    harm(directory / name)
    assert name in store.damage(directory)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"files": [{}]}', b"\xff"])
def test_a_manifest_that_is_none_counts_as_damage(tmp_path, content):
    directory = write(tmp_path, 1)
    (directory / "manifest.json").write_bytes(content)
    assert store.damage(directory)


def test_a_directory_without_manifest_does_not_exist(tmp_path):
    directory = write(tmp_path, 1)
    (directory / "manifest.json").unlink()
    assert store.complete_checkpoints(tmp_path) == []


def test_an_interrupted_write_leaves_nothing_that_looks_like_a_checkpoint(tmp_path, monkeypatch):
    write(tmp_path, 1)
    monkeypatch.setattr(checkpoint, "write_json", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path, 2)
    assert [path.name for path in store.complete_checkpoints(tmp_path)] == ["step-00000001"]
    monkeypatch.undo()
    assert store.damage(write(tmp_path, 2)) is None


def test_a_full_disk_leaves_the_checkpoint_before_it_and_one_sentence(small_disk):
    older = write(small_disk, 1)
    (small_disk / "ballast").write_bytes(bytes(40_000))
    large = {name: {"a": torch.zeros(10_000)} for name in store.TENSOR_FILES}
    with pytest.raises(UserError, match=r"weights\.safetensors could not be written .*No space left.*free some space"):
        checkpoint.write_checkpoint(small_disk / "step-00000002", large, {})
    assert store.complete_checkpoints(small_disk) == [older]
    assert store.damage(older) is None


def test_the_newest_and_those_of_chosen_steps_are_kept(tmp_path):
    for step in range(1, 8):
        write(tmp_path, step)
        store.remove_old(tmp_path, 2, {3, 5})
    assert [path.name[-1] for path in store.complete_checkpoints(tmp_path)] == ["3", "5", "6", "7"]


def test_a_checkpoint_whose_writer_was_killed_between_two_renames_gets_its_name_later(tmp_path):
    whole, cut = write(tmp_path, 3), write(tmp_path, 4)
    whole.rename(store.staged_name(whole))
    (cut / "manifest.json").unlink()
    cut.rename(store.staged_name(cut))
    store.finish_renames(tmp_path)
    assert store.complete_checkpoints(tmp_path) == [whole]


def test_a_pointer_opens_its_checkpoint_wherever_the_results_are_moved(tmp_path):
    directory = write(tmp_path / "phase" / "checkpoints", 5)
    store.write_pointer(tmp_path / "phase" / "checkpoint.json", directory, {"step": 5})
    shutil.move(tmp_path / "phase", tmp_path / "elsewhere")
    found = store.open_checkpoint(tmp_path / "elsewhere" / "checkpoint.json")
    assert store.load_state(found)["step"] == 5


@pytest.mark.parametrize("harm", [flip, truncate, remove])
def test_a_pointer_to_a_damaged_checkpoint_says_what_to_do(tmp_path, harm):
    directory = write(tmp_path / "checkpoints", 5)
    store.write_pointer(tmp_path / "checkpoint.json", directory, {})
    harm(directory / "weights.safetensors")
    with pytest.raises(UserError, match=r"weights\.safetensors.*run again"):
        store.open_checkpoint(tmp_path / "checkpoint.json")


def test_a_pointer_to_a_replaced_checkpoint_is_refused(tmp_path):
    directory = write(tmp_path / "checkpoints", 5)
    store.write_pointer(tmp_path / "checkpoint.json", directory, {})
    manifest = json.loads((directory / "manifest.json").read_text())
    (directory / "manifest.json").write_text(json.dumps(manifest, indent=2))
    with pytest.raises(UserError, match="written for"):
        store.open_checkpoint(tmp_path / "checkpoint.json")


def test_another_json_is_no_pointer(tmp_path):
    (tmp_path / "manifest.json").write_text('{"format": 1}')
    with pytest.raises(UserError, match="names no checkpoint; give the checkpoint"):
        store.open_checkpoint(tmp_path / "manifest.json")


def test_a_checkpoint_of_another_format_is_whole_but_not_read(tmp_path, monkeypatch):
    with monkeypatch.context() as older:
        older.setattr(store, "FORMAT", 1)
        older.setattr(checkpoint, "FORMAT", 1)
        directory = write(tmp_path / "checkpoints", 5)
        store.write_pointer(tmp_path / "checkpoint.json", directory, {})
    assert store.damage(directory) is None
    assert "format 1, and 4 is what is read" in store.other_format(directory)
    with pytest.raises(UserError, match=r"state\.json is of format 1, and 4 is what is read; move .* away"):
        store.load_state(directory)
    with pytest.raises(UserError, match=r"checkpoint\.json is of format 1, and 4 is what is read; delete it"):
        store.open_checkpoint(tmp_path / "checkpoint.json")
