"""A model goes to a store that speaks S3 once, whole, whatever happens on the way; keys are told nobody."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.errors import UserError
from common.files import sha256_of
from tests.loopback import serving
from tests.workflow.publish.conftest import Publishing
from tests.workflow.publish.s3_server import KEY, SECRET, Bucket, Handler
from workflow.publish.destination import Bucket as Destination
from workflow.publish.s3 import S3Store

TO = ("--to", "s3://models/ours/small/")
WEIGHTS = "ours/small/model.safetensors"


@pytest.fixture
def bucket() -> Bucket:
    return Bucket()


@pytest.fixture
def publishing(bucket: Bucket, published: Path, tmp_path: Path) -> Iterator[Publishing]:
    with serving(Handler, bucket=bucket) as port:
        yield Publishing(
            published,
            tmp_path,
            AWS_ENDPOINT_URL=f"http://127.0.0.1:{port}",
            AWS_ACCESS_KEY_ID=KEY,
            AWS_SECRET_ACCESS_KEY=SECRET,
        )


def test_model_card_and_checkpoint_are_sent_once_large_files_in_parts(bucket: Bucket, publishing: Publishing) -> None:
    status, said = publishing.run(*TO, "--checkpoints", "all")
    assert status == 0, said
    assert said.startswith("to s3://models/ours/small: 6 files and 1 checkpoint, ")
    model = publishing.folder / "results/models/small"
    names = {path.name for path in model.iterdir()}
    places = {f"{place}{name}" for place in ("", "checkpoints/step-00000040/") for name in names}
    assert set(bucket.objects) == {f"ours/small/{place}" for place in places}
    assert bucket.objects[WEIGHTS] == (
        (model / "model.safetensors").read_bytes(),
        sha256_of(model / "model.safetensors"),
    )
    assert [part for key, part in bucket.sent if key == WEIGHTS] == [1, 2, 3]
    card = bucket.objects["ours/small/README.md"][0]
    assert b'directory = "small"  # a copy of s3://models/ours/small\n' in card
    assert [key for key, _ in bucket.sent if "checkpoints" not in key][-1] == "ours/small/config.json"
    sent = list(bucket.sent)
    status, said = publishing.run(*TO, "--checkpoints", "all")
    assert (status, said.count("there already"), bucket.sent) == (0, 2, sent)
    assert SECRET not in said


def test_killed_in_the_middle_of_a_file_its_other_parts_follow(bucket: Bucket, publishing: Publishing) -> None:
    bucket.stuck_at = 3
    process = publishing.start(*TO)
    assert bucket.stuck.wait(60)
    process.kill()
    said, _ = process.communicate()
    assert [part for key, part in bucket.sent if key == WEIGHTS] == [1, 2]
    bucket.stuck_at = 0
    status, more = publishing.run(*TO)
    assert status == 0, more
    assert [part for key, part in bucket.sent if key == WEIGHTS] == [1, 2, 3]
    content, digest = bucket.objects[WEIGHTS]
    model = publishing.folder / "results/models/small/model.safetensors"
    assert (content, digest) == (model.read_bytes(), sha256_of(model))
    assert SECRET not in said + more


@pytest.mark.parametrize(
    ("environment", "status", "told"),
    [
        ({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, 0, "there are no keys for 127.0.0.1; set AWS_"),
        ({}, 403, "does not let these keys write to s3://models/ours/small"),
        ({}, 404, "has no bucket models; make it, or mend --to"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_MAX_ATTEMPTS": "1"}, 0, "is out of reach"),
        ({"AWS_PROFILE": "none"}, 0, "AWS's settings here cannot be used (ProfileNotFound)"),
    ],
)
def test_who_may_not_write_is_told_so_in_a_sentence(
    bucket: Bucket, publishing: Publishing, environment: dict[str, str], status: int, told: str
) -> None:
    bucket.status = status
    publishing.environment |= environment
    ended, said = publishing.run(*TO)
    assert ended == 1
    assert told in said.splitlines()[-1]
    assert "Traceback" not in said
    assert not bucket.sent
    assert SECRET not in said
    assert KEY not in said


def test_without_the_library_it_is_told_how_to_install_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(UserError, match="-m pip install boto3"):
        S3Store(Destination("models", ""), tmp_path / "uploads.json")


def test_private_is_for_the_hub(publishing: Publishing) -> None:
    status, said = publishing.run(*TO, "--private")
    assert (status, said.startswith("error: --private is for the hub")) == (1, True)
