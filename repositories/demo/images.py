"""Invented images: manifests and configurations as a build would have written them. Pure."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from random import Random

from repositories.images import OCI_INDEX, OCI_MANIFEST

CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Layer:
    digest: str
    size_bytes: int
    created_by: str

    def on(self, platform: str) -> "Layer":
        """The same layer of another platform: other bytes, much the same size."""
        digest = digest_of(f"{self.digest} {platform}".encode())
        size = int(self.size_bytes * Random(digest).uniform(0.9, 1.05))  # noqa: S311
        return replace(self, digest=digest, size_bytes=size)


Layers = tuple[Layer, ...]


@dataclass(frozen=True)
class Image:
    """The bytes of one manifest; of an image index, without a configuration."""

    media_type: str
    content: bytes
    config: bytes = b""
    children: tuple["Image", ...] = ()

    @property
    def digest(self) -> str:
        return digest_of(self.content)


@dataclass(frozen=True)
class Recipe:
    """How images of one kind are run, and what lies on top of their base."""

    base: str  # the top-level repository that they are built from
    steps: tuple[str, ...]
    megabytes: int  # of these steps together
    command: tuple[str, ...]
    port: int = 0


def digest_of(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def layers_of(seed: str, steps: Sequence[str], megabytes: float) -> Layers:
    """Layers of an invented content: the same seed has the same digests, so images share them."""
    random = Random(seed)  # noqa: S311
    weights = [random.uniform(0.1, 1) ** 2 for _ in steps]
    return tuple(
        Layer(
            digest_of(f"{seed} {step}".encode()),
            int(megabytes * MEGABYTE * weight / sum(weights)) + 200,
            step,
        )
        for step, weight in zip(steps, weights, strict=True)
    )


def image(
    platform: str,
    layers: Layers,
    created: datetime,
    command: Sequence[str],
    *,
    port: int = 0,
    labels: dict[str, str] | None = None,
) -> Image:
    """One image for one platform, ``linux/arm64`` or ``linux/arm/v7``."""
    os, architecture, variant = f"{platform}//".split("/")[:3]
    steps = [(layer.created_by, False) for layer in layers]
    steps.append((f"CMD {json.dumps(list(command))}", True))
    config = _json(
        {
            "architecture": architecture,
            "os": os,
            **({"variant": variant} if variant else {}),
            "created": _time(created),
            "config": {
                "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
                "Cmd": list(command),
                "WorkingDir": "/",
                **({"ExposedPorts": {f"{port}/tcp": {}}} if port else {}),
                **({"Labels": labels} if labels else {}),
            },
            "rootfs": {"type": "layers", "diff_ids": [_unpacked(layer) for layer in layers]},
            "history": [
                {"created": _time(created), "created_by": step, "empty_layer": is_empty}
                for step, is_empty in steps
            ],
        }
    )
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": CONFIG, "digest": digest_of(config), "size": len(config)},
        "layers": [
            {"mediaType": LAYER, "digest": layer.digest, "size": layer.size_bytes}
            for layer in layers
        ],
    }
    return Image(OCI_MANIFEST, _json(manifest), config)


def image_index(images: dict[str, Image]) -> Image:
    """One image for several platforms."""
    children = [
        {
            "mediaType": child.media_type,
            "digest": child.digest,
            "size": len(child.content),
            "platform": dict(
                zip(["os", "architecture", "variant"], platform.split("/"), strict=False)
            ),
        }
        for platform, child in images.items()
    ]
    content = _json({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": children})
    return Image(OCI_INDEX, content, children=tuple(images.values()))


def _unpacked(layer: Layer) -> str:
    return digest_of(f"unpacked {layer.digest}".encode())


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
