"""Manifests as clients push them, and as nobody should."""

import contextlib
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from repositories import images
from repositories.images import Kind, MalformedManifest, PartKind, read_config, read_manifest

OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
IN_TOTO = "application/vnd.in-toto+json"


def digest(letter: str) -> str:
    return "sha256:" + letter * 64


def descriptor(letter: str = "a", size: object = 10, **fields: object) -> dict[str, object]:
    return {"mediaType": OCI_LAYER, "digest": digest(letter), "size": size, **fields}


def image(*layers: object, config: object = None, **fields: object) -> dict[str, object]:
    config = config or descriptor("c", mediaType=OCI_CONFIG)
    return {"schemaVersion": 2, "config": config, "layers": list(layers), **fields}


def read(manifest: object, content_type: str = images.OCI_MANIFEST) -> images.Contents:
    return read_manifest(json.dumps(manifest).encode(), content_type)


MALFORMED = {
    "nothing": b"",
    "no JSON": b"{",
    "no UTF-8": b'{"a": "\xff"}',
    "a list": b"[]",
    "NaN": b'{"layers": NaN}',
    "too deep": b'{"layers": ' + b"[" * 100_000,
    "a number without end": b'{"schemaVersion": ' + b"9" * 5000 + b"}",
    "neither layers nor children": b'{"schemaVersion": 2}',
    "no config": json.dumps({"layers": []}).encode(),
    "layers as an object": json.dumps(image() | {"layers": {}}).encode(),
    "a layer as text": json.dumps(image("x")).encode(),
    "no digest": json.dumps(image({"size": 1})).encode(),
    "a digest with a line feed": json.dumps(image(descriptor() | {"digest": digest("a") + "\n"})),
    "no size": json.dumps(image({"digest": digest("a")})).encode(),
    "a size as text": json.dumps(image(descriptor(size="10"))).encode(),
    "a size as a float": json.dumps(image(descriptor(size=1.5))).encode(),
    "a size as a boolean": json.dumps(image(descriptor(size=True))).encode(),
    "a negative size": json.dumps(image(descriptor(size=-1))).encode(),
    "a size over 2^63": json.dumps(image(descriptor(size=2**63))).encode(),
    "a sum over 2^63": json.dumps(image(descriptor(size=2**63 - 1), descriptor("b"))).encode(),
    "too many layers": json.dumps(image(*[descriptor()] * 2001)).encode(),
    "a child that is none": json.dumps({"manifests": [None]}).encode(),
}


@pytest.mark.parametrize("content", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_manifest_is_told_in_a_sentence(content):
    content = content.encode() if isinstance(content, str) else content
    with pytest.raises(MalformedManifest, match=r"^[A-Z].*\.$"):
        read_manifest(content)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
FIELDS = ["schemaVersion", "mediaType", "config", "layers", "manifests", "annotations", "subject"]
FIELDS += ["os", "created", "history", "fsLayers", "artifactType"]


@settings(deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(FIELDS), JSON))
def test_no_manifest_and_no_configuration_raises_anything_else(manifest):
    content = json.dumps(manifest).encode()
    for parse in [read_manifest, read_config]:
        with contextlib.suppress(MalformedManifest):
            parse(content)


def test_text_is_what_postgresql_can_store():
    assert images.text("a\0b") == "a\N{REPLACEMENT CHARACTER}b"
    assert images.text(json.loads(r'"\ud800"')) == "?"
    assert images.text("a" * 5000) == "a" * 4096
    assert images.text(["a"]) == ""


def test_an_image_of_docker():
    manifest = image(descriptor("a", 100), descriptor("b", 20), mediaType=images.DOCKER_MANIFEST)
    contents = read(manifest, "")
    assert contents.kind == Kind.IMAGE
    assert contents.media_type == images.DOCKER_MANIFEST
    assert contents.size_bytes == 130
    assert contents.has_image_config
    assert [part.kind for part in contents.parts] == ["config", "layer", "layer"]


