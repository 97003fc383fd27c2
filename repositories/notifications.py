"""From an event to rows: what the registry reports, or what we saw in it ourselves.

Whoever learns of a push or a deletion (the incoming hook, a look-up, the sync) calls the same
functions with plain values.
"""

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet

from accounts import audit
from accounts.models import Namespace
from repositories.jobs import defer
from repositories.models import (
    Manifest,
    PendingWrite,
    RegistryEvent,
    Repository,
    Tag,
    TagChange,
)
from repositories.names import split_path

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Event:
    """Something happened to a manifest, or to a tag, in the registry.

    ``id`` is the registry's, the same in each repetition; None for what we saw ourselves.
    """

    path: str
    at: datetime
    digest: str = ""
    tag: str = ""
    id: UUID | None = None
    actor: str = ""
    address: str = ""
    client: str = ""

    def fields(self, action: RegistryEvent.Action) -> dict[str, Any]:
        """Of its row."""
        return {
            "id": self.id,
            "action": action,
            "path": self.path,
            "tag": self.tag,
            "digest": self.digest,
            "actor": self.actor,
            "address": self.address,
            "client": self.client,
            "happened_at": self.at,
        }


@transaction.atomic
def record_push(event: Event) -> bool:
    """Make the pages agree with one push; False if it was recorded before, or isn't ours.

    The registry sends an event again until it is answered with a 2xx, and two portals may
    receive it at once. The event's row decides who records it. All or nothing: the job that
    reads the manifest is inserted in this transaction, so it can't run too early or be lost.
    """
    if not _is_new(event, RegistryEvent.Action.PUSH):
        return False
    pending = _pending_write_of(event, PendingWrite.Method.PUT)
    by = pending.username if pending else event.actor
    repository = _repository_for_push(event, by)
    if repository is None:
        logger.warning("ignored: a push to %r, which can't be a repository", event.path)
        return False

    manifest, _created = Manifest.objects.get_or_create(repository=repository, digest=event.digest)
    is_current = not event.tag or _move_tag(repository, manifest, event, by, pending)
    Manifest.objects.filter(pk=manifest.pk, missing_since__lt=event.at).update(missing_since=None)
    # The row that pushes share is locked last, and so for the shortest time.
    Repository.objects.filter(
        Q(pushed_at=None) | Q(pushed_at__lt=event.at), pk=repository.pk
    ).update(pushed_at=event.at, missing_since=None)
    if pending is not None and is_current:
        pending.delete()  # else a look-up will find out which of two pushes the tag has now
    if manifest.kind == Manifest.Kind.UNREAD:
        defer("repositories.read_manifest", manifest_id=manifest.pk)
    return True


@transaction.atomic
def record_delete(event: Event) -> bool:
    """Make the pages agree with one deletion, of a tag or (without one) of a manifest.

    The manifest's row stays, marked as missing: the history speaks of it. False if the event
    was recorded before, or is about nothing that we know, such as a layer.
    """
    if not _is_new(event, RegistryEvent.Action.DELETE):
        return False
    repository = Repository.objects.at(event.path).first()
    if repository is None:
        return False
    tags = repository.tags.filter(pushed_at__lte=event.at)
    if event.tag:
        tags = tags.filter(name=event.tag)
    else:
        # Looks the same if it was a layer: then there is no such manifest.
        manifest = repository.manifests.filter(digest=event.digest).first()
        if manifest is None:
            return False
        # Unless a later push brought it back.
        if not manifest.tags.filter(pushed_at__gt=event.at).exists():
            Manifest.objects.filter(pk=manifest.pk).update(missing_since=event.at)
        tags = tags.filter(manifest=manifest)
    pending = _pending_write_of(event, PendingWrite.Method.DELETE)
    by = pending.username if pending else event.actor
    remove_tags(tags, event.at, by, access_token_id=pending.access_token_id if pending else None)
    if pending is not None:
        pending.delete()
    return True


def remove_tags(
    tags: QuerySet[Tag], at: datetime, by: str = "", *, access_token_id: int | None = None
) -> int:
    """Remove tags, and add that to their history. Their manifests stay. How many there were."""
    removed = list(tags.select_for_update())
    TagChange.objects.bulk_create(
        TagChange(
            repository_id=tag.repository_id,
            tag=tag.name,
            digest="",
            at=at,
            by=by,
            access_token_id=access_token_id,
        )
        for tag in removed
    )
    Tag.objects.filter(pk__in=[tag.pk for tag in removed]).delete()
    return len(removed)


def _is_new(event: Event, action: RegistryEvent.Action) -> bool:
    """Take ``event`` for this transaction; False if somebody else has."""
    if event.id is None:
        return True
    return RegistryEvent.objects.get_or_create(id=event.id, defaults=event.fields(action))[1]


def _repository_for_push(event: Event, by: str) -> Repository | None:
    """The repository at a path, made if its namespace belongs to somebody."""
    path = event.path
    parts = split_path(path)
    if parts is None:
        return None
    repository = Repository.objects.at(path).first()
    if repository is not None or parts[0] is None:
        return repository
    if Repository.everything.at(path).filter(deleted_at__gte=event.at).exists():
        return None  # it was deleted since, with what this push brought
    namespace = Namespace.objects.select_related("user").filter(name=parts[0]).first()
    if namespace is None or namespace.user is None:
        return None
    repository, is_new = Repository.objects.get_or_create(
        namespace=namespace,
        name=parts[1],
        defaults={"is_private": namespace.user.first_pushes_are_private},
    )
    if is_new:
        pusher = namespace.user if namespace.user.username == by else None
        audit.record(None, "repository.created", path, user=pusher, by_push=True)
    return repository


def _move_tag(
    repository: Repository,
    manifest: Manifest,
    event: Event,
    by: str,
    pending: PendingWrite | None,
) -> bool:
    """Let the tag point at ``manifest``; False if we know of something later about it."""
    later = TagChange.objects.filter(repository=repository, tag=event.tag, at__gt=event.at)
    if later.exclude(digest=event.digest).exists():
        return False
    tag, is_new = Tag.objects.select_for_update().get_or_create(
        repository=repository,
        name=event.tag,
        defaults={"manifest": manifest, "pushed_at": event.at, "pushed_by": by},
    )
    is_other = is_new or tag.manifest_id != manifest.pk
    if not is_new:
        if event.at < tag.pushed_at:
            return not is_other
        tag.manifest, tag.pushed_at, tag.pushed_by = manifest, event.at, by
        tag.missing_since = None
        tag.save(update_fields=["manifest", "pushed_at", "pushed_by", "missing_since"])
    if is_other:
        TagChange.objects.create(
            repository=repository,
            tag=event.tag,
            digest=event.digest,
            at=event.at,
            by=by,
            access_token_id=pending.access_token_id if pending else None,
        )
    return True


def _pending_write_of(event: Event, method: PendingWrite.Method) -> PendingWrite | None:
    """The oldest write that was announced and may be this one, locked.

    The oldest: should one be settled by another's event, the one that stays is the newer, and
    is looked up longest.
    """
    writes = PendingWrite.objects.select_for_update(skip_locked=True).filter(
        method=method, path=event.path, reference=event.tag or event.digest
    )
    if event.actor:
        writes = writes.filter(username=event.actor)
    return writes.order_by("announced_at", "pk").first()
