"""Deleting tags, images and repositories, and undoing it for 7 days.

Who deletes marks rows, and every page agrees at once. A worker then makes the registry agree
in steps, each one transaction that looks again whether it is still wanted, and each safe to
repeat: a worker may be killed anywhere. In order:

1. Put aside (state ASKED): each image gets a second home in the reserved repository (held.py).
   Pushes go on meanwhile.
2. When no write is on its way to the repository any more, the gate is shut for it (REMOVING).
   What was pushed again meanwhile stays. The other tags are pointed at an empty manifest of the
   deletion's own, which is then deleted: Distribution 2.8 removes all tags of a digest, never a
   single one. An image that no other tag and no image index needs goes with its last tag.
3. DELETED: pulls get 404. Undo makes it RETURNING, which is the same in the other direction, and
   leaves what is newer. After 7 days the rows and the second home go, too.

Source: Distribution 2.8.2, registry/handlers/manifests.go (DeleteManifest), registry/storage/
garbagecollect.go.
"""

import json
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from hashlib import sha256

from django.db import IntegrityError, transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from repositories import held, pending_writes, registry, writers
from repositories.images import OCI_INDEX
from repositories.jobs import defer_once
from repositories.models import (
    Deletion,
    HeldManifest,
    Manifest,
    ManifestPart,
    PendingWrite,
    RegistryEvent,
    Repository,
    Tag,
    TagChange,
)
from repositories.registry import HELD_PATH, NotThere, Registry, StoredManifest

logger = logging.getLogger(__name__)

TASK = "repositories.carry_out_deletions"
# Each removal makes the registry read all tags of the repository, so many go together.
TAGS_IN_A_STEP = 50
# A large deletion lets small ones pass after so long.
TURN_SECONDS = 5.0

State, Kind = Deletion.State, Deletion.Kind


class CannotUndo(Exception):
    """It can't be given back now; the code says why."""

    TOO_LATE, PATH_IS_TAKEN, REPOSITORY_IS_DELETED = "too-late", "path-is-taken", "deleted"

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class _NotNow(Exception):
    """A write that is on its way comes first."""


class _Overtaken(Exception):
    """It was undone meanwhile: there is something else to do now."""


class _TurnIsOver(Exception):
    """There is more to do, after others had their turn."""


# Asking: rows only. The worker is called in the same transaction.


@transaction.atomic
def delete_tags(
    repository: Repository, tags: Iterable[tuple[str, str]], by: str, *, image: str = ""
) -> Deletion | None:
    """Delete tags, each given with the digest that it had when somebody chose it.

    A tag that was moved since stays. ``image`` is the digest if they are all that an image has.
    None if nothing was there to delete.
    """
    wanted = dict(tags)
    rows = repository.tags.select_for_update(of=("self",)).filter(name__in=wanted)
    found = [
        tag for tag in rows.select_related("manifest") if tag.manifest.digest == wanted[tag.name]
    ]
    if not found and not image:
        return None
    now = timezone.now()
    deletion = Deletion.objects.create(
        repository=repository,
        path=repository.path,
        kind=Kind.IMAGE if image else Kind.TAGS,
        reference=image or (found[0].name if len(found) == 1 else ""),
        tag_count=len(found),
        asked_at=now,
        asked_by=by,
    )
    TagChange.objects.bulk_create(
        TagChange(repository=repository, tag=tag.name, digest="", at=now, by=by) for tag in found
    )
    Tag.objects.filter(pk__in=[tag.pk for tag in found]).update(deletion=deletion)
    defer_once(TASK)
    return deletion


@transaction.atomic
def delete_repository(repository: Repository, by: str) -> Deletion:
    """Delete a repository with all that it has."""
    now = timezone.now()
    deletion = Deletion.objects.create(
        repository=repository,
        path=repository.path,
        kind=Kind.REPOSITORY,
        tag_count=repository.tags.count(),
        asked_at=now,
        asked_by=by,
    )
    repository.tags.update(deletion=deletion)
    Repository.objects.filter(pk=repository.pk).update(deleted_at=now)
    defer_once(TASK)
    return deletion


@transaction.atomic
def undo(deletion: Deletion, by: str) -> None:
    """Give everything back, from wherever it is by now. Raises CannotUndo."""
    repository = deletion.repository
    is_repository = deletion.kind == Kind.REPOSITORY
    if not is_repository and Repository.everything.get(pk=repository.pk).deleted_at:
        raise CannotUndo(CannotUndo.REPOSITORY_IS_DELETED)
    undoable = Deletion.objects.filter(pk=deletion.pk, state__in=Deletion.UNDOABLE)
    if not undoable.update(state=State.WANTED_BACK, undone_at=timezone.now(), undone_by=by):
        raise CannotUndo(CannotUndo.TOO_LATE)
    if is_repository:
        try:
            with transaction.atomic():
                Repository.everything.filter(pk=repository.pk).update(deleted_at=None)
        except IntegrityError as error:
            raise CannotUndo(CannotUndo.PATH_IS_TAKEN) from error
    defer_once(TASK)


