"""Images made from nothing, as OCI layouts that skopeo copies anywhere.

Source: OCI Image Layout Specification 1.1 (``oci-layout``, ``index.json``, ``blobs/sha256/``).
"""

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


class Layout:
    """A folder that holds one or more images; ``reference(tag)`` is what skopeo takes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "blobs" / "sha256").mkdir(parents=True)
        (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        self.named: list[dict[str, Any]] = []

    def reference(self, tag: str) -> str:
        return f"oci:{self.folder}:{tag}"

    def blob(self, content: bytes, media_type: str) -> dict[str, Any]:
        digest = hashlib.sha256(content).hexdigest()
        (self.folder / "blobs" / "sha256" / digest).write_bytes(content)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}

    def image(
        self,
        tag: str | None = None,
        *,
        files: dict[str, bytes] | None = None,
        platform: tuple[str, str] = ("linux", "amd64"),
        config: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """An image of one layer that holds ``files``; its descriptor. ``tag`` names it."""
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            for name, content in (files or {"hello": b"hello\n"}).items():
                entry = tarfile.TarInfo(name)
                entry.size, entry.mode = len(content), 0o755
                tar.addfile(entry, io.BytesIO(content))
        layer = self.blob(gzip.compress(archive.getvalue(), mtime=0), LAYER)
        diff_id = f"sha256:{hashlib.sha256(archive.getvalue()).hexdigest()}"
        system, architecture = platform
        configuration = {
            "os": system,
            "architecture": architecture,
            "created": "2026-01-02T03:04:05Z",
            "config": config or {},
            "rootfs": {"type": "layers", "diff_ids": [diff_id]},
            "history": [{"created_by": "COPY hello /hello"}],
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self.blob(json.dumps(configuration).encode(), CONFIG),
            "layers": [layer],
        }
        descriptor = self.blob(json.dumps(manifest).encode(), MANIFEST)
        descriptor["platform"] = {"os": system, "architecture": architecture}
        return self._name(descriptor, tag)

    def index(self, tag: str, children: list[dict[str, Any]]) -> dict[str, Any]:
        """An image index over ``children``; its descriptor."""
        content = {"schemaVersion": 2, "mediaType": INDEX, "manifests": children}
        return self._name(self.blob(json.dumps(content).encode(), INDEX), tag)

    def _name(self, descriptor: dict[str, Any], tag: str | None) -> dict[str, Any]:
        if tag is not None:
            annotations = {"org.opencontainers.image.ref.name": tag}
            self.named.append({**descriptor, "annotations": annotations})
            index = {"schemaVersion": 2, "manifests": self.named}
            (self.folder / "index.json").write_text(json.dumps(index))
        return descriptor
