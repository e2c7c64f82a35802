"""A file of a data set on the hub, as the hub tells of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class HubFile:
    """A file of a data set at a commit."""

    repository: str
    commit: str
    name: str
    """Path in the repository."""
    bytes: int
    sha256: str | None
    """Of the content, where the hub keeps it as a large file."""
    blob: str
    """git's id of the content, else: SHA-1 of a header and the content. Of a large file, of a pointer to it."""

    @property
    def checksum(self) -> str:
        """What the content is checked by, hexadecimal."""
        return self.sha256 or self.blob

    @property
    def remote(self) -> str:
        """The path of the file in the hub's file system."""
        return f"datasets/{self.repository}@{self.commit}/{self.name}"
