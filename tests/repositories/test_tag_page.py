"""/r/alice/app/tags/1.0: what one tag is."""

import json
from dataclasses import asdict

import pytest

from repositories.images import read_config
from repositories.models import Manifest, ManifestPart, Tag
from repositories.notifications import Event, record_push
from repositories.tag_page import steps_of
from tests.repositories.pushed import digest_of, push, push_index
from tests.repositories.test_repository_page import text_of

TAG = "/r/alice/app/tags/1.0"
CONFIG = {
    "os": "linux",
    "architecture": "amd64",
    "created": "2026-01-02T03:04:05Z",
    "config": {
        "Entrypoint": ["/usr/bin/<web>"],
        "Cmd": ["--listen", "80"],
        "User": "nobody",
        "ExposedPorts": {"80/tcp": {}},
        "Volumes": {"/data": {}},
        "Env": ["PATH=/bin", "PASSWORD=hunter2"],
        "Labels": {"org.opencontainers.image.licenses": "MIT", "x": "<script>alert(1)</script>"},
    },
    "history": [
        {"created_by": "ADD rootfs.tar /"},
        {"created_by": "ENV PASSWORD", "empty_layer": True},
        {"created_by": "COPY web /usr/bin"},
    ],
}


def push_whole(repository, *tags, **fields):
    """An image with two layers, and everything that a configuration may say."""
    facts = asdict(read_config(json.dumps(CONFIG).encode()))
    manifest = push(repository, *tags, facts=facts, **fields)
    parts = [("config", 0, "config", 900), ("layer", 0, "base", 28_000_000), ("layer", 1, "w", 999)]
    for kind, position, name, size in parts:
        ManifestPart.objects.create(
            manifest=manifest,
            kind=kind,
            position=position,
            digest=digest_of(name),
            size_bytes=size,
            created_by="ADD rootfs.tar /" if name == "base" else "",
        )
    return manifest


@pytest.mark.parametrize("page", ["", "/history"])
def test_of_a_private_repository_is_not_there_for_strangers(client, alices_secret, bob, page):
    push(alices_secret, "1.0")
    record_push(Event("alice/secret", alices_secret.created_at, digest_of("x"), "1.0"))
    for address in ["/r/alice/secret/tags/1.0", "/r/alice/nothing/tags/1.0"]:
        assert client.get(f"{address}{page}").status_code == 404
        client.force_login(bob)
        assert client.get(f"{address}{page}").status_code == 404


@pytest.mark.parametrize("tag", ["2.0", "-", "a%20b", "%00", "a" * 129, "é"])
def test_a_tag_that_never_was_is_not_there(client, alices_app, tag):
    push(alices_app, "1.0")
    assert client.get(f"/r/alice/app/tags/{tag}").status_code == 404
    assert client.get(f"/r/alice/app/tags/{tag}/history").status_code == 404


def test_shows_layers_beside_the_instructions_that_made_them(client, alices_app):
    push_whole(alices_app, "1.0")
    response = client.get(TAG)
    steps = response.context["page"].image.steps
    assert [(step.created_by, step.digest, step.size_bytes) for step in steps] == [
        ("ADD rootfs.tar /", digest_of("base"), 28_000_000),
        ("ENV PASSWORD", "", None),
        ("COPY web /usr/bin", digest_of("w"), 999),
    ]
    page = text_of(response)
    assert f"/digest/{digest_of('base')}" in page
    assert "28 MB" in page and "999 B" in page


def test_shows_the_configuration_but_no_value_of_the_environment(client, alices_app):
    push_whole(alices_app, "1.0")
    page = text_of(client.get(TAG))
    for text in ["/usr/bin/&lt;web&gt;", "--listen", "nobody", "80/tcp", "/data", "MIT"]:
        assert text in page
    assert "PASSWORD" in page and "hunter2" not in page
    assert f"/digest/{digest_of('config')}" in page
    assert "<script>alert" not in page


