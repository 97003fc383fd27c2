"""From a manifest's bytes in the registry to the rows that pages read."""

from dataclasses import asdict

from django.db import transaction
from django.utils import timezone

from repositories import registry
from repositories.images import (
    Contents,
    ImageFacts,
    Kind,
    MalformedManifest,
    PartKind,
    read_config,
    read_manifest,
)
from repositories.jobs import defer
from repositories.models import Manifest, ManifestPart
from repositories.names import is_digest


def read(manifest_id: int) -> None:
    """Fetch a manifest and its configuration, and store what they say. Safe to run twice.

    Raises RegistryUnavailable or NotThere: then it is worth trying again.
    """
    manifests = Manifest.objects.filter(pk=manifest_id, kind=Kind.UNREAD)
    manifest = manifests.select_related("repository__namespace").first()
    if manifest is None:
        return
    try:
        _fetch(manifest)
    except registry.NotThere:
        manifests.filter(missing_since=None).update(missing_since=timezone.now())
        raise
    _store(manifest)


def _fetch(manifest: Manifest) -> None:
    """Fill in the fields of ``manifest``, which is not saved."""
    path = manifest.repository.path
    with registry.connect() as connection:
        stored = connection.manifest(path, manifest.digest)
        manifest.content = stored.content
        manifest.media_type = stored.media_type[:255]
        try:
            contents = read_manifest(stored.content, stored.media_type)
            config = contents.inner_config
            if contents.has_image_config and contents.config is not None:
                config = connection.config(path, contents.config.digest)
            manifest.config = config
            facts = read_config(config) if config else ImageFacts()
        except MalformedManifest as error:
            manifest.kind, manifest.problem = Kind.MALFORMED, str(error)
        except registry.TooLarge:
            manifest.kind = Kind.MALFORMED
            manifest.problem = "The configuration is larger than any image needs."
        else:
            _fill_in(manifest, contents, facts)


def _fill_in(manifest: Manifest, contents: Contents, facts: ImageFacts) -> None:
    manifest.kind = contents.kind
    manifest.media_type = contents.media_type
    manifest.artifact_type = contents.artifact_type
    manifest.subject_digest = contents.subject_digest
    manifest.annotations = dict(contents.annotations)
    manifest.size_bytes = contents.size_bytes
    manifest.facts = asdict(facts) if manifest.config else {}
    manifest.os, manifest.architecture = facts.os, facts.architecture
    manifest.variant = facts.variant


@transaction.atomic
def _store(manifest: Manifest) -> None:
    """Save what was read, unless another worker was faster."""
    unread = Manifest.objects.select_for_update().filter(pk=manifest.pk, kind=Kind.UNREAD)
    if not unread.exists():
        return
    manifest.missing_since = None
    manifest.save()  # nobody else writes an unread manifest, but for missing_since
    if manifest.kind == Kind.MALFORMED:
        return
    parts = _parts_of(manifest)
    ManifestPart.objects.bulk_create(parts)
    if manifest.kind == Kind.INDEX:
        _read_children(manifest, [part.digest for part in parts])


def _parts_of(manifest: Manifest) -> list[ManifestPart]:
    contents = read_manifest(bytes(manifest.content), manifest.media_type)
    layers = [part for part in contents.parts if part.kind == PartKind.LAYER]
    steps = [
        step["created_by"] for step in manifest.facts.get("history", []) if not step["is_empty"]
    ]
    if len(steps) != len(layers):  # squashed, or written by a tool without a history
        steps = [""] * len(layers)
    made_by = iter(steps)
    positions = dict.fromkeys(PartKind, 0)
    rows = []
    for part in contents.parts:
        rows.append(
            ManifestPart(
                manifest=manifest,
                kind=part.kind,
                position=positions[part.kind],
                digest=part.digest,
                media_type=part.media_type,
                size_bytes=part.size_bytes,
                platform=part.platform,
                is_attestation=part.is_attestation,
                annotations=dict(part.annotations),
                created_by=next(made_by) if part.kind == PartKind.LAYER else "",
            )
        )
        positions[part.kind] += 1
    return rows


def _read_children(index: Manifest, digests: list[str]) -> None:
    """Read what an index lists. Clients push children first, but their event may be lost."""
    known = [digest for digest in digests if is_digest(digest)]
    Manifest.objects.bulk_create(
        [Manifest(repository_id=index.repository_id, digest=digest) for digest in set(known)],
        ignore_conflicts=True,
    )
    children = Manifest.objects.filter(repository_id=index.repository_id, digest__in=known)
    for child_id in children.filter(kind=Kind.UNREAD).values_list("pk", flat=True):
        defer("repositories.read_manifest", manifest_id=child_id)
