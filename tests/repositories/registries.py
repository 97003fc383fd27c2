"""Registries to test against: a strict one that fails as it is told, and the real one."""

import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from repositories import images, registry_tokens
from repositories.v2 import grants

CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def blob(content: bytes, media_type: str) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest_of(content), "size": len(content)}


def image_of(text: str = "hello", **config: Any) -> tuple[bytes, dict[str, bytes]]:
    """A small image: its manifest, and the blobs that it needs by digest."""
    layer = text.encode()
    configuration = json.dumps(
        {
            "os": "linux",
            "architecture": "amd64",
            "config": {"Cmd": ["/hello"]},
            "history": [{"created_by": f"COPY {text}"}],
            **config,
        }
    ).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": images.OCI_MANIFEST,
        "config": blob(configuration, CONFIG_TYPE),
        "layers": [blob(layer, LAYER_TYPE)],
    }
    blobs = {digest_of(content): content for content in [layer, configuration]}
    return json.dumps(manifest).encode(), blobs


def index_of(*manifests: bytes) -> bytes:
    children = [
        {**blob(content, images.OCI_MANIFEST), "platform": {"os": "linux", "architecture": arch}}
        for content, arch in zip(manifests, ["amd64", "arm64"], strict=False)
    ]
    index = {"schemaVersion": 2, "mediaType": images.OCI_INDEX, "manifests": children}
    return json.dumps(index).encode()


class FakeRegistry(ThreadingHTTPServer):
    """Answers as Distribution does, to tokens that it would take, unless ``fault`` says how not.

    ``fault`` gets method and address, and names a way to fail, or gives None.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.tags: dict[str, dict[str, str]] = defaultdict(dict)
        self.manifests: dict[str, dict[str, tuple[str, bytes]]] = defaultdict(dict)
        self.blobs: dict[str, bytes] = {}
        self.fault: Callable[[str, str], str | None] = lambda method, address: None
        self.page_size = 1000
        self.asked: list[str] = []
        self.stopping = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def push(
        self, path: str, tag: str = "", text: str = "hello", *, content: bytes = b"", **config: Any
    ) -> str:
        """Put an image (or ``content``) there, as if a client had; its digest."""
        if not content:
            content, blobs = image_of(text, **config)
            self.blobs |= blobs
        digest = digest_of(content)
        media_type = json.loads(content).get("mediaType", images.OCI_MANIFEST)
        self.manifests[path][digest] = (media_type, content)
        if tag:
            self.tags[path][tag] = digest
        return digest

    def wipe(self) -> None:
        """The disk is empty."""
        self.tags.clear()
        self.manifests.clear()


@contextmanager
def fake_registry() -> Iterator[FakeRegistry]:
    with FakeRegistry() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.stopping.set()
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FakeRegistry

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self.server.asked.append(f"{self.command} {self.path}")
        fault = self.server.fault(self.command, self.path)
        if fault == "timeout":
            self.server.stopping.wait(30)
            self.close_connection = True
        elif fault == "no answer":
            self.close_connection = True
        elif fault in {"401", "403", "500", "503"}:
            self._error(int(fault), "UNAUTHORIZED" if fault == "401" else "UNKNOWN")
        elif fault == "somebody's 404":
            self._answer(404, b"<h1>Not found</h1>", {"Content-Type": "text/html"})
        else:
            self._route(fault)

    do_HEAD = do_GET

    def _route(self, fault: str | None) -> None:
        address = urlsplit(self.path)
        query = parse_qs(address.query)
        if address.path == "/v2/_catalog":
            if self._may("registry", "catalog", "*"):
                names = sorted(set(self.server.tags) | set(self.server.manifests))
                self._list(names, query, {}, "repositories", fault)
            return
        match = re.fullmatch(r"/v2/(.+)/(tags/list|manifests/(.+)|blobs/(.+))", address.path)
        if match is None:
            return self._answer(404, b"404 page not found\n", {"Content-Type": "text/plain"})
        path, _, reference, blob_digest = match.groups()
        if not self._may("repository", path, "pull"):
            return None
        if reference:
            return self._manifest(path, reference, fault)
        if blob_digest:
            content = self.server.blobs.get(blob_digest)
            if content is None:
                return self._error(404, "BLOB_UNKNOWN")
            return self._answer(200, content, {"Docker-Content-Digest": blob_digest}, fault)
        if not self.server.tags.get(path):
            return self._error(404, "NAME_UNKNOWN")
        return self._list(sorted(self.server.tags[path]), query, {"name": path}, "tags", fault)

    def _manifest(self, path: str, reference: str, fault: str | None) -> None:
        digest = self.server.tags.get(path, {}).get(reference, reference)
        stored = self.server.manifests.get(path, {}).get(digest)
        if stored is None or stored[0] not in self.headers.get("Accept", ""):
            return self._error(404, "MANIFEST_UNKNOWN")
        if self.headers.get("If-None-Match") == f'"{digest}"':
            return self._answer(304, b"", {})
        media_type, content = stored
        content = b"other bytes" if fault == "other bytes" else content
        headers = {"Content-Type": media_type, "Docker-Content-Digest": digest}
        return self._answer(200, content, headers, fault)

    def _list(
        self, names: list[str], query: Any, body: dict[str, Any], key: str, fault: str | None
    ) -> None:
        size = min(int(query.get("n", ["1000"])[0]), self.server.page_size)
        if fault == "half the entries":
            names = names[: len(names) // 2]
        names = [name for name in names if name > query.get("last", [""])[0]]
        headers = {"Content-Type": "application/json"}
        if len(names) > size:
            path = urlsplit(self.path).path
            headers["Link"] = f'<{path}?last={names[size - 1]}&n={size}>; rel="next"'
        answer: Any = {**body, key: names[:size] or None}
        if fault == "a list of numbers":
            answer = {key: [1, 2]}
        self._answer(200, json.dumps(answer).encode(), headers, fault)

    def _may(self, kind: str, name: str, action: str) -> bool:
        claims = registry_tokens.verify(self.headers["Authorization"].removeprefix("Bearer "))
        if action in grants(claims, kind, name):
            return True
        self._error(401, "UNAUTHORIZED")
        return False

    def _error(self, status: int, code: str) -> None:
        body = {"errors": [{"code": code, "message": "no", "detail": {}}]}
        self._answer(status, json.dumps(body).encode(), {"Content-Type": "application/json"})

    def _answer(
        self, status: int, content: bytes, headers: dict[str, str], fault: str | None = None
    ) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "HEAD" or status == 304:
            return
        if fault == "half the bytes":
            content = content[: len(content) // 2]
            self.close_connection = True
        self.wfile.write(content)


CONFIGURATION = """
version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {root}}}, delete: {{enabled: true}}}}
auth: {{token: {{realm: http://localhost:8080/token, service: "localhost:8080", issuer: gantry,
  rootcertbundle: {bundle}}}}}
