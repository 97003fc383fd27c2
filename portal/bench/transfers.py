"""How long pushing and pulling a large image takes, through the index and without it."""

import gzip
import hashlib
import json
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from portal.bench.index import USERNAME, Index, bare_registry, run

LAYERS = 10
LAYER_BYTES = 20_000_000
ROUNDS = 3
MEDIA_TYPE = "application/vnd.oci.image."


@dataclass(frozen=True)
class Figures:
    """Medians of some rounds. ``ratio`` is how much longer it takes through the index."""

    name: str
    index_seconds: float
    bare_seconds: float
    ratio: float


def measure(index: Index, folder: Path) -> list[Figures]:
    """Each round a new image, since a registry that has a layer isn't sent it again."""
    pushes: dict[str, list[float]] = {"index": [], "bare": []}
    pulls: dict[str, list[float]] = {"index": [], "bare": []}
    credentials = ["--dest-creds", f"{USERNAME}:{index.access_token}"]
    with bare_registry(index, folder) as bare_host:
        for number in range(ROUNDS):
            image = folder / f"image-{number}"
            make_image(image)
            path = f"{USERNAME}/image-{number}"
            places = [
                ("index", f"{index.host}/{path}", credentials),
                ("bare", f"{bare_host}/{path}", ["--dest-no-creds"]),
            ]
            for kind, reference, login in places if number % 2 else places[::-1]:
                pushes[kind].append(_copy(f"oci:{image}:latest", f"docker://{reference}", *login))
            for kind, reference, _login in places if number % 2 else places[::-1]:
                target = folder / "pulled"
                pulls[kind].append(
                    _copy(f"docker://{reference}", f"dir:{target}", "--src-no-creds")
                )
                shutil.rmtree(target)
            shutil.rmtree(image)
    name = f"{LAYERS} layers, {LAYERS * LAYER_BYTES // 1_000_000} MB"
    return [_figures(f"push of {name}", pushes), _figures(f"pull of {name}", pulls)]


def make_image(folder: Path) -> None:
    """An OCI layout with layers of noise, which nobody can compress further."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    # Stored in gzip's frame: skopeo compresses what isn't, and that would be measured.
    layers = [
        _write(blobs, gzip.compress(os.urandom(LAYER_BYTES), 0), "layer.v1.tar+gzip")
        for _ in range(LAYERS)
    ]
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"] for layer in layers]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": MEDIA_TYPE + "manifest.v1+json",
        "config": _write(blobs, _json(config), "config.v1+json"),
        "layers": layers,
    }
    named = _write(blobs, _json(manifest), "manifest.v1+json")
    named["annotations"] = {"org.opencontainers.image.ref.name": "latest"}
    (folder / "index.json").write_bytes(_json({"schemaVersion": 2, "manifests": [named]}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')


def _figures(name: str, seconds: dict[str, list[float]]) -> Figures:
    index, bare = median(seconds["index"]), median(seconds["bare"])
    return Figures(name, round(index, 2), round(bare, 2), round(index / bare, 2))


def _copy(source: str, target: str, *options: str) -> float:
    """Seconds that skopeo takes."""
    started_at = time.monotonic()
    insecure = ["--insecure-policy"]
    tls = ["--src-tls-verify=false", "--dest-tls-verify=false"]
    run(["skopeo", *insecure, "copy", "-q", *tls, *options, source, target])
    return time.monotonic() - started_at


def _write(blobs: Path, content: bytes, kind: str) -> dict[str, object]:
    name = hashlib.sha256(content).hexdigest()
    (blobs / name).write_bytes(content)
    digest = f"sha256:{name}"
    return {"mediaType": MEDIA_TYPE + kind, "digest": digest, "size": len(content)}


def _json(value: object) -> bytes:
    return json.dumps(value).encode()