def test_shows_one_platform_at_a_time(client, alices_app):
    sizes = {"linux/arm64": 31_400_000, "linux/amd64": 29_000_000}
    push_index(alices_app, "1.0", image="web", sizes=sizes)
    chosen = client.get(TAG).context["page"]
    assert chosen.image.manifest.digest == digest_of("web linux/amd64")
    response = client.get(TAG, {"platform": "linux/arm64"})
    assert response.context["page"].image.manifest.digest == digest_of("web linux/arm64")
    assert 'href="?platform=linux%2Famd64"' in text_of(response).replace("linux/", "linux%2F")
    unknown = client.get(TAG, {"platform": "\0"})
    assert unknown.context["page"].image.manifest.digest == digest_of("web linux/amd64")


def test_a_child_that_is_not_read_yet_is_being_read(client, alices_app):
    push_index(alices_app, "1.0", image="web", sizes={"linux/amd64": 1})
    Manifest.objects.filter(digest=digest_of("web linux/amd64")).update(kind="unread")
    assert "Being read" in text_of(client.get(TAG))


def test_names_attestations_and_signatures_and_what_they_are_about(client, alices_app):
    index = push_index(alices_app, "1.0", image="web", sizes={"linux/amd64": 1, "linux/arm64": 1})
    amd64, arm64 = digest_of("web linux/amd64"), digest_of("web linux/arm64")
    ManifestPart.objects.filter(is_attestation=True).update(
        annotations={"vnd.docker.reference.digest": arm64}
    )
    attestation = push(alices_app, image="web attestation", kind="attestation")
    for position, predicate in enumerate(["https://spdx.dev/Document", "https://example.com/x"]):
        ManifestPart.objects.create(
            manifest=attestation,
            kind="layer",
            position=position,
            digest=digest_of(predicate),
            size_bytes=1,
            annotations={"in-toto.io/predicate-type": predicate},
        )
    push(
        alices_app,
        image="notation",
        kind="artifact",
        artifact_type="application/vnd.cncf.notary.signature",
        subject_digest=index.digest,
    )
    push(alices_app, amd64.replace(":", "-") + ".sig", image="cosign", kind="artifact")
    attachments = client.get(TAG).context["page"].attachments
    assert [(each.name, each.about, each.says) for each in attachments] == [
        ("Attestation", "linux/arm64", ["bill of materials (SPDX)", "https://example.com/x"]),
        ("Signature (Notation)", "", []),
        ("Signature (cosign)", "linux/amd64", []),
    ]


KINDS = {
    "a build cache": ("application/vnd.buildkit.cacheconfig.v0", "Build cache"),
    "a chart": ("application/vnd.cncf.helm.config.v1+json", "Helm chart"),
    "something": ("application/x.unheard-of", "Artifact"),
}


@pytest.mark.parametrize(("artifact_type", "name"), KINDS.values(), ids=KINDS)
def test_what_is_no_image_is_named(client, alices_app, artifact_type, name):
    push(alices_app, "1.0", kind="artifact", artifact_type=artifact_type)
    page = text_of(client.get(TAG))
    assert f"<dd>{name} " in page
    assert artifact_type in page
    assert "docker run" not in page


def test_says_what_to_use_instead_of_a_deprecated_tag(client, alices_app):
    push(alices_app, "1.0")
    Tag.objects.update(deprecated_at="2026-01-01T00:00Z", successor="2.0")
    assert "use <code>2.0</code> instead" in text_of(client.get(TAG))


def test_of_a_top_level_repository_is_there_too(client, debian):
    push_whole(debian, "13")
    assert client.get("/_/debian/tags/13").status_code == 200


def test_a_history_that_does_not_fit_its_layers_is_not_laid_beside_them():
    layers = [ManifestPart(digest=digest_of("a"), size_bytes=1)]
    history = [{"created_by": "one", "is_empty": False}, {"created_by": "two", "is_empty": False}]
    assert [(step.created_by, step.digest) for step in steps_of(history, layers)] == [
        ("", digest_of("a"))
    ]


def test_costs_the_same_queries_for_many_platforms(client, alices_app, django_assert_num_queries):
    platforms = {f"linux/a{number}": 1 for number in range(30)}
    push_index(alices_app, "1.0", sizes=platforms)
    # Repository; unread manifests; tag; tags counted; parts; children; image; its parts;
    # attestations; referrers; attachments' tags; what attestations say.
    with django_assert_num_queries(12):
        client.get(TAG)