def test_the_content_type_counts_where_the_body_is_silent():
    assert read(image(), "application/vnd.oci.image.manifest.v1+json; x=y").media_type == (
        images.OCI_MANIFEST
    )


def test_a_build_cache_is_no_image_index_though_it_is_written_as_one():
    """Its children are layers: nobody should look for manifests of these digests."""
    cache = descriptor("c", mediaType="application/vnd.buildkit.cacheconfig.v0")
    contents = read({"schemaVersion": 2, "manifests": [descriptor("a"), cache]}, images.OCI_INDEX)

    assert contents.kind == Kind.ARTIFACT
    assert contents.artifact_type == "application/vnd.buildkit.cacheconfig.v0"
    assert [part.kind for part in contents.parts] == [PartKind.LAYER, PartKind.CONFIG]
    assert contents.size_bytes == 20

    endless = descriptor("a", size=images.MAX_SIZE)
    with pytest.raises(MalformedManifest):
        read({"schemaVersion": 2, "manifests": [endless, cache]}, images.OCI_INDEX)


def test_an_image_index_and_its_attestations():
    amd64 = descriptor("a", platform={"os": "linux", "architecture": "amd64"})
    arm = descriptor("b", platform={"os": "linux", "architecture": "arm", "variant": "v7"})
    attestation = descriptor(
        "d",
        platform={"os": "unknown", "architecture": "unknown"},
        annotations={
            "vnd.docker.reference.type": "attestation-manifest",
            "vnd.docker.reference.digest": digest("a"),
        },
    )
    bare = descriptor("e")
    contents = read({"schemaVersion": 2, "manifests": [amd64, arm, attestation, bare]}, "")

    assert contents.kind == Kind.INDEX
    assert contents.size_bytes is None
    platforms = [(part.platform, part.is_attestation) for part in contents.parts]
    assert platforms == [
        ("linux/amd64", False),
        ("linux/arm/v7", False),
        ("", True),
        ("", False),
    ]


KINDS = {
    "BuildKit's, old": (image(descriptor(mediaType=IN_TOTO)), Kind.ATTESTATION, IN_TOTO),
    "BuildKit's, new": (
        image(
            descriptor(mediaType=IN_TOTO),
            config=descriptor("c", mediaType=images.OCI_EMPTY),
            artifactType="application/vnd.docker.attestation.manifest.v1+json",
        ),
        Kind.ATTESTATION,
        "application/vnd.docker.attestation.manifest.v1+json",
    ),
    "a Helm chart": (
        image(
            descriptor(mediaType="application/vnd.cncf.helm.chart.content.v1.tar+gzip"),
            config=descriptor("c", mediaType="application/vnd.cncf.helm.config.v1+json"),
        ),
        Kind.ARTIFACT,
        "application/vnd.cncf.helm.config.v1+json",
    ),
    "WebAssembly": (
        image(
            descriptor(mediaType="application/wasm"),
            config=descriptor("c", mediaType="application/vnd.wasm.config.v0+json"),
        ),
        Kind.ARTIFACT,
        "application/vnd.wasm.config.v0+json",
    ),
    "a signature of cosign": (
        image(descriptor(mediaType="application/vnd.dev.cosign.simplesigning.v1+json")),
        Kind.ARTIFACT,
        "application/vnd.dev.cosign.simplesigning.v1+json",
    ),
    "a file of oras": (
        image(
            descriptor(mediaType="text/plain"),
            config=descriptor("c", mediaType=images.OCI_EMPTY),
        ),
        Kind.ARTIFACT,
        "text/plain",
    ),
    "an image without layers": (image(), Kind.IMAGE, ""),
    "an image of Windows": (
        image(
            descriptor(mediaType="application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"),
            config=descriptor("c", mediaType="application/vnd.docker.container.image.v1+json"),
        ),
        Kind.IMAGE,
        "",
    ),
    "an image in zstd": (
        image(descriptor(mediaType="application/vnd.oci.image.layer.v1.tar+zstd")),
        Kind.IMAGE,
        "",
    ),
}


