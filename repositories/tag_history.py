"""A tag's history: which digest it stood for, from when to when, by whom; and how it gets back."""

from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from repositories import registry
from repositories.models import Manifest, Repository, Tag, TagChange
from repositories.names import is_digest
from repositories.notifications import Event, record_push
from repositories.tag_list import UNSHOWN

PAGE_SIZE = 50


@dataclass(frozen=True)
class Period:
    """A tag stood for one digest; for none, if ``digest`` is empty: it was removed."""

    change: TagChange
    until: datetime | None  # None: it still does
    manifest: Manifest | None

    @property
    def digest(self) -> str:
        return self.change.digest

    @property
    def can_come_back(self) -> bool:
        """Whether its bytes are known, and the registry is not known to have lost them."""
        if self.until is None or self.manifest is None:
            return False
        is_read = self.manifest.kind != Manifest.Kind.UNREAD
        return is_read and self.manifest.missing_since is None


@dataclass(frozen=True)
class History:
    periods: list[Period]  # newest first
    older: str  # the cursor of the next page; empty if there is none


class CannotComeBack(Exception):
    """The registry doesn't take these bytes: it has lost a layer, or a child of an image index."""


def history_of(repository: Repository, tag: str, *, before: str = "") -> History:
    """A page of the history, which goes on before the change that ``before`` names."""
    changes = TagChange.objects.filter(repository=repository, tag=tag).order_by("-at", "-pk")
    last = (
        changes.filter(pk=int(before)).first() if before.isdecimal() and len(before) < 19 else None
    )
    if last is not None:
        changes = changes.filter(at__lte=last.at).exclude(at=last.at, pk__gte=last.pk)
    found = list(changes[: PAGE_SIZE + 1])
    has_older, found = len(found) > PAGE_SIZE, found[:PAGE_SIZE]
    digests = {change.digest for change in found}
    known = repository.manifests.defer(*UNSHOWN, "facts").filter(digest__in=digests)
    manifests = {manifest.digest: manifest for manifest in known}
    periods = []
    until = last.at if last else None
    for change in found:
        periods.append(Period(change, until, manifests.get(change.digest)))
        until = change.at
    return History(periods, str(found[-1].pk) if has_older else "")


def stood_for(repository: Repository, tag: str, digest: str) -> Manifest | None:
    """The manifest of ``digest``, if ``tag`` has stood for it and its bytes are known."""
    if not is_digest(digest):
        return None
    changes = TagChange.objects.filter(repository=repository, tag=tag, digest=digest)
    if not changes.exists():
        return None
    read = repository.manifests.exclude(kind=Manifest.Kind.UNREAD)
    return read.filter(digest=digest).first()


def put_back(manifest: Manifest, tag: str, *, by: str, address: str = "", client: str = "") -> Tag:
    """Let ``tag`` stand for an older manifest again: its bytes, pushed by ourselves.

    The caller has asked whether that may be, and has announced the write: should we die in
    between, it is looked up like a client's. Raises CannotComeBack, RegistryUnavailable.
    """
    path = manifest.repository.path
    stored = registry.StoredManifest(manifest.digest, manifest.media_type, bytes(manifest.content))
    with registry.connect() as connection:
        try:
            connection.put_manifest(path, tag, stored)
        except registry.Refused as error:
            raise CannotComeBack from error
    # The registry reports our own pushes, too, but not whom they are for.
    record_push(
        Event(
            path=path,
            at=timezone.now(),
            digest=manifest.digest,
            tag=tag,
            actor=by,
            address=address,
            client=client,
        )
    )
    return manifest.repository.tags.get(name=tag)
