"""Checkpoints that are written beside training: what training does meanwhile, and what goes wrong, changes none."""

import subprocess
import threading

import pytest
import torch
import torch.distributed as dist

from common.errors import UserError
from model.history import store
from model.training import saving
from model.training.checkpoint import load_tensors


class Training:
    """Stands for an engine: two weights with their moments, whose every element is the number of steps made."""

    def __init__(self, size=8):
        self.tensors = {"weights/a": torch.zeros(2, size // 2), "weights/b": torch.zeros(3)}
        for moment in ("exp_avg", "exp_avg_sq"):
            self.tensors |= {f"{moment}/a/0": torch.zeros(size), f"{moment}/b/0": torch.zeros(3)}
        self.steps = 0

    def owned(self):
        return dict(self.tensors)

    def step(self):
        self.steps += 1
        for tensor in self.tensors.values():
            tensor.fill_(float(self.steps))

    def state(self):
        return {"format": store.FORMAT, "position": {"stage_end": False, "slots": self.steps}}


@pytest.fixture(autouse=True)
def one_rank():
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def opened(folder, size=8):
    training = Training(size)
    return training, saving.Saving(folder, (), training.owned, torch.device("cpu"))


def save(training, writer):
    training.step()
    writer.save(training.steps, training.state())


def steps_of(folder):
    return [int(path.name[-8:]) for path in store.complete_checkpoints(folder)]


def test_training_goes_on_while_a_checkpoint_is_written_and_changes_nothing_in_it(tmp_path, monkeypatch):
    go, write = threading.Event(), saving.write_shard
    monkeypatch.setattr(saving, "write_shard", lambda *arguments: (go.wait(), write(*arguments)))
    training, writer = opened(tmp_path)
    save(training, writer)
    training.step()
    writer.check()
    assert not steps_of(tmp_path)
    assert writer.seconds()["save_seconds"] > 0
    assert writer.seconds()["write_seconds"] == 0
    go.set()
    writer.finish()
    assert writer.seconds()["write_seconds"] > 0
    for tensors in load_tensors(tmp_path / "step-00000001").values():
        assert all((tensor == 1).all() for tensor in tensors.values())
    assert tensors["a"].shape == (2, 4)


def test_the_next_waits_for_the_one_before_it_and_only_the_newest_two_stay(tmp_path):
    training, writer = opened(tmp_path)
    for step in range(1, 6):
        save(training, writer)
        assert steps_of(tmp_path)[-1:] in ([step - 1], [step]) or step == 1
    writer.finish()
    assert steps_of(tmp_path) == [4, 5]
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_old_ones_stay_until_the_new_one_is_verified(tmp_path, monkeypatch):
    training, writer = opened(tmp_path)
    for _ in range(2):
        save(training, writer)
    writer.finish()
    monkeypatch.setattr(saving, "complete", lambda *_: (_ for _ in ()).throw(UserError("it has other bytes")))
    save(training, writer)
    with pytest.raises(UserError, match="other bytes"):
        writer.finish()
    assert steps_of(tmp_path) == [1, 2]


def fail_to_save(training, writer):
    """Save, and return what training is told at its next step."""
    save(training, writer)
    writer._write.done.wait()
    with pytest.raises(UserError) as told:
        writer.check()
    with pytest.raises(UserError):
        writer.finish()
    return str(told.value)


def test_a_full_disk_leaves_the_checkpoint_before_it_and_one_sentence(small_disk):
    training, writer = opened(small_disk, size=1000)
    save(training, writer)
    writer.finish()
    (small_disk / "ballast").write_bytes(bytes(40_000))
    told = fail_to_save(training, writer)
    assert "shard-00000-of-00001.safetensors could not be written (No space left on device). The checkpoint" in told
    assert told.endswith("is whole; free some space there and run the same command again.")
    assert steps_of(small_disk) == [1]
    assert store.damage(small_disk / "step-00000001") is None


def test_a_directory_that_is_read_only_leaves_the_checkpoint_before_it_and_one_sentence(small_disk):
    training, writer = opened(small_disk)
    save(training, writer)
    writer.finish()
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    told = fail_to_save(training, writer)
    assert "could not be written (Read-only file system)" in told
    assert told.endswith("see that it may be written to and run the same command again.")
    assert steps_of(small_disk) == [1]


def test_an_error_that_nobody_can_mend_is_raised_as_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr(saving, "write_shard", lambda *_: {}["no such key"])
    training, writer = opened(tmp_path)
    save(training, writer)
    with pytest.raises(KeyError, match="no such key"):
        writer.finish()


def test_each_attempt_writes_under_names_of_its_own(tmp_path, monkeypatch):
    staged = []
    monkeypatch.setattr(saving, "write_shard", lambda place, *_: staged.append(place))
    monkeypatch.setattr(saving, "complete", lambda *_: None)
    for _ in range(2):
        torch.manual_seed(0)
        training, writer = opened(tmp_path)
        save(training, writer)
        writer.finish()
    assert len(set(staged)) == 2
