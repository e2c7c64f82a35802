"""A hub on this machine: the routes of it that fetching a data set needs, and what may go wrong with them."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import unquote, urlsplit

from tests import loopback

LARGE = 1000
"""Bytes from which a file is one of those whose SHA-256 the hub tells."""


@dataclass
class Hub:
    """What a hub holds, what is wrong with it, and what was asked of it."""

    repository: str = "org/set"
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    """Commit -> path -> content."""
    revisions: dict[str, str] = field(default_factory=dict)
    """Branch or tag -> commit."""
    cuts: list[int] = field(default_factory=list)
    """After so many bytes each of the next answers breaks off."""
    slow_seconds: float = 0.0
    """Before each answer with content."""
    lies: dict[str, bytes] = field(default_factory=dict)
    """Path -> what is given in place of its content."""
    token: str | None = None
    """Without it nothing is given."""
    asked: list[tuple[str, int, int]] = field(default_factory=list)
    """Path, first byte and bytes that were asked for, of each request for content."""
    questions: int = 0
    """Requests of any kind."""
    port: int = 0

    @property
    def endpoint(self) -> str:
        """Address of the server."""
        return f"http://127.0.0.1:{self.port}"

    def fetched(self, path: str) -> int:
        """Return how many bytes of a file were asked for."""
        return sum(count for asked, _, count in self.asked if asked == path)


def git_id(content: bytes) -> str:
    """Return git's id of a content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def entry_of(path: str, content: bytes) -> dict[str, Any]:
    """Return what the hub says of a file."""
    entry = {"type": "file", "path": path, "size": len(content), "oid": git_id(content)}
    if len(content) >= LARGE:
        sha256 = hashlib.sha256(content).hexdigest()
        entry |= {"oid": "0" * 40, "lfs": {"oid": sha256, "size": len(content), "pointerSize": 130}}
    return entry


class Handler(loopback.JsonHandler, BaseHTTPRequestHandler):
    """Answers of a hub."""

    hub: Hub

    def do_GET(self) -> None:
        """Answer one question."""
        self.hub.questions += 1
        path = unquote(urlsplit(self.path).path)
        if self.hub.token and self.headers.get("Authorization") != f"Bearer {self.hub.token}":
            return self.refuse(401, "GatedRepo")
        root = f"/api/datasets/{self.hub.repository}/"
        if path.startswith(f"{root}revision/"):
            return self._revision(path.removeprefix(f"{root}revision/"))
        if path.startswith(f"{root}tree/"):
            return self._tree(*path.removeprefix(f"{root}tree/").partition("/")[::2])
        resolve = f"/datasets/{self.hub.repository}/resolve/"
        if path.startswith(resolve):
            return self._content(*path.removeprefix(resolve).partition("/")[::2])
        return self.refuse(404, "RepoNotFound")

    def _revision(self, revision: str) -> None:
        commit = self.hub.revisions.get(revision, revision)
        if commit not in self.hub.commits:
            return self.refuse(404, "RevisionNotFound")
        return self.answer({"id": self.hub.repository, "sha": commit, "siblings": [], "tags": [], "private": False})

    def _tree(self, commit: str, folder: str) -> None:
        files = self.hub.commits[commit]
        folders = {path[:at] for path in files for at, letter in enumerate(path) if letter == "/"}
        entries = [entry_of(path, content) for path, content in files.items()]
        entries += [{"type": "directory", "path": path, "size": 0, "oid": "1" * 40} for path in sorted(folders)]
        inside = f"{folder}/" if folder else ""
        found = [entry for entry in entries if entry["path"].startswith(inside)]
        deep = "recursive=true" in self.path.lower()
        return self.answer([one for one in found if deep or "/" not in one["path"].removeprefix(inside)])

    def _content(self, commit: str, path: str) -> None:
        content = self.hub.lies.get(path, self.hub.commits[commit][path])
        first, _, last = (self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").partition("-")
        part = content[int(first) : int(last) + 1 if last else None]
        self.hub.asked.append((path, int(first), len(part)))
        time.sleep(self.hub.slow_seconds)
        self.send_response(206)
        self.send_header("Content-Length", str(len(part)))
        self.send_header("Content-Range", f"bytes {first}-{int(first) + len(part) - 1}/{len(content)}")
        self.end_headers()
        if self.hub.cuts:
            self.wfile.write(part[: self.hub.cuts.pop(0)])
            self.close_connection = True
        else:
            self.wfile.write(part)


@contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    """Let a hub be reached at its endpoint."""
    with loopback.serving(Handler, hub=hub) as hub.port:
        yield hub