# Working: the registry follows.


def carry_out() -> None:
    """Do what there is to do for all deletions, as far as it can be done now.

    One at a time does: another that is called meanwhile leaves it to that one. Raises
    RegistryUnavailable: the next run goes on where this one stopped.
    """
    with writers.alone(writers.DELETIONS) as is_alone:
        if is_alone:
            _carry_out_all()


def _carry_out_all() -> None:
    waiting: set[int] = set()
    with registry.connect() as connection:
        while deletion := _next(waiting):
            try:
                _carry_out(connection, deletion, _turn())
            except (_NotNow, writers.Closed):
                waiting.add(deletion.pk)
            except _TurnIsOver:
                Deletion.objects.filter(pk=deletion.pk).update(worked_at=timezone.now())
            except _Overtaken:
                continue


def _next(waiting: set[int]) -> Deletion | None:
    """The one whose last turn is longest ago."""
    at_work = Deletion.objects.at_work().exclude(pk__in=waiting)
    return at_work.select_related("repository").order_by("worked_at", "pk").first()


def _turn() -> Callable[[], None]:
    """Call it between steps. Raises _TurnIsOver when its time is up."""
    deadline = time.monotonic() + TURN_SECONDS

    def check() -> None:
        if time.monotonic() > deadline:
            raise _TurnIsOver

    return check


def _carry_out(connection: Registry, deletion: Deletion, turn: Callable[[], None]) -> None:
    """One deletion, from where it is to where it rests."""
    if deletion.repository.is_demo:
        _carry_out_without_registry(deletion)
        return
    if deletion.state == State.ASKED:
        _put_aside(connection, deletion, turn)
        _shut_gate(deletion, State.ASKED, State.REMOVING)
    if deletion.state == State.REMOVING:
        _remove_tags(connection, deletion, turn)
        _put_aside(connection, deletion, turn)  # what has turned up only now
        _remove_manifests(connection, deletion, turn)
        with _step(deletion):
            _set_state(deletion, State.DELETED, removed_at=timezone.now())
    if deletion.state == State.WANTED_BACK:
        _shut_gate(deletion, State.WANTED_BACK, State.RETURNING)
    if deletion.state == State.RETURNING:
        _return_manifests(connection, deletion, turn)
        _return_tags(connection, deletion, turn)
        with _step(deletion):
            connection.delete_manifest(deletion.path, _empty_manifest(deletion).digest)
            _set_state(deletion, State.UNDONE)
        _release(connection, deletion)


def _carry_out_without_registry(deletion: Deletion) -> None:
    if deletion.state in {State.ASKED, State.REMOVING}:
        _set_state(deletion, State.DELETED, removed_at=timezone.now())
    else:
        _tags(deletion).update(deletion=None)
        _set_state(deletion, State.UNDONE)


@contextmanager
def _step(deletion: Deletion) -> Iterator[None]:
    """A transaction in which the registry may be changed for ``deletion``.

    Raises _Overtaken, Closed.
    """
    with transaction.atomic():
        writers.enter()
        same = Deletion.objects.select_for_update(of=("self",)).filter(
            pk=deletion.pk, state=deletion.state
        )
        if not same.exists():
            raise _Overtaken
        yield


def _set_state(deletion: Deletion, state: Deletion.State, **fields: object) -> None:
    Deletion.objects.filter(pk=deletion.pk).update(state=state, **fields)
    deletion.state = state


def _shut_gate(deletion: Deletion, before: Deletion.State, after: Deletion.State) -> None:
    """From here on nobody but us writes to the path. Raises _NotNow while somebody may,
    _Overtaken.
    """
    pending_writes.look_up_path(deletion.path)
    with transaction.atomic():
        writers.lock_path(deletion.path)
        if PendingWrite.objects.filter(path=deletion.path).exists():
            raise _NotNow
        # What an index lists is known when it has been read.
        unread = Manifest.objects.filter(
            repository__in=Repository.objects.at(deletion.path),
            kind=Manifest.Kind.UNREAD,
            missing_since=None,
        )
        if after == State.REMOVING and unread.exists():
            raise _NotNow
        if not Deletion.objects.filter(pk=deletion.pk, state=before).update(state=after):
            raise _Overtaken
    deletion.state = after


