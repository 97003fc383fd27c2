"""What a manifest says: bytes in, plain values out. Pure.

Everything here was written by strangers. What can't be right raises ``MalformedManifest`` with
a sentence for the page; what is merely odd in a configuration is left out, so that one wrong
label doesn't hide an image.

Sources: OCI Image Format Specification 1.1; Docker Image Manifest V2, schema 1 and 2;
BuildKit, docs/attestations/attestation-storage.md.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn

from django.utils.dateparse import parse_datetime

from repositories.artifacts import BUILD_CACHE
from repositories.models import Manifest, ManifestPart

Kind = Manifest.Kind
PartKind = ManifestPart.Kind

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_EMPTY = "application/vnd.oci.empty.v1+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_SCHEMA1 = "application/vnd.docker.distribution.manifest.v1+json"
DOCKER_SCHEMA1_SIGNED = "application/vnd.docker.distribution.manifest.v1+prettyjws"
# In this order, in the Accept header of every manifest request.
MEDIA_TYPES = [
    OCI_INDEX,
    OCI_MANIFEST,
    DOCKER_LIST,
    DOCKER_MANIFEST,
    DOCKER_SCHEMA1_SIGNED,
    DOCKER_SCHEMA1,
]
IMAGE_CONFIGS = {
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
}
ATTESTATION_TYPES = {
    "application/vnd.docker.attestation.manifest.v1+json",
    "application/vnd.in-toto+json",
}

MAX_CONFIG_BYTES = 4 * 1024 * 1024  # as the registry's own limit for manifests
MAX_SIZE = 2**63 - 1  # PostgreSQL's bigint; also Go's int64, which clients read sizes into
# docker stops at 127 layers; an index that lists attachments may have many more children.
MAX_PARTS = 2000
MAX_HISTORY = 1000
MAX_ENTRIES = 200  # labels, annotations, ports, …: what a page can show
MAX_TEXT = 4096  # of one value; a RUN instruction with a here-document may be long

_DIGEST = re.compile(r"[a-z0-9]+(?:[+._-][a-z0-9]+)*:[a-fA-F0-9]{32,128}")
_SHA256 = re.compile(r"sha256:[0-9a-f]{64}")
LAYER_PREFIXES = ("application/vnd.oci.image.layer.", "application/vnd.docker.image.rootfs.")


class MalformedManifest(ValueError):
    """A manifest or configuration can't be what it should be; the message is for the page."""


@dataclass(frozen=True)
class Part:
    """A descriptor: the configuration, a layer, or a child of an image index."""

    kind: ManifestPart.Kind
    digest: str
    size_bytes: int
    media_type: str = ""
    platform: str = ""
    is_attestation: bool = False
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Contents:
    """What the bytes of one manifest say."""

    kind: Manifest.Kind
    media_type: str
    artifact_type: str = ""
    subject_digest: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict)
    parts: tuple[Part, ...] = ()
    # Of schema 1 alone: its configuration is in the manifest itself.
    inner_config: bytes = b""

    @property
    def config(self) -> Part | None:
        return next((part for part in self.parts if part.kind == PartKind.CONFIG), None)

    @property
    def has_image_config(self) -> bool:
        """Whether the configuration says how to run this, and is worth fetching."""
        return self.kind == Kind.IMAGE and self.config is not None

    @property
    def size_bytes(self) -> int | None:
        """Bytes that a client downloads at most: configuration and layers, compressed.

        None for an image index, whose children have sizes of their own, and for schema 1,
        which has none.
        """
        if self.kind == Kind.INDEX or self.media_type in {DOCKER_SCHEMA1, DOCKER_SCHEMA1_SIGNED}:
            return None
        return sum(part.size_bytes for part in self.parts)


@dataclass(frozen=True)
class Step:
    """A line of an image's history: the instruction that made it."""

    created_by: str
    is_empty: bool  # made no layer: ENV, CMD and the like
    created: str = ""
    comment: str = ""


@dataclass(frozen=True)
class ImageFacts:
    """What people ask of an image. Its fields are the keys of ``Manifest.facts``."""

    os: str = ""
    architecture: str = ""
    variant: str = ""
    created: str = ""  # RFC 3339; empty if the image doesn't say
    author: str = ""
    entrypoint: list[str] = field(default_factory=list)
    cmd: list[str] = field(default_factory=list)
    working_dir: str = ""
    user: str = ""
    ports: list[str] = field(default_factory=list)  # "80/tcp"
    volumes: list[str] = field(default_factory=list)
    # Names alone: values may be secrets that somebody built in, and pages are public.
    environment: list[str] = field(default_factory=list)
    labels: dict[str, str] = field(default_factory=dict)
    stop_signal: str = ""
    history: list[Step] = field(default_factory=list)

    @property
    def layer_steps(self) -> list[str]:
        """The instruction behind each layer, lowest first."""
        return [step.created_by for step in self.history if not step.is_empty]


