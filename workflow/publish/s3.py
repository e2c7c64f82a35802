"""A store that speaks S3 as a place to publish, by boto3, AWS's own library.

A file's SHA-256 is kept with it as metadata, by which another attempt knows what is there. Large files go in parts; the
store tells which parts of an upload that was broken off it has, and those are not sent again. Keys, endpoint and region
are AWS's own settings: environment, `~/.aws`, or what the machine is given.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from common.errors import UserError
from common.files import read_json, write_json
from workflow.publish.destination import Bucket
from workflow.publish.parts import File, Part

PART_BYTES = 2**26
"""Of one request; a store takes 10,000 of them for a file."""
DIGEST = "sha256"
"""Key of the metadata."""


class S3Store:
    """A place in a bucket."""

    def __init__(self, bucket: Bucket, begun: Path) -> None:
        """Take AWS's settings; nothing is asked yet.

        Args:
            bucket: where to.
            begun: file in which uploads in parts are noted until they are whole.

        Raises:
            UserError: boto3 is not installed, or the settings cannot be used.
        """
        try:
            import boto3
            from botocore.config import Config
        except ModuleNotFoundError:
            raise UserError(f"s3:// needs boto3: {sys.executable} -m pip install boto3, and run again.") from None
        self._bucket, self._begun = bucket, begun
        self._host = "the store"
        # Checksums of newer protocols are left out where nobody requires them: other stores than AWS's refuse them.
        quiet = Config(
            retries={"mode": "standard", "max_attempts": 5},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
        with self._asking():
            self._s3 = boto3.client("s3", config=quiet)
            self._host = urlsplit(self._s3.meta.endpoint_url).hostname or self._host

    def prepare(self) -> None:
        """See that the bucket is there."""
        with self._asking():
            self._s3.head_bucket(Bucket=self._bucket.name)

    def missing(self, part: Part) -> list[File]:
        """Return the files of a part that the bucket does not hold with the same checksum."""
        with self._asking():
            return [file for file in part.files if not self._has(self._bucket.key(part.checkpoint, file.name), file)]

    def send(self, part: Part, files: Sequence[File]) -> None:
        """Send files, one after the other."""
        with self._asking():
            for file in files:
                self._send(self._bucket.key(part.checkpoint, file.name), file)

    def address(self, part: Part) -> str:
        """Return the address of a part."""
        return f"{self._bucket}/{self._bucket.key(part.checkpoint, '').removeprefix(self._bucket.prefix)}".rstrip("/")

    def _has(self, key: str, file: File) -> bool:
        from botocore.exceptions import ClientError

        try:
            told = self._s3.head_object(Bucket=self._bucket.name, Key=key)
        except ClientError as error:
            if _status(error) == 404:
                return False
            raise
        return bool(told["ContentLength"] == file.bytes and told["Metadata"].get(DIGEST) == file.sha256)

    def _send(self, key: str, file: File) -> None:
        where = {"Bucket": self._bucket.name, "Key": key}
        if file.bytes <= PART_BYTES:
            self._s3.put_object(**where, Body=file.path.read_bytes(), Metadata={DIGEST: file.sha256})
            return
        upload, there = self._continued(where, file) or self._new(where, file)
        tags = []
        with file.path.open("rb") as stream:
            for number in range(1, -(-file.bytes // PART_BYTES) + 1):
                block = stream.read(PART_BYTES)
                if there.get(number) != hashlib.md5(block, usedforsecurity=False).hexdigest():
                    sent = self._s3.upload_part(**where, UploadId=upload, PartNumber=number, Body=block)
                    tags.append({"PartNumber": number, "ETag": sent["ETag"]})
                else:
                    tags.append({"PartNumber": number, "ETag": f'"{there[number]}"'})
        self._s3.complete_multipart_upload(**where, UploadId=upload, MultipartUpload={"Parts": tags})
        self._note(key, None)

    def _new(self, where: dict[str, str], file: File) -> tuple[str, dict[int, str]]:
        told = self._s3.create_multipart_upload(**where, Metadata={DIGEST: file.sha256})
        self._note(where["Key"], {"upload": told["UploadId"], "sha256": file.sha256})
        return str(told["UploadId"]), {}

    def _continued(self, where: dict[str, str], file: File) -> tuple[str, dict[int, str]] | None:
        """Return an upload of the same content that was broken off, and the MD5 of each part that the store has."""
        from botocore.exceptions import ClientError

        noted = self._notes().get(f"{self._bucket.name}/{where['Key']}")
        if not noted or noted["sha256"] != file.sha256:
            return None
        there: dict[int, str] = {}
        try:
            for page in self._s3.get_paginator("list_parts").paginate(**where, UploadId=noted["upload"]):
                there |= {one["PartNumber"]: one["ETag"].strip('"') for one in page.get("Parts", [])}
        except ClientError as error:
            if _status(error) == 404:  # given up by the store, or finished
                return None
            raise
        return str(noted["upload"]), there

    def _notes(self) -> dict[str, Any]:
        with suppress(UserError):
            return dict(read_json(self._begun))
        return {}

    def _note(self, key: str, upload: dict[str, str] | None) -> None:
        """Note an upload that was begun, or that it is whole."""
        notes = {name: one for name, one in self._notes().items() if name != f"{self._bucket.name}/{key}"}
        write_json(self._begun, notes | ({f"{self._bucket.name}/{key}": upload} if upload else {}))

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Turn errors into one sentence, without what libraries say."""
        from botocore import exceptions as wrong

        again = "and run the same command again"
        try:
            yield
        except (wrong.NoCredentialsError, wrong.PartialCredentialsError, wrong.CredentialRetrievalError):
            raise UserError(
                f"there are no keys for {self._host}; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, "
                f"{again}."
            ) from None
        except wrong.ClientError as error:
            code, status = error.response.get("Error", {}).get("Code", ""), _status(error)
            if status >= 500 or code in ("SlowDown", "RequestTimeout"):
                raise self._out_of_reach() from None
            if status == 404:
                raise UserError(
                    f"{self._host} has no bucket {self._bucket.name}; make it, or mend --to, {again}."
                ) from None
            if status in (401, 403):
                raise UserError(
                    f"{self._host} does not let these keys write to {self._bucket}; use keys that may, {again}."
                ) from None
            raise UserError(f"{self._host} refuses {self._bucket} with status {status}; mend --to, {again}.") from None
        except (wrong.HTTPClientError, wrong.ConnectionError):
            raise self._out_of_reach() from None
        except wrong.BotoCoreError as error:
            raise UserError(
                f"AWS's settings here cannot be used ({type(error).__name__}); mend them, {again}."
            ) from None

    def _out_of_reach(self) -> UserError:
        return UserError(
            f"{self._host} is out of reach. What was sent is kept there; run the same command again where there is a "
            "network."
        )


def _status(error: Any) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
