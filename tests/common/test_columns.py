"""Arrays in one file: what is written is read, by safetensors too, and damage is told."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file

import common.columns
from common.columns import Column, GrowingColumn, open_columns, whole, write_columns
from common.errors import UserError

KINDS = st.sampled_from([np.uint8, np.uint16, np.uint32, np.uint64, np.int64])


@given(st.dictionaries(st.sampled_from("abcdef"), st.tuples(KINDS, st.lists(st.integers(0, 255))), min_size=1))
def test_what_is_written_is_read_here_and_by_safetensors(tmp_path_factory: pytest.TempPathFactory, columns) -> None:
    path = tmp_path_factory.mktemp("columns") / "some.columns"
    arrays = {name: np.array(values, dtype=kind) for name, (kind, values) in columns.items()}
    write_columns(path, {name: whole(array) for name, array in arrays.items()})
    for read in (open_columns(path), load_file(path)):
        assert read.keys() == arrays.keys()
        for name, array in arrays.items():
            assert read[name].dtype == array.dtype
            np.testing.assert_array_equal(read[name], array)


def test_a_column_may_come_in_pieces_and_is_aligned(tmp_path: Path) -> None:
    pieces = [np.arange(3, dtype=np.uint16), np.arange(4, dtype=np.uint16)]
    columns = {"short": Column(np.uint16, 7, pieces), "long": whole(np.arange(5, dtype=np.int64))}
    write_columns(tmp_path / "some.columns", columns)
    read = open_columns(tmp_path / "some.columns")
    assert read["short"].tolist() == [0, 1, 2, 0, 1, 2, 3]
    assert all(array.flags.aligned and not array.flags.writeable for array in read.values())


def test_a_column_of_another_length_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="3 items, not 4"):
        write_columns(tmp_path / "some.columns", {"a": Column(np.uint8, 4, [np.zeros(3, np.uint8)])})
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_cut_anywhere_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "some.columns"
    write_columns(path, {"a": whole(np.arange(9, dtype=np.uint32)), "b": whole(np.arange(3, dtype=np.uint8))})
    content = path.read_bytes()
    for size in range(len(content)):
        path.write_bytes(content[:size])
        with pytest.raises(UserError, match=r"some\.columns is damaged"):
            open_columns(path)


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is missing"):
        open_columns(tmp_path / "none.columns")


def test_a_growing_column_is_written_when_its_length_is_known_and_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(common.columns, "_COPIED", 6)
    with GrowingColumn(np.uint16, tmp_path) as growing, GrowingColumn(np.uint64, tmp_path) as empty:
        growing.append(np.arange(3))
        growing.append(np.arange(4, dtype=np.uint16))
        assert list(tmp_path.iterdir()) == []
        write_columns(tmp_path / "some.columns", {"grown": growing.column(), "empty": empty.column()})
    read = open_columns(tmp_path / "some.columns")
    assert read["grown"].tolist() == [0, 1, 2, 0, 1, 2, 3]
    assert read["empty"].tolist() == []
    assert [path.name for path in tmp_path.iterdir()] == ["some.columns"]