def read_manifest(content: bytes, content_type: str = "") -> Contents:
    """What a manifest's bytes say. Raises MalformedManifest."""
    manifest = _json_object(content, "The manifest")
    media_type = text(manifest.get("mediaType"), 255) or content_type.partition(";")[0].strip()
    if manifest.get("schemaVersion") == 1:
        return _read_schema1(manifest, media_type)
    if isinstance(manifest.get("manifests"), list):
        return _read_index(manifest, media_type or OCI_INDEX)
    if "config" in manifest or "layers" in manifest:
        return _read_image(manifest, media_type or OCI_MANIFEST)
    raise MalformedManifest("The manifest has neither layers nor children.")


def read_config(content: bytes) -> ImageFacts:
    """What an image's configuration says. Raises MalformedManifest if it isn't a JSON object."""
    config = _json_object(content, "The configuration")
    run = config.get("config")
    run = run if isinstance(run, dict) else {}
    created = text(config.get("created"), 64)
    return ImageFacts(
        os=text(config.get("os"), 60),
        architecture=text(config.get("architecture"), 60),
        variant=text(config.get("variant"), 60),
        created=created if _is_time(created) else "",
        author=text(config.get("author"), 200),
        entrypoint=_texts(run.get("Entrypoint")),
        cmd=_texts(run.get("Cmd")),
        working_dir=text(run.get("WorkingDir")),
        user=text(run.get("User"), 200),
        ports=_keys(run.get("ExposedPorts")),
        volumes=_keys(run.get("Volumes")),
        environment=[line.partition("=")[0] for line in _texts(run.get("Env"))],
        labels=_text_map(run.get("Labels")),
        stop_signal=text(run.get("StopSignal"), 60),
        history=_history(config.get("history")),
    )


def text(value: object, limit: int = MAX_TEXT) -> str:
    """``value`` as PostgreSQL can store it; empty if it is no text.

    PostgreSQL has neither NUL nor lone surrogates, and JSON can spell both.
    """
    if not isinstance(value, str):
        return ""
    value = value[:limit].replace("\0", "\N{REPLACEMENT CHARACTER}")
    return value.encode("utf-8", "replace").decode()


def _read_image(manifest: dict[str, Any], media_type: str) -> Contents:
    config = _descriptor(manifest.get("config"), PartKind.CONFIG, "The configuration")
    descriptors = _list(manifest.get("layers", []), "layers")
    layers = tuple(
        _descriptor(layer, PartKind.LAYER, f"Layer {number}")
        for number, layer in enumerate(descriptors, start=1)
    )
    if config.size_bytes + sum(layer.size_bytes for layer in layers) > MAX_SIZE:
        raise MalformedManifest("The sizes of the layers can't be right.")
    kind, artifact_type = _kind_of(text(manifest.get("artifactType"), 255), config, layers)
    return Contents(
        kind=kind,
        media_type=media_type,
        artifact_type=artifact_type,
        subject_digest=_subject(manifest),
        annotations=_text_map(manifest.get("annotations")),
        parts=(config, *layers),
    )


def _kind_of(
    artifact_type: str, config: Part, layers: tuple[Part, ...]
) -> tuple[Manifest.Kind, str]:
    """Image, attestation or artifact; and of the latter two, what they say that they are."""
    layer_types = {layer.media_type for layer in layers}
    if not artifact_type and config.media_type != OCI_EMPTY:
        artifact_type = config.media_type
    if artifact_type in ATTESTATION_TYPES:
        return Kind.ATTESTATION, artifact_type
    if artifact_type not in IMAGE_CONFIGS:
        # Without any type, what it carries says most.
        return Kind.ARTIFACT, artifact_type or min(layer_types, default="")
    if layers and layer_types <= ATTESTATION_TYPES:
        return Kind.ATTESTATION, min(layer_types)
    # Signatures come with an image's configuration, but their layers are no file systems.
    if layers and not any(name.startswith(LAYER_PREFIXES) for name in layer_types):
        return Kind.ARTIFACT, min(layer_types)
    return Kind.IMAGE, ""


def _read_index(manifest: dict[str, Any], media_type: str) -> Contents:
    descriptors = _list(manifest["manifests"], "children")
    children = tuple(
        _descriptor(child, PartKind.CHILD, f"Child {number}")
        for number, child in enumerate(descriptors, start=1)
    )
    if any(child.media_type == BUILD_CACHE for child in children):
        return _build_cache(manifest, media_type, children)
    return Contents(
        kind=Kind.INDEX,
        media_type=media_type,
        artifact_type=text(manifest.get("artifactType"), 255),
        subject_digest=_subject(manifest),
        annotations=_text_map(manifest.get("annotations")),
        parts=children,
    )


def _build_cache(manifest: dict[str, Any], media_type: str, children: tuple[Part, ...]) -> Contents:
    """BuildKit writes its cache as an image index whose children are layers, not manifests."""
    if sum(child.size_bytes for child in children) > MAX_SIZE:
        raise MalformedManifest("The sizes of the layers can't be right.")
    return Contents(
        kind=Kind.ARTIFACT,
        media_type=media_type,
        artifact_type=BUILD_CACHE,
        annotations=_text_map(manifest.get("annotations")),
        parts=tuple(
            replace(
                child,
                kind=PartKind.CONFIG if child.media_type == BUILD_CACHE else PartKind.LAYER,
            )
            for child in children
        ),
    )


