"""Where a model is published, as a person writes it, and what every such place must be able to do."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from common.errors import UserError
from workflow.publish.parts import File, Part

_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
_BUCKET = re.compile(r"s3://([a-z0-9][a-z0-9.-]+[a-z0-9])(?:/([\w./=+-]*))?", re.ASCII)


@dataclass(frozen=True)
class Repository:
    """A repository of models on the hub."""

    name: str

    def __str__(self) -> str:
        """Return what transformers loads it by."""
        return self.name

    def example(self, run: str) -> str:
        """Return the line of the card's example that says where the model of a run lies."""
        return f'directory = "{self.name}"'


@dataclass(frozen=True)
class Bucket:
    """A place in a store that speaks S3."""

    name: str
    prefix: str
    """Without a slash at its ends."""

    def __str__(self) -> str:
        """Return its address."""
        return f"s3://{self.name}/{self.prefix}".rstrip("/")

    def example(self, run: str) -> str:
        """Return the line of the card's example that says where the model of a run lies."""
        return f'directory = "{run}"  # a copy of {self}'

    def key(self, part: str | None, name: str) -> str:
        """Return the key of a file of the model, or of a checkpoint."""
        return "/".join(filter(None, (self.prefix, f"checkpoints/{part}" if part else "", name)))


def destination_of(text: str) -> Repository | Bucket:
    """Return what `--to` means. Raises `UserError`, which does not repeat it: it may hold a secret."""
    if _REPOSITORY.fullmatch(text):
        return Repository(text)
    if found := _BUCKET.fullmatch(text):
        return Bucket(found[1], (found[2] or "").strip("/"))
    raise UserError(
        "--to needs ORGANISATION/NAME on the hub, or s3://BUCKET/PREFIX; tokens and keys are no part of it, "
        "HF_TOKEN and AWS's own settings hold them."
    )


class Store(Protocol):
    """A place that files are sent to. All methods raise `UserError`, which never holds a token or a key."""

    def prepare(self) -> None:
        """See that the place is there and may be written to; a repository is made if it is not there."""

    def missing(self, part: Part) -> list[File]:
        """Return the files of a part that are not there with the same checksum."""

    def send(self, part: Part, files: Sequence[File]) -> None:
        """Send files of a part."""

    def address(self, part: Part) -> str:
        """Return where a part is found, for people."""
