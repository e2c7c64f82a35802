"""A hub on this machine that takes models: the routes that publishing needs, and what may go wrong with them."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.corpus.hub.server import entry_of
from tests.loopback import JsonHandler


@dataclass
class Hub:
    """What a hub holds, what is wrong with it, and what was sent to it."""

    token: str = "hf_secret_of_nobody"
    """Of who may write."""
    branches: dict[str, dict[str, bytes]] = field(default_factory=dict)
    """Branch -> path -> content; none before the repository is made."""
    private: bool = False
    objects: dict[str, bytes] = field(default_factory=dict)
    """Large files that were sent, by SHA-256."""
    sent: list[int] = field(default_factory=list)
    """Bytes of each large file that came."""
    commits: list[str] = field(default_factory=list)
    """Branch of each commit."""
    cuts: list[int] = field(default_factory=list)
    """After so many bytes each of the next large files breaks off."""
    stuck: threading.Event | None = None
    """Set when a large file has begun to come, which then is neither kept nor answered."""
    busy: int = 0
    """So many of the next commits are answered with 503."""
    complaint: str = ""
    """What is wrong with every card."""
    port: int = 0

    @property
    def endpoint(self) -> str:
        """Address of the server."""
        return f"http://127.0.0.1:{self.port}"


class Handler(JsonHandler, BaseHTTPRequestHandler):
    """Answers of a hub."""

    hub: Hub

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def do_GET(self) -> None:
        """Answer what the repository is; the hub's own protocol for large files is spoken by none but the hub."""
        if not self.hub.branches or "xet-write-token" in self.path:
            return self.refuse(404, "RepoNotFound")
        return self.answer({"id": "org/name", "sha": "c" * 40, "private": self.hub.private, "siblings": [], "tags": []})

    def do_POST(self) -> None:
        """Answer one question, or take a commit."""
        body, path = self._body(), unquote(urlsplit(self.path).path)
        if self.headers.get("Authorization") != f"Bearer {self.hub.token}":
            return self.refuse(401, "Unauthorized")
        if path == "/api/validate-yaml":
            errors = [{"message": self.hub.complaint}] if self.hub.complaint else []
            return self.answer({"errors": errors, "warnings": []}, 400 if errors else 200)
        if path == "/api/repos/create":
            return self._create(json.loads(body))
        if path == "/org/name.git/info/lfs/objects/batch":
            return self._batch(json.loads(body))
        action, _, branch = path.removeprefix("/api/models/org/name/").partition("/")
        if action == "branch":
            self.hub.branches.setdefault(branch, dict(self.hub.branches["main"]))
            return self.answer({})
        if branch not in self.hub.branches:
            return self.refuse(404, "RevisionNotFound")
        files = self.hub.branches[branch]
        if action == "paths-info":
            asked = parse_qs(body.decode())["paths"]
            return self.answer([entry_of(name, files[name]) for name in asked if name in files])
        if action == "preupload":
            asked = json.loads(body)["files"]
            modes = ["lfs" if one["path"].endswith(".safetensors") else "regular" for one in asked]
            told = [{"path": one["path"], "shouldIgnore": False} for one in asked]
            return self.answer({"files": [one | {"uploadMode": mode} for one, mode in zip(told, modes, strict=True)]})
        return self._commit(branch, body)

    def do_PUT(self) -> None:
        """Take a large file."""
        size = int(self.headers["Content-Length"])
        if self.hub.stuck:
            self.rfile.read(size // 2)
            self.hub.stuck.set()
            self.rfile.read()  # until the sender is dead
            self.close_connection = True
            return None
        if self.hub.cuts:
            self.rfile.read(self.hub.cuts.pop(0))
            self.close_connection = True
            return None
        content = self.rfile.read(size)
        self.hub.objects[hashlib.sha256(content).hexdigest()] = content
        self.hub.sent.append(size)
        return self.answer({})

    def _create(self, asked: dict[str, Any]) -> None:
        if not self.hub.branches:
            self.hub.branches["main"] = {}
            self.hub.private = asked.get("visibility") == "private"
            return self.answer({"url": f"{self.hub.endpoint}/org/name"})
        return self.answer({"url": f"{self.hub.endpoint}/org/name"}, 409)

    def _batch(self, asked: dict[str, Any]) -> None:
        objects = []
        for one in asked["objects"]:
            told = {"oid": one["oid"], "size": one["size"]}
            if one["oid"] not in self.hub.objects:
                signed = f"{self.hub.endpoint}/lfs/{one['oid']}?signature=of-nobody"
                told["actions"] = {"upload": {"href": signed}}
            objects.append(told)
        self.answer({"transfer": "basic", "objects": objects})

    def _commit(self, branch: str, body: bytes) -> None:
        if self.hub.busy:
            self.hub.busy -= 1
            return self.answer({}, 503)
        for one in map(json.loads, body.splitlines()):
            value = one["value"]
            if one["key"] == "file":
                self.hub.branches[branch][value["path"]] = base64.b64decode(value["content"])
            elif one["key"] == "lfsFile":
                self.hub.branches[branch][value["path"]] = self.hub.objects[value["oid"]]
        self.hub.commits.append(branch)
        return self.answer({"commitUrl": f"{self.hub.endpoint}/org/name/commit/{'d' * 40}", "commitOid": "d" * 40})
