"""What rows are drawn from is verified, and nothing else."""

import pytest

from common.errors import UserError
from corpus.rows.blend import blend
from model.history.position import DataPosition
from model.training.data import Stream
from model.training.verification import Verification, files_read, share
from tests.model.training.test_data import component, stage
from tests.rows import index_rows, write_shards


@pytest.fixture
def stream(tmp_path):
    for source in ("fi-one", "en-one"):
        write_shards(tmp_path, source, source[:2], {"train": [range(5, 35)] * 40})
    sets = index_rows(tmp_path, [(source, "train", "32") for source in ("fi-one", "en-one")])
    rows = {(one.rows.source, one.rows.rowset): one.index for one in sets}
    parts = component("fi-one"), component("en-one")
    return Stream(stage(*parts), blend(parts, rows), DataPosition(), 1, 1000, ["en", "fi"])


def test_files_come_once_and_no_row_asks_for_none(stream):
    files = files_read([(stream, 60), (stream, 60)])
    assert sorted(file.name for file in files) == ["rows.columns", "rows.columns", "train-00000.ids", "train-00000.ids"]
    assert all((file.directory / file.name).stat().st_size == entry["bytes"] for file, entry in files.items())
    assert {file.name for file in files_read([(stream, 0)])} <= {"rows.columns"}


def test_ranks_share_the_files(stream):
    files = files_read([(stream, 60)])
    shares = [share(files, rank, 3) for rank in range(3)]
    assert sorted(file for part in shares for file in part) == sorted(files)


def test_what_is_whole_passes(stream):
    assert Verification(files_read([(stream, 60)])).wait()


def test_a_flipped_byte_is_told_with_its_file(stream):
    files = files_read([(stream, 60)])
    file = next(file for file in files if file.name.endswith(".ids"))
    content = bytearray((file.directory / file.name).read_bytes())
    content[-1] ^= 1
    (file.directory / file.name).write_bytes(content)
    with pytest.raises(UserError, match=r"train-00000\.ids does not match its checksum"):
        Verification(files).wait()
