"""A store on this machine that speaks as much S3 as publishing needs."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

KEY, SECRET = "AKIDOFNOBODY", "secret-of-nobody"


@dataclass
class Upload:
    """An upload in parts that has begun."""

    key: str
    digest: str
    parts: dict[int, bytes] = field(default_factory=dict)


@dataclass
class Bucket:
    """What a store holds, what is wrong with it, and what was sent to it."""

    name: str = "models"
    objects: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    """Key -> content, and its checksum as it was given."""
    uploads: dict[str, Upload] = field(default_factory=dict)
    sent: list[tuple[str, int]] = field(default_factory=list)
    """Key and part, 0 for a whole file, of all that came."""
    stuck_at: int = 0
    """The part that is neither kept nor answered."""
    stuck: threading.Event = field(default_factory=threading.Event)
    """Set when it has begun to come."""
    status: int = 0
    """What everything is answered with, if not 0."""


class Handler(BaseHTTPRequestHandler):
    """Answers of a store."""

    bucket: Bucket
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def _asked(self) -> tuple[str, dict[str, str], bytes]:
        address = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(address.query, keep_blank_values=True).items()}
        name, _, key = unquote(address.path).removeprefix("/").partition("/")
        size = int(self.headers.get("Content-Length") or 0)
        return (key if name == self.bucket.name else "?", query, self.rfile.read(size))

    def _answer(self, status: int, content: str = "", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if "Content_Length" not in headers:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content.encode())

    def do_HEAD(self) -> None:
        """Tell of the bucket or an object."""
        key, _, _ = self._asked()
        if self.bucket.status:
            return self._answer(self.bucket.status)
        if key == "":
            return self._answer(200)
        if key not in self.bucket.objects:
            return self._answer(404)
        content, digest = self.bucket.objects[key]
        return self._answer(200, Content_Length=str(len(content)), x_amz_meta_sha256=digest)

    def do_PUT(self) -> None:
        """Take a file or a part of one."""
        key, query, body = self._asked()
        number = int(query.get("partNumber", 0))
        if number and number == self.bucket.stuck_at:
            self.bucket.stuck.set()
            self.rfile.read()  # until the sender is dead
            self.close_connection = True
            return
        if number:
            self.bucket.uploads[query["uploadId"]].parts[number] = body
        else:
            self.bucket.objects[key] = (body, self.headers["x-amz-meta-sha256"])
        self.bucket.sent.append((key, number))
        self._answer(200, ETag=f'"{hashlib.md5(body).hexdigest()}"')

    def do_POST(self) -> None:
        """Begin an upload, or end one."""
        key, query, _ = self._asked()
        if "uploads" in query:
            name = f"upload-{len(self.bucket.uploads)}"
            self.bucket.uploads[name] = Upload(key, self.headers["x-amz-meta-sha256"])
            return self._answer(200, f"<R><UploadId>{name}</UploadId></R>")
        upload = self.bucket.uploads.pop(query["uploadId"])
        whole = b"".join(upload.parts[number] for number in sorted(upload.parts))
        self.bucket.objects[upload.key] = (whole, upload.digest)
        return self._answer(200, "<R></R>")

    def do_GET(self) -> None:
        """List the parts of an upload."""
        _, query, _ = self._asked()
        if query["uploadId"] not in self.bucket.uploads:
            return self._answer(404, "<Error><Code>NoSuchUpload</Code></Error>")
        parts = self.bucket.uploads[query["uploadId"]].parts
        told = "".join(
            f'<Part><PartNumber>{number}</PartNumber><ETag>"{hashlib.md5(body).hexdigest()}"</ETag></Part>'
            for number, body in parts.items()
        )
        return self._answer(200, f"<R><IsTruncated>false</IsTruncated>{told}</R>")
