"""Compare the index with the registry, and repair what notifications have missed.

It adds what the registry has and we don't, and marks what we have and it doesn't. It never
takes an error for an absence. A tag is removed only when two runs apart in time have found it
missing, each by the registry's own word for that very tag, in a run without any error, and
when it is a small part of the whole: more is a broken registry, or an empty disk, and is told
to staff instead.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.utils import timezone

from accounts import audit
from repositories import registry
from repositories.jobs import defer
from repositories.models import Deletion, Manifest, Repository, Tag
from repositories.names import split_path
from repositories.notifications import Event, record_push, remove_tags

logger = logging.getLogger(__name__)

# Two runs after two restarts in a row are one sighting.
APART = timedelta(hours=6)
MAX_REMOVED_SHARE = 0.01  # of all tags, in one run
# After so many in a row the registry is down, and the rest would only wait for timeouts.
MAX_FAILURES_IN_A_ROW = 5
# Jobs that read manifests give up after some hours; what is unread for longer gets new ones.
UNREAD_FOR = timedelta(hours=6)


@dataclass
class Result:
    """What one run found and did."""

    repositories: int = 0
    added: int = 0  # tags that were missing here, or stood for another digest
    missing: list[int] = field(default_factory=list)  # ids of tags that it says it doesn't have
    removed: int = 0
    kept: int = 0  # would have been removed, but were too many
    failures: list[str] = field(default_factory=list)


def sync_registry(*, remove_many: bool = False) -> Result:
    """One run. Raises RegistryUnavailable if there is no catalogue, or if it goes away meanwhile.

    ``remove_many`` is a person's word that so much is really gone.
    """
    started_at = timezone.now()
    result = Result()
    with registry.connect() as connection:
        in_registry = {path for path in connection.repositories() if split_path(path)}
        failures_in_a_row = 0
        for path in sorted(in_registry | set(_paths_with_images())):
            try:
                is_there = _compare(connection, path, result) or path in in_registry
                _mark_repository(path, is_there=is_there, started_at=started_at)
                failures_in_a_row = 0
            except registry.RegistryUnavailable as error:
                result.failures.append(f"{path}: {error}")
                failures_in_a_row += 1
                if failures_in_a_row == MAX_FAILURES_IN_A_ROW:
                    raise
    result.repositories = len(in_registry)
    if not result.failures:
        _remove(result, started_at, remove_many=remove_many)
    _read_unread(started_at)
    logger.info(
        "compared with the registry: %d repositories; tags: %d added, %d missing, %d removed",
        result.repositories,
        result.added,
        len(result.missing),
        result.removed,
    )
    return result


def _paths_with_images() -> Iterator[str]:
    repositories = Repository.objects.with_images().filter(is_demo=False)
    for repository in repositories.select_related("namespace").iterator():
        yield repository.path


def _compare(connection: registry.Registry, path: str, result: Result) -> bool:
    """Compare the tags of one repository. Whether the registry knows it."""
    try:
        in_registry = set(connection.tags(path))
        is_there = True
    except registry.NotThere:
        in_registry = set()
        is_there = False
    tags = Tag.objects.filter(repository__in=Repository.objects.at(path))
    ours = {tag.name: tag for tag in tags.select_related("manifest")}
    for name in sorted(in_registry | set(ours)):
        is_there |= _compare_tag(connection, path, name, ours.get(name), result)
    return is_there


def _compare_tag(
    connection: registry.Registry, path: str, name: str, tag: Tag | None, result: Result
) -> bool:
    """Whether the registry has the tag.

    It is asked for the tag itself: a list that lacks it is no proof, and may be half a list.
    """
    asked_at = timezone.now()
    try:
        digest = connection.digest_of(path, name, known=tag.manifest.digest if tag else "")
    except registry.NotThere:
        if tag is not None:
            result.missing.append(tag.pk)
            _mark(connection, path, tag, asked_at)
        return False
    if tag is None and Deletion.objects.leaving(path, name).exists():
        return True  # it was deleted, and a worker will tell the registry
    if tag is None or tag.manifest.digest != digest:
        result.added += record_push(Event(path=path, at=asked_at, digest=digest, tag=name))
    elif tag.missing_since is not None:
        Tag.objects.filter(pk=tag.pk).update(missing_since=None)
        Manifest.objects.filter(pk=tag.manifest_id).update(missing_since=None)
    return True


def _mark(connection: registry.Registry, path: str, tag: Tag, asked_at: datetime) -> None:
    """The first sighting is kept; a push meanwhile clears it."""
    unmarked = Tag.objects.filter(pk=tag.pk, missing_since=None, pushed_at__lt=asked_at)
    unmarked.update(missing_since=asked_at)
    try:
        connection.digest_of(path, tag.manifest.digest)
    except registry.NotThere:
        Manifest.objects.filter(pk=tag.manifest_id, missing_since=None).update(
            missing_since=asked_at
        )


def _mark_repository(path: str, *, is_there: bool, started_at: datetime) -> None:
    """Only marks: a repository has settings and a README, and is its owner's to delete."""
    repositories = Repository.objects.at(path)
    if is_there:
        repositories.exclude(missing_since=None).update(missing_since=None)
    else:
        repositories.filter(missing_since=None, pushed_at__lt=started_at).update(
            missing_since=started_at
        )


def _remove(result: Result, started_at: datetime, *, remove_many: bool) -> None:
    """Remove what was missing before and is missing now, unless it is too much."""
    gone = Tag.objects.filter(
        pk__in=result.missing, missing_since__lte=started_at - APART, pushed_at__lt=started_at
    )
    count, total = gone.count(), Tag.objects.count()
    if count == 0:
        return
    if count > total * MAX_REMOVED_SHARE and not remove_many:
        result.kept = count
        logger.error(
            "%d of %d tags are missing in the registry: none is removed. If that many are really "
            "gone, run manage.py sync_registry --remove-many",
            count,
            total,
        )
        audit.record(None, "registry.sync_stopped", "tags", missing=count, total=total)
        return
    result.removed = remove_tags(gone, timezone.now())
    audit.record(None, "registry.sync_removed", "tags", removed=result.removed, total=total)


def _read_unread(started_at: datetime) -> None:
    unread = Manifest.objects.filter(
        kind=Manifest.Kind.UNREAD, first_seen_at__lt=started_at - UNREAD_FOR
    )
    for manifest_id in unread.values_list("pk", flat=True).iterator():
        defer("repositories.read_manifest", manifest_id=manifest_id)
