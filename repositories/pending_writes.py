"""Writes that the gate let through: announced, settled by a notification, or looked up.

The registry keeps its notifications in memory, so they die with it. What the gate announced is
in the database, and what no notification has settled is looked up in the registry itself. A
write that the registry refused looks like one that has not come yet, so it simply grows old.
"""

import logging
from datetime import datetime, timedelta

import httpx
from django.db.models import F, Q
from django.utils import timezone

from accounts.principals import Principal
from repositories import registry
from repositories.models import (
    Deletion,
    Manifest,
    PendingWrite,
    Repository,
    RepositoryQuerySet,
    Tag,
)
from repositories.names import is_tag, split_path
from repositories.notifications import Event, record_delete, record_push

logger = logging.getLogger(__name__)

# After the announcement. A slow client's body may come minutes later; then, one more time, and
# it is dropped.
LOOK_UPS = [
    timedelta(seconds=3),
    timedelta(seconds=30),
    timedelta(minutes=5),
    timedelta(minutes=15),
]
# Who asks for a list waits for the answers: few, and quick.
LOOK_UPS_FOR_A_LIST = 5
LIST_TIMEOUT = httpx.Timeout(1, connect=0.5)
# Lists asked for in a row don't ask the registry again and again.
LIST_PAUSE = timedelta(seconds=2)
LOOK_UPS_IN_A_ROUND = 500

Method = PendingWrite.Method


def announce(
    principal: Principal,
    method: str,
    path: str,
    reference: str,
    *,
    address: str | None,
    client: str,
) -> PendingWrite:
    return PendingWrite.objects.create(
        method=method,
        path=path,
        reference=reference,
        username=principal.username,
        access_token_id=principal.access_token_id,
        address=address,
        client=client,
    )


def look_up_due() -> int:
    """Look for each write whose time has come. How many were looked for.

    Raises RegistryUnavailable; what was not looked for is still due then.
    """
    now = timezone.now()
    due = Q()
    for delay in LOOK_UPS:
        is_first = Q(looked_up_at=None) | Q(looked_up_at__lt=F("announced_at") + delay)
        due |= Q(announced_at__lte=now - delay) & is_first
    writes = PendingWrite.objects.filter(due).order_by("announced_at")[:LOOK_UPS_IN_A_ROUND]
    return _look_up(list(writes))


def look_up_path(path: str) -> None:
    """Look for the writes to one repository at once, before its tags are listed."""
    recently = timezone.now() - LIST_PAUSE
    writes = PendingWrite.objects.filter(
        Q(looked_up_at=None) | Q(looked_up_at__lt=recently), path=path
    )
    try:
        _look_up(list(writes.order_by("-announced_at")[:LOOK_UPS_FOR_A_LIST]), LIST_TIMEOUT)
    except registry.RegistryUnavailable as error:
        logger.info("a list of %s goes out without a look at the registry: %s", path, error)


def look_up_first_push(path: str) -> bool:
    """Look whether a push has made the repository that isn't there yet; whether it is there now.

    A client that was told that its push is accepted may be pulled from before the notification
    is here. Of a repository that is there, nothing is looked up: who may not see it must not
    notice that somebody pushes to it.
    """
    if split_path(path) is None:
        return False
    repository = Repository.objects.at(path)
    if repository.exists() or not PendingWrite.objects.filter(path=path).exists():
        return False
    look_up_path(path)
    return repository.exists()


def look_up_all() -> None:
    """Look for every write there is. Raises RegistryUnavailable."""
    _look_up(list(PendingWrite.objects.all()))


def _look_up(writes: list[PendingWrite], timeout: httpx.Timeout | None = None) -> int:
    if not writes:
        return 0
    with registry.connect(timeout) as connection:
        for write in writes:
            asked_at = timezone.now()
            _compare(write, _digest_in_registry(connection, write), asked_at)
            still_there = PendingWrite.objects.filter(pk=write.pk)
            still_there.update(looked_up_at=asked_at)
            if write.announced_at <= asked_at - LOOK_UPS[-1]:
                still_there.delete()
    return len(writes)


def _digest_in_registry(connection: registry.Registry, write: PendingWrite) -> str:
    """What the reference stands for now; empty if the registry says that it has no such."""
    known = ""
    if is_tag(write.reference) and write.method == Method.PUT:
        known = _tag_digest(write)
    try:
        return connection.digest_of(write.path, write.reference, known)
    except registry.NotThere:
        return ""


def _compare(write: PendingWrite, digest: str, asked_at: datetime) -> None:
    """Record what the registry shows and we don't know yet.

    A tag that has the digest we know is no proof: the new one may still come.
    """
    tag = write.reference if is_tag(write.reference) else ""
    leaving = Deletion.objects.leaving(write.path, tag)
    if write.method == Method.PUT and leaving.filter(asked_at__gte=write.announced_at).exists():
        return  # what the registry shows was deleted since; that waits until this write is over
    event = Event(
        path=write.path,
        at=asked_at,
        digest=digest or ("" if tag else write.reference),
        tag=tag,
        actor=write.username,
        address=write.address or "",
        client=write.client,
    )
    if write.method == Method.DELETE:
        if not digest:
            record_delete(event)
            _settle(write)
    elif tag:
        if digest and digest != _tag_digest(write):
            record_push(event)
    elif digest:
        if not _is_known(write):
            record_push(event)
        _settle(write)  # a digest stands for the same bytes for ever


def _settle(write: PendingWrite) -> None:
    PendingWrite.objects.filter(pk=write.pk).delete()


def _tag_digest(write: PendingWrite) -> str:
    tags = Tag.objects.filter(repository__in=_repository(write), name=write.reference)
    return tags.values_list("manifest__digest", flat=True).first() or ""


def _is_known(write: PendingWrite) -> bool:
    return Manifest.objects.filter(
        repository__in=_repository(write), digest=write.reference, missing_since=None
    ).exists()


def _repository(write: PendingWrite) -> RepositoryQuerySet:
    return Repository.objects.at(write.path)