@pytest.mark.parametrize(("manifest", "kind", "artifact_type"), KINDS.values(), ids=KINDS)
def test_what_it_is(manifest, kind, artifact_type):
    contents = read(manifest)
    assert (contents.kind, contents.artifact_type) == (kind, artifact_type)


def test_what_it_is_about():
    assert read(image(subject=descriptor("f"))).subject_digest == digest("f")
    assert read(image(subject={"digest": "sha512:" + "0" * 128})).subject_digest == ""
    assert read(image(subject="x")).subject_digest == ""


def test_schema_1_is_shown_as_such():
    newest = {
        "os": "linux",
        "architecture": "amd64",
        "config": {"Cmd": ["sh"], "Env": ["A=b"]},
        "container_config": {"Cmd": ["/bin/sh", "-c", "#(nop) CMD sh"]},
        "throwaway": True,
    }
    oldest = {"container_config": {"Cmd": ["ADD file"]}}
    manifest = {
        "schemaVersion": 1,
        "fsLayers": [{"blobSum": digest("b")}, {"blobSum": digest("a")}],
        "history": [{"v1Compatibility": json.dumps(layer)} for layer in [newest, oldest]],
    }
    contents = read(manifest, images.DOCKER_SCHEMA1_SIGNED)

    assert contents.kind == Kind.IMAGE
    assert contents.media_type == images.DOCKER_SCHEMA1_SIGNED
    assert contents.size_bytes is None
    assert [part.digest for part in contents.parts] == [digest("a"), digest("b")]
    facts = read_config(contents.inner_config)
    assert (facts.os, facts.cmd, facts.environment) == ("linux", ["sh"], ["A"])
    assert facts.layer_steps == ["ADD file"]
    assert len(facts.history) == 2


def test_a_configuration():
    facts = read_config(
        json.dumps(
            {
                "os": "linux",
                "architecture": "arm64",
                "variant": "v8",
                "created": "2026-01-02T03:04:05.123456789Z",
                "author": "alice",
                "config": {
                    "Entrypoint": ["/app"],
                    "Cmd": ["--serve"],
                    "Env": ["PATH=/bin", "SECRET=hunter2"],
                    "ExposedPorts": {"80/tcp": {}},
                    "Volumes": {"/data": {}},
                    "User": "1000",
                    "WorkingDir": "/srv",
                    "Labels": {"org.opencontainers.image.title": "App", "n": 1},
                },
                "history": [
                    {"created_by": "ADD rootfs.tar"},
                    {"created_by": "ENV SECRET", "empty_layer": True},
                ],
            }
        ).encode()
    )
    assert facts.environment == ["PATH", "SECRET"]
    assert (facts.entrypoint, facts.cmd) == (["/app"], ["--serve"])
    assert (facts.ports, facts.volumes) == (["80/tcp"], ["/data"])
    assert (facts.user, facts.working_dir) == ("1000", "/srv")
    assert facts.labels == {"org.opencontainers.image.title": "App"}
    assert facts.created == "2026-01-02T03:04:05.123456789Z"
    assert facts.layer_steps == ["ADD rootfs.tar"]


def test_what_is_odd_in_a_configuration_is_left_out():
    odd = {"os": 1, "created": "2026-02-31T00:00:00Z", "config": [], "history": {"a": 1}}
    assert read_config(json.dumps(odd).encode()) == images.ImageFacts()
    odd = {"config": {"Cmd": "sh -c x", "Env": {"A": 1}, "Labels": ["x"], "ExposedPorts": "80"}}
    assert read_config(json.dumps(odd).encode()) == images.ImageFacts(cmd=["sh -c x"])


def test_parts_keep_their_order():
    contents = read(image(*[descriptor(letter) for letter in "fab"]))
    assert contents.config is not None
    assert [part.digest for part in contents.parts if part.kind == PartKind.LAYER] == [
        digest(letter) for letter in "fab"
    ]