def _read_schema1(manifest: dict[str, Any], media_type: str) -> Contents:
    """Docker's old manifest: layers newest first and without sizes, configuration inside."""
    layers = _list(manifest.get("fsLayers"), "layers")
    digests = [layer.get("blobSum") if isinstance(layer, dict) else None for layer in layers]
    parts = tuple(
        Part(PartKind.LAYER, _digest(digest, f"Layer {number}"), 0)
        for number, digest in enumerate(reversed(digests), start=1)
    )
    return Contents(
        kind=Kind.IMAGE,
        media_type=media_type or DOCKER_SCHEMA1,
        parts=parts,
        inner_config=_schema1_config(manifest),
    )


def _schema1_config(manifest: dict[str, Any]) -> bytes:
    """The newest layer's ``v1Compatibility``, as today's configurations are written."""
    newest: dict[str, Any] = {}
    steps = []
    history = manifest.get("history")
    for entry in (history if isinstance(history, list) else [])[:MAX_HISTORY]:
        inner = entry.get("v1Compatibility") if isinstance(entry, dict) else None
        layer = (
            _json_object(inner.encode("utf-8", "replace"), "The history")
            if isinstance(inner, str)
            else {}
        )
        newest = newest or layer
        made_by = layer.get("container_config")
        command = _texts(made_by.get("Cmd")) if isinstance(made_by, dict) else []
        step = {"created_by": " ".join(command), "created": layer.get("created")}
        steps.append({**step, "empty_layer": layer.get("throwaway") is True})
    names = ["os", "architecture", "created", "author", "config"]
    kept = {name: newest.get(name) for name in names}
    return json.dumps({**kept, "history": steps[::-1]}).encode()


def _descriptor(value: object, kind: ManifestPart.Kind, what: str) -> Part:
    if not isinstance(value, dict):
        raise MalformedManifest(f"{what} is not a descriptor.")
    size = value.get("size")
    if type(size) is not int or not 0 <= size <= MAX_SIZE:
        raise MalformedManifest(f"{what} has no size that can be right.")
    annotations = _text_map(value.get("annotations"))
    platform = _platform(value.get("platform"))
    return Part(
        kind=kind,
        digest=_digest(value.get("digest"), what),
        size_bytes=size,
        media_type=text(value.get("mediaType"), 255),
        platform="" if platform.startswith("unknown/") else platform,
        is_attestation=platform == "unknown/unknown" or "vnd.docker.reference.type" in annotations,
        annotations=annotations,
    )


def _digest(value: object, what: str) -> str:
    if not isinstance(value, str) or not _DIGEST.fullmatch(value) or len(value) > 140:
        raise MalformedManifest(f"{what} has no digest.")
    return value


def _platform(value: object) -> str:
    if not isinstance(value, dict):
        return ""
    parts = [text(value.get(name), 59) for name in ["os", "architecture", "variant"]]
    return "/".join(part for part in parts if part)


def _subject(manifest: dict[str, Any]) -> str:
    subject = manifest.get("subject")
    digest = subject.get("digest") if isinstance(subject, dict) else None
    return digest if isinstance(digest, str) and _SHA256.fullmatch(digest) else ""


def _history(value: object) -> list[Step]:
    if not isinstance(value, list):
        return []
    return [
        Step(
            created_by=text(step.get("created_by")),
            is_empty=step.get("empty_layer") is True,
            created=text(step.get("created"), 64),
            comment=text(step.get("comment"), 200),
        )
        for step in value[:MAX_HISTORY]
        if isinstance(step, dict)
    ]


def _list(value: object, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise MalformedManifest(f"The manifest has no list of {what}.")
    if len(value) > MAX_PARTS:
        raise MalformedManifest(f"The manifest has more than {MAX_PARTS} {what}.")
    return value


def _texts(value: object) -> list[str]:
    """A list of texts; a single text counts as a list of one, as in old images."""
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, list):
        return []
    return [text(item) for item in value[:MAX_ENTRIES] if isinstance(item, str)]


def _keys(value: object) -> list[str]:
    """Sets are written as objects with empty values."""
    return [text(key, 200) for key in list(value)[:MAX_ENTRIES]] if isinstance(value, dict) else []


def _text_map(value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        return {}
    entries = [(key, item) for key, item in value.items() if isinstance(item, str)]
    return {text(key, 200): text(item) for key, item in entries[:MAX_ENTRIES]}


def _is_time(value: str) -> bool:
    try:
        return parse_datetime(value) is not None
    except ValueError:  # well formed, but no such day
        return False


def _json_object(content: bytes, what: str) -> dict[str, Any]:
    try:
        value = json.loads(content, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:  # also bytes that aren't UTF-8
        raise MalformedManifest(f"{what} is not JSON.") from error
    if not isinstance(value, dict):
        raise MalformedManifest(f"{what} is not a JSON object.")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
