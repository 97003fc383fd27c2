"""Images in the reserved repository of the registry, where they wait for undo.

The registry's garbage collector spares what any repository holds, so a deleted image has a
second home there: its blobs are mounted and its manifest's bytes are written again. Nobody pulls
from it, since nobody gets a token for its name.
"""

from repositories import registry
from repositories.images import MalformedManifest, PartKind, read_manifest
from repositories.models import Manifest, Repository
from repositories.registry import NotThere, Refused, Registry, StoredManifest


def with_children(
    connection: Registry, repository: Repository, path: str, digest: str
) -> list[StoredManifest]:
    """A manifest and what it lists, children first; empty if it is nowhere.

    The registry is asked first. What it has lost may be in our rows. Raises RegistryUnavailable.
    """
    stored = _stored(connection, repository, path, digest)
    if stored is None:
        return []
    found: list[StoredManifest] = []
    for child in _parts(stored, PartKind.CHILD):
        found += with_children(connection, repository, path, child)
    return [*found, stored]


def copy(connection: Registry, manifest: StoredManifest, *, source: str, target: str) -> bool:
    """Write a manifest by its digest where its children are already. Safe to repeat.

    False if the registry lacks a part of it. Raises RegistryUnavailable.
    """
    for kind in [PartKind.CONFIG, PartKind.LAYER]:
        for digest in dict.fromkeys(_parts(manifest, kind)):
            # Layers that are kept elsewhere (with urls) are nowhere to be mounted from.
            connection.mount(digest, source=source, target=target)
    try:
        connection.put_manifest(target, manifest.digest, manifest)
    except Refused as error:
        registry.logger.warning("can't be copied to %s: %s", target, error)
        return False
    return True


def _stored(
    connection: Registry, repository: Repository, path: str, digest: str
) -> StoredManifest | None:
    try:
        return connection.manifest(path, digest)
    except NotThere:
        rows = Manifest.objects.filter(repository=repository, digest=digest).exclude(content=b"")
        row = rows.first()
        return StoredManifest(digest, row.media_type, bytes(row.content)) if row else None


def _parts(manifest: StoredManifest, kind: PartKind) -> list[str]:
    try:
        contents = read_manifest(manifest.content, manifest.media_type)
    except MalformedManifest:
        return []  # the registry will say whether it takes it nevertheless
    return [part.digest for part in contents.parts if part.kind == kind]
