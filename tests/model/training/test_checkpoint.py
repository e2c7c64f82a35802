import json
import os
import shutil
import threading

import pytest
import torch
from safetensors.torch import load_file

from common.errors import UserError
from model.history import store
from model.training import checkpoint
from tests.model.whole_checkpoints import write_checkpoint


def tensors(value):
    return {
        kind: {"a.weight": torch.full((3, 2), value), "b": torch.arange(4.0) + number}
        for number, kind in enumerate(("weights", *checkpoint.MOMENTS))
    }


def write(folder, step, stage_end=False, ranks=2):
    directory = folder / f"step-{step:08}"
    state = {"format": store.FORMAT, "step": step, "position": {"stage_end": stage_end, "slots": 100 * step}}
    write_checkpoint(directory, tensors(float(step)), state, ranks)
    return directory


@pytest.mark.parametrize("ranks", [1, 2, 3, 7])
def test_what_any_number_of_ranks_wrote_is_read_back_bit_for_bit(tmp_path, ranks):
    directory = write(tmp_path, 7, ranks=ranks)
    expected = tensors(7.0)
    for found in (checkpoint.load_tensors(directory), {"weights": checkpoint.load_weights(directory)}):
        assert all(found[kind].keys() == expected[kind].keys() for kind in found)
        assert all(torch.equal(found[kind][name], expected[kind][name]) for kind in found for name in found[kind])
    assert store.load_state(directory)["step"] == 7
    assert store.damage(directory) is None
    assert len(store.shards_of(directory)) == ranks


def test_the_library_reads_a_shard(tmp_path):
    found = load_file(write(tmp_path, 7, ranks=1) / "shard-00000-of-00001.safetensors")
    assert found.keys() == {"weights/a.weight", "weights/b"} | {
        f"{moment}/{name}/0" for moment in checkpoint.MOMENTS for name in ("a.weight", "b")
    }
    assert torch.equal(found["weights/a.weight"], torch.full((3, 2), 7.0))


def test_shards_that_lack_a_part_are_not_taken_for_the_whole(tmp_path):
    whole = tensors(1.0)
    whole["exp_avg"]["b"] = whole["exp_avg"]["b"][:3]
    write_checkpoint(tmp_path / "step-00000001", whole, {})
    with pytest.raises(UserError, match=r"step-00000001 does not hold all of exp_avg of b; move it away"):
        checkpoint.load_tensors(tmp_path / "step-00000001")


@pytest.mark.parametrize("name", ["shard-00000-of-00002.safetensors", "shard-00001-of-00002.safetensors", "state.json"])
def test_a_manifest_lists_the_state_and_the_shards_of_all_ranks(tmp_path, name):
    directory = write(tmp_path, 1)
    manifest = json.loads((directory / "manifest.json").read_text())
    files = [entry for entry in manifest["files"] if entry["name"] != name]
    assert len(files) == 2
    (directory / "manifest.json").write_text(json.dumps(manifest | {"files": files}))
    assert store.damage(directory).endswith(f"manifest.json does not list {name}")


def test_a_checkpoint_has_no_name_before_every_rank_has_written_its_shard(tmp_path):
    directory, mine = tmp_path / "step-00000001", {"weights/a": torch.ones(2)}
    staged = store.staged_name(directory, "2")
    write_checkpoint(tmp_path / "step-00000002", tensors(1.0), {}, ranks=2)
    shutil.copytree(tmp_path / "step-00000002", store.staged_name(directory, "1"))  # of an attempt that was killed
    checkpoint.write_shard(staged, 0, 2, mine)
    thread = threading.Thread(target=checkpoint.complete, args=(staged, directory, 2, {}), daemon=True)
    thread.start()
    thread.join(0.2)
    assert thread.is_alive()
    assert not directory.exists()
    checkpoint.write_shard(staged, 1, 2, {"weights/b": torch.zeros(3)})
    thread.join()
    assert store.damage(directory) is None
    assert checkpoint.load_weights(directory).keys() == {"a", "b"}


def test_a_shard_that_is_cut_after_its_writer_told_of_it_makes_no_checkpoint(tmp_path):
    directory = tmp_path / "step-00000001"
    staged = store.staged_name(directory, "1")
    checkpoint.write_shard(staged, 0, 1, {"weights/a": torch.ones(2)})
    truncate(staged / "shard-00000-of-00001.safetensors")
    with pytest.raises(UserError, match=r"shard-00000-of-00001\.safetensors has \d+ bytes.*the checkpoint before it"):
        checkpoint.complete(staged, directory, 1, {})
    assert store.complete_checkpoints(tmp_path) == []


def test_what_the_disk_changes_is_noticed_by_who_wrote_it(tmp_path, monkeypatch):
    fsync = os.fsync

    def lose(descriptor):
        fsync(descriptor)
        os.pwrite(descriptor, b"\1", 200)

    monkeypatch.setattr(os, "fsync", lose)
    with pytest.raises(UserError, match=r"shard-00000-of-00001\.safetensors does not hold what was written"):
        checkpoint.write_shard(tmp_path, 0, 1, {"weights/a": torch.zeros(100)})
    assert not (tmp_path / "shard-00000-of-00001.json").exists()


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
@pytest.mark.parametrize("name", ["shard-00000-of-00002.safetensors", "shard-00001-of-00002.safetensors", "state.json"])
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


def test_the_newest_and_those_of_chosen_steps_are_kept(tmp_path):
    for step in range(1, 8):
        write(tmp_path, step)
        store.remove_old(tmp_path, 2, {3, 5})
    assert [path.name[-1] for path in store.complete_checkpoints(tmp_path)] == ["3", "5", "6", "7"]


def test_a_checkpoint_whose_writer_was_killed_between_two_renames_gets_its_name_later(tmp_path):
    whole, cut = write(tmp_path, 3), write(tmp_path, 4)
    whole.rename(store.staged_name(whole, "1"))
    (cut / "manifest.json").unlink()
    cut.rename(store.staged_name(cut, "1"))
    store.finish_renames(tmp_path)
    assert store.complete_checkpoints(tmp_path) == [whole]
    assert list(tmp_path.iterdir()) == [whole], "what is not whole is gone"


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
    harm(directory / "shard-00001-of-00002.safetensors")
    with pytest.raises(UserError, match=r"shard-00001-of-00002\.safetensors.*run again"):
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
    assert "format 1, and 5 is what is read" in store.other_format(directory)
    with pytest.raises(UserError, match=r"state\.json is of format 1, and 5 is what is read; move .* away"):
        store.load_state(directory)
    with pytest.raises(UserError, match=r"checkpoint\.json is of format 1, and 5 is what is read; delete it"):
        store.open_checkpoint(tmp_path / "checkpoint.json")