def _put_aside(connection: Registry, deletion: Deletion, turn: Callable[[], None]) -> None:
    """Give each image of the deletion its second home."""
    digests = set(_digests(deletion)) - set(
        deletion.manifests.filter(Q(is_held=True) | Q(is_lost=True)).values_list(
            "digest", flat=True
        )
    )
    for digest in sorted(digests):
        manifests = held.with_children(connection, deletion.repository, deletion.path, digest)
        for manifest in manifests:
            turn()
            _hold(connection, deletion, manifest)
        if not manifests:
            HeldManifest.objects.create(deletion=deletion, digest=digest, is_lost=True)


def _tags(deletion: Deletion) -> QuerySet[Tag]:
    """Its own, which no page sees."""
    return Tag.everything.filter(deletion=deletion)


def _digests(deletion: Deletion) -> Iterator[str]:
    yield from (_tags(deletion).values_list("manifest__digest", flat=True).distinct())
    if deletion.kind == Kind.IMAGE:
        yield deletion.reference
    if deletion.kind == Kind.REPOSITORY:
        manifests = deletion.repository.manifests.filter(missing_since=None)
        yield from manifests.values_list("digest", flat=True)


def _hold(connection: Registry, deletion: Deletion, manifest: StoredManifest) -> None:
    with _step(deletion):
        writers.lock_path(HELD_PATH)
        row, _ = HeldManifest.objects.get_or_create(deletion=deletion, digest=manifest.digest)
        if row.is_held or row.is_lost:
            return
        copied = held.copy(connection, manifest, source=deletion.path, target=HELD_PATH)
        row.is_held, row.is_lost = copied, not copied
        row.save(update_fields=["is_held", "is_lost"])


def _remove_tags(connection: Registry, deletion: Deletion, turn: Callable[[], None]) -> None:
    """Remove the tags from the registry, but for those that were pushed again."""
    empty = _empty_manifest(deletion)
    leaving = _tags_to_remove(connection, deletion)
    for start in range(0, len(leaving), TAGS_IN_A_STEP):
        turn()
        names = leaving[start : start + TAGS_IN_A_STEP]
        there = _adopt(connection, deletion, names, empty)
        _put_aside(connection, deletion, turn)
        with _step(deletion):
            for name in there:
                connection.put_manifest(deletion.path, name, empty)
            connection.delete_manifest(deletion.path, empty.digest)


def _tags_to_remove(connection: Registry, deletion: Deletion) -> list[str]:
    try:
        in_registry = set(connection.tags(deletion.path))
    except NotThere:
        return []
    if deletion.kind != Kind.REPOSITORY:
        in_registry &= set(_tags(deletion).values_list("name", flat=True))
    pushed_again = Tag.objects.filter(repository__in=Repository.objects.at(deletion.path))
    return sorted(in_registry - set(pushed_again.values_list("name", flat=True)))


def _adopt(
    connection: Registry, deletion: Deletion, names: Iterable[str], empty: StoredManifest
) -> list[str]:
    """The names that the registry has. What it has under them becomes the deletion's.

    A push just before the deletion may have been noticed by nobody yet.
    """
    rows = _tags(deletion).filter(name__in=names).select_related("manifest")
    ours = {tag.name: tag for tag in rows}
    there = []
    for name in names:
        known = ours[name].manifest.digest if name in ours else ""
        try:
            digest = connection.digest_of(deletion.path, name, known)
        except NotThere:
            continue
        there.append(name)
        if digest not in {known, empty.digest}:
            _adopt_tag(deletion, name, digest)
    return there


@transaction.atomic
def _adopt_tag(deletion: Deletion, name: str, digest: str) -> None:
    manifest, _ = Manifest.objects.get_or_create(repository=deletion.repository, digest=digest)
    Tag.everything.update_or_create(
        deletion=deletion,
        repository=deletion.repository,
        name=name,
        defaults={"manifest": manifest},
        create_defaults={"manifest": manifest, "pushed_at": deletion.asked_at},
    )


def _empty_manifest(deletion: Deletion) -> StoredManifest:
    """An image index without children, which no other deletion has."""
    content = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": OCI_INDEX,
            "manifests": [],
            "annotations": {"org.opencontainers.image.title": f"deletion {deletion.pk}"},
        }
    ).encode()
    return StoredManifest(f"sha256:{sha256(content).hexdigest()}", OCI_INDEX, content)


def _remove_manifests(connection: Registry, deletion: Deletion, turn: Callable[[], None]) -> None:
    """Remove the images that nothing needs any more, image indexes before what they list."""
    while digests := _unneeded(deletion):
        for digest in digests:
            turn()
            with _step(deletion):
                connection.delete_manifest(deletion.path, digest)
                deletion.manifests.filter(digest=digest).update(is_gone=True)
                Manifest.objects.filter(repository=deletion.repository, digest=digest).update(
                    missing_since=timezone.now()
                )


