"""What people have deleted, for as long as they may have it back; and when space was freed."""

from datetime import datetime, timedelta
from typing import Self

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.names import MAX_LENGTH as MAX_USERNAME_LENGTH
from repositories import names
from repositories.models.repositories import Repository

UNDO_WITHIN = timedelta(days=7)


class DeletionQuerySet(models.QuerySet["Deletion"]):
    def at_work(self) -> Self:
        """Those that a worker has something to do for."""
        return self.filter(state__in=Deletion.AT_WORK)

    def changing(self, path: str) -> Self:
        """Those that change the registry at ``path`` now: nobody else writes there meanwhile."""
        return self.filter(path=path, state__in=[State.REMOVING, State.RETURNING])

    def leaving(self, path: str, tag: str) -> Self:
        """Those at work that ``tag`` belongs to: the registry may show it for a while."""
        is_covered = Q(kind=Deletion.Kind.REPOSITORY) | Q(tags__name=tag)
        return self.at_work().filter(is_covered, path=path)

    def over(self) -> Self:
        """Those that are of no use any more."""
        limit = timezone.now() - UNDO_WITHIN
        too_late = Q(state=State.DELETED, removed_at__lt=limit)
        return self.filter(too_late | Q(state=State.UNDONE, undone_at__lt=limit))


class Deletion(models.Model):
    """Something was deleted at once from all pages. A worker makes the registry agree.

    Its tags are rows that carry it, and that no page reads; its images are held in a repository
    of the registry that nobody reaches, until it is undone or too old.
    """

    class Kind(models.TextChoices):
        TAGS = "tags", _("tags")
        IMAGE = "image", _("image")
        REPOSITORY = "repository", _("repository")

    class State(models.TextChoices):
        # The registry still has it all; its images are put aside. Pushes go on.
        ASKED = "asked", _("being deleted")
        REMOVING = "removing", _("being deleted")
        DELETED = "deleted", _("deleted")
        # Wanted back, but a push that was let through may still come.
        WANTED_BACK = "wanted-back", _("on its way back")
        RETURNING = "returning", _("on its way back")
        UNDONE = "undone", _("back")

    repository = models.ForeignKey(Repository, on_delete=models.CASCADE, related_name="deletions")
    # Of the repository then, for the gate and the sync, which know paths alone.
    path = models.CharField(max_length=names.MAX_PATH_LENGTH)
    kind = models.CharField(max_length=10, choices=Kind)
    state = models.CharField(max_length=12, choices=State, default=State.ASKED)
    # A tag or a digest, if it was one; else empty.
    reference = models.CharField(max_length=128, blank=True)
    tag_count = models.PositiveIntegerField(default=0)
    # Tags that were there again when they were wanted back: what is newer stays.
    kept_count = models.PositiveIntegerField(default=0)
    asked_at = models.DateTimeField(db_default=Now())
    asked_by = models.CharField(max_length=MAX_USERNAME_LENGTH, blank=True)
    # When it last had its turn: the registry is changed for many in turns.
    worked_at = models.DateTimeField(db_default=Now())
    removed_at = models.DateTimeField(null=True)
    undone_at = models.DateTimeField(null=True)
    undone_by = models.CharField(max_length=MAX_USERNAME_LENGTH, blank=True)

    objects = DeletionQuerySet.as_manager()

    AT_WORK = [State.ASKED, State.REMOVING, State.WANTED_BACK, State.RETURNING]
    UNDOABLE = [State.ASKED, State.REMOVING, State.DELETED]

    class Meta:
        indexes = [
            models.Index(fields=["repository", "-asked_at"], name="deletion_of_repository"),
            models.Index(
                fields=["path"],
                condition=Q(state__in=["asked", "removing", "wanted-back", "returning"]),
                name="deletion_at_work",
            ),
        ]

    @property
    def can_be_undone(self) -> bool:
        return self.state in self.UNDOABLE

    @property
    def undo_until(self) -> datetime:
        return (self.removed_at or timezone.now()) + UNDO_WITHIN


State = Deletion.State


class HeldManifest(models.Model):
    """A manifest that is put aside for a deletion: an image, or a child of an image index."""

    deletion = models.ForeignKey(Deletion, on_delete=models.CASCADE, related_name="manifests")
    digest = models.CharField(max_length=71)
    # It lies in the reserved repository.
    is_held = models.BooleanField(default=False)
    # It has left its own repository. What something there still needs stays.
    is_gone = models.BooleanField(default=False)
    # The registry had lost a part of it before: it can't be given back.
    is_lost = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["deletion", "digest"], name="held_manifest_once")
        ]
        indexes = [models.Index(fields=["digest"], name="held_manifest_by_digest")]


class GarbageCollectionQuerySet(models.QuerySet["GarbageCollection"]):
    def running(self) -> Self:
        return self.filter(ended_at=None)

    def last_freed(self) -> "GarbageCollection | None":
        """The last one that went well."""
        return self.exclude(ended_at=None).filter(problem="").order_by("-ended_at").first()


class GarbageCollection(models.Model):
    """Space is freed in the registry. While one runs, nothing is written there."""

    started_at = models.DateTimeField(db_default=Now())
    # Moved on by the process that runs it. If that dies, a worker ends it after this.
    alive_until = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    blob_count = models.PositiveBigIntegerField(default=0)
    freed_bytes = models.PositiveBigIntegerField(default=0)
    # Why nothing was freed; empty if all went well.
    problem = models.CharField(max_length=500, blank=True)

    objects = GarbageCollectionQuerySet.as_manager()

    class Meta:
        constraints = [
            # One at a time.
            models.UniqueConstraint(
                fields=["ended_at"],
                condition=Q(ended_at__isnull=True),
                nulls_distinct=False,
                name="garbage_collection_alone",
            )
        ]
