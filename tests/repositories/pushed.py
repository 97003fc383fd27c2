"""Rows as a push and the reading of its manifest leave them."""

import hashlib
from datetime import timedelta

from django.utils import timezone

from repositories.models import Manifest, ManifestPart, Repository, Tag


def digest_of(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def push(repository, *tags, image="an image", by="alice", hours_ago=0, **fields):
    """An image for linux/amd64 of 29 MB under ``tags``; ``fields`` say it otherwise."""
    at = timezone.now() - timedelta(hours=hours_ago)
    facts = {"kind": "image", "size_bytes": 29_000_000, "os": "linux", "architecture": "amd64"}
    manifest, _ = Manifest.objects.get_or_create(
        repository=repository, digest=digest_of(image), defaults=facts | fields
    )
    for name in tags:
        Tag.objects.create(
            repository=repository, name=name, manifest=manifest, pushed_at=at, pushed_by=by
        )
    Repository.objects.filter(pk=repository.pk).update(pushed_at=at)
    return manifest


def push_index(repository, *tags, image="an index", sizes):
    """An image index with one child of each size (by platform), and an attestation."""
    index = push(repository, *tags, image=image, kind="index", size_bytes=None, os="")
    for position, (platform, size) in enumerate(sizes.items()):
        os, architecture = platform.split("/")
        child = Manifest.objects.create(
            repository=repository,
            digest=digest_of(f"{image} {platform}"),
            kind="image",
            os=os,
            architecture=architecture,
            size_bytes=size,
        )
        part = {"digest": child.digest, "platform": platform, "size_bytes": 500}
        ManifestPart.objects.create(manifest=index, kind="child", position=position, **part)
    attestation = {"digest": digest_of(f"{image} attestation"), "platform": "unknown/unknown"}
    ManifestPart.objects.create(
        manifest=index,
        kind="child",
        position=len(sizes),
        size_bytes=500,
        is_attestation=True,
        **attestation,
    )
    return index