def _unneeded(deletion: Deletion) -> list[str]:
    """What may leave the repository next."""
    rest = deletion.manifests.filter(is_gone=False)
    candidates = set(rest.values_list("digest", flat=True))
    here = Repository.objects.at(deletion.path)
    tagged = Tag.objects.filter(repository__in=here, manifest__digest__in=candidates)
    needed = set(tagged.values_list("manifest__digest", flat=True))
    pushed_again = RegistryEvent.objects.filter(
        received_at__gte=deletion.asked_at,
        happened_at__gte=deletion.asked_at,
        action=RegistryEvent.Action.PUSH,
        path=deletion.path,
        digest__in=candidates,
    )
    needed |= set(pushed_again.values_list("digest", flat=True))
    # Of an index: what it lists. Of another repository that has the path now: all that it has.
    newer = Manifest.objects.filter(
        repository__in=here.exclude(pk=deletion.repository_id),
        digest__in=candidates,
        missing_since=None,
    )
    needed |= set(newer.values_list("digest", flat=True))
    listed = ManifestPart.objects.filter(
        kind=ManifestPart.Kind.CHILD,
        digest__in=candidates,
        manifest__repository__in=Repository.everything.at(deletion.path),
        manifest__missing_since=None,
    )
    needed |= set(listed.values_list("digest", flat=True))
    return sorted(candidates - needed)


def _return_manifests(connection: Registry, deletion: Deletion, turn: Callable[[], None]) -> None:
    """Children were put aside first, so they come back first."""
    for row in deletion.manifests.filter(is_held=True).order_by("pk"):
        turn()
        with _step(deletion):
            manifest = connection.manifest(HELD_PATH, row.digest)
            held.copy(connection, manifest, source=HELD_PATH, target=deletion.path)
            Manifest.objects.filter(repository=deletion.repository, digest=row.digest).update(
                missing_since=None
            )
            deletion.manifests.filter(pk=row.pk).update(is_gone=False)


def _return_tags(connection: Registry, deletion: Deletion, turn: Callable[[], None]) -> None:
    for tag in _tags(deletion).select_related("manifest").order_by("pk"):
        turn()
        with _step(deletion):
            _return_tag(connection, deletion, tag)


def _return_tag(connection: Registry, deletion: Deletion, tag: Tag) -> None:
    row = Tag.everything.filter(pk=tag.pk)
    if Tag.objects.filter(repository=deletion.repository, name=tag.name).exists():
        row.delete()  # what was pushed since is newer
        Deletion.objects.filter(pk=deletion.pk).update(kept_count=F("kept_count") + 1)
        return
    digest = tag.manifest.digest
    try:
        manifest = connection.manifest(deletion.path, digest)
    except NotThere:
        row.delete()  # the registry had lost it before; the deletion's is_lost says so
        return
    connection.put_manifest(deletion.path, tag.name, manifest)
    row.update(deletion=None)
    if deletion.kind != Kind.REPOSITORY:  # that history was never told that the tag is gone
        TagChange.objects.create(
            repository=deletion.repository,
            tag=tag.name,
            digest=digest,
            at=timezone.now(),
            by=deletion.undone_by,
        )


# Forgetting.


def purge() -> int:
    """End what nobody may undo any more: its rows, and its images' second home. How many.

    Raises RegistryUnavailable, Closed.
    """
    count = 0
    with writers.alone(writers.DELETIONS) as is_alone, registry.connect() as connection:
        if not is_alone:
            return 0  # tomorrow is early enough
        for deletion in Deletion.objects.over().select_related("repository").order_by("pk"):
            _release(connection, deletion)
            count += _forget(deletion)
    return count


def _release(connection: Registry, deletion: Deletion) -> None:
    """Give up the second home of its images, unless another deletion needs it, too."""
    for row in deletion.manifests.all():
        with transaction.atomic():
            writers.enter()
            writers.lock_path(HELD_PATH)
            others = HeldManifest.objects.filter(digest=row.digest, is_held=True)
            if row.is_held and not others.exclude(deletion=deletion).exists():
                connection.delete_manifest(HELD_PATH, row.digest)
            row.delete()


@transaction.atomic
def _forget(deletion: Deletion) -> bool:
    repository = deletion.repository
    if deletion.state == State.UNDONE or deletion.kind != Kind.REPOSITORY:
        deletion.delete()
        return True
    if repository.deletions.exclude(pk=deletion.pk).exists():
        return False  # they hold images still
    Tag.everything.filter(repository=repository).delete()
    repository.delete()
    return True