http: {{addr: "127.0.0.1:{port}", secret: x, relativeurls: true}}
"""
NOTIFICATIONS = """
notifications:
  events: {{includereferences: true}}
  endpoints:
    - name: gantry
      url: {url}/hooks/registry
      headers: {{Authorization: ["Bearer {secret}"]}}
      timeout: 5s
      threshold: 3
      backoff: 200ms
      ignoredmediatypes: [application/octet-stream]
"""


class RealRegistry:
    """Debian's docker-registry on a free port, and what a client needs to push to it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.client = httpx.Client(base_url=url)

    def ask(
        self,
        method: str,
        address: str,
        subject: str = "alice",
        content: bytes | None = None,
        **headers: str,
    ) -> httpx.Response:
        """A request with a token that may do everything in its repository."""
        path = address.removeprefix("/v2/").split("/manifests/")[0].split("/blobs/")[0]
        access = [{"type": "repository", "name": path, "actions": ["pull", "push", "delete"]}]
        token = registry_tokens._sign(subject, access, {}).token
        return self.client.request(
            method,
            address,
            content=content,
            headers={"Authorization": f"Bearer {token}", "Accept": "*/*", **headers},
        )

    def push(self, path: str, tag: str = "", text: str = "hello", *, content: bytes = b"") -> str:
        blobs: dict[str, bytes] = {}
        if not content:
            content, blobs = image_of(text)
        for digest, data in blobs.items():
            start = self.ask("POST", f"/v2/{path}/blobs/uploads/")
            assert start.status_code == 202, start.text
            location = start.headers["Location"]
            done = self.ask("PUT", f"{location}&digest={digest}", content=data)
            assert done.status_code == 201, done.text
        digest = digest_of(content)
        media_type = json.loads(content)["mediaType"]
        address = f"/v2/{path}/manifests/{tag or digest}"
        done = self.ask("PUT", address, content=content, **{"Content-Type": media_type})
        assert done.status_code == 201, done.text
        return digest

    def delete(self, path: str, digest: str) -> None:
        assert self.ask("DELETE", f"/v2/{path}/manifests/{digest}").status_code == 202


@contextmanager
def real_registry(folder: Path, notify: str = "", secret: str = "") -> Iterator[RealRegistry]:
    program = os.environ.get("REGISTRY_BIN") or shutil.which("docker-registry")
    if program is None:
        assert not os.environ.get("CI"), "docker-registry is missing: apt-get install it"
        pytest.skip("needs docker-registry (Debian's package of that name)")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    configuration = CONFIGURATION.format(
        root=folder / "images", bundle=registry_tokens.bundle_path(), port=port
    )
    if notify:
        configuration += NOTIFICATIONS.format(url=notify, secret=secret)
    path = folder / "registry.yml"
    path.write_text(configuration)
    process = subprocess.Popen(
        [program, "serve", str(path)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    registry = RealRegistry(f"http://127.0.0.1:{port}")
    try:
        until(lambda: _answers(registry.client))
        yield registry
    finally:
        registry.client.close()
        process.terminate()
        process.wait(10)


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/v2/").status_code == 401
    except httpx.TransportError:
        return False


def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Wait for what another process or thread does."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "it didn't happen"
        pause.wait(0.02)
