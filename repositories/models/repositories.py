"""Repositories: named sets of tags."""

from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from accounts.models import Namespace
from repositories import names

MAX_DESCRIPTION_LENGTH = 160  # one line in search results; docker prints the first 42
MAX_README_LENGTH = 64 * 1024  # characters


class RepositoryQuerySet(models.QuerySet["Repository"]):
    def at(self, path: str) -> Self:
        """The repository at ``centos`` or ``alice/app``; empty if there is none."""
        namespace, _slash, name = path.rpartition("/")
        if not namespace:
            return self.filter(namespace=None, name=name)
        return self.filter(namespace__name=namespace, name=name)

    def public(self) -> Self:
        return self.filter(is_private=False)

    def with_images(self) -> Self:
        """Those that something was pushed to: others aren't listed for strangers."""
        return self.exclude(pushed_at=None)

    def by_popularity(self) -> Self:
        return self.order_by("-pull_count", "name", "pk")


_Manager = models.Manager.from_queryset(RepositoryQuerySet)


class RepositoryManager(_Manager["Repository"]):
    def get_queryset(self) -> RepositoryQuerySet:
        """What was deleted is there for undo alone: see deletions.py."""
        return RepositoryQuerySet(self.model, using=self._db).filter(deleted_at=None)


class Repository(models.Model):
    """A named set of tags. Without a namespace it is top-level, and only staff create it."""

    namespace = models.ForeignKey(
        Namespace, on_delete=models.PROTECT, null=True, blank=True, related_name="repositories"
    )
    name = models.CharField(_("name"), max_length=names.MAX_PATH_LENGTH)
    is_private = models.BooleanField(_("private"), default=False)
    description = models.CharField(_("description"), max_length=MAX_DESCRIPTION_LENGTH, blank=True)
    readme = models.TextField(_("README"), max_length=MAX_README_LENGTH, blank=True)
    # Of a top-level repository: who pushes to it. A user repository's owner needs no row.
    maintainers = models.ManyToManyField(
        settings.AUTH_USER_MODEL, blank=True, related_name="maintained_repositories"
    )
    created_at = models.DateTimeField(db_default=Now())
    # The newest push; null until the first. Repositories without an image aren't listed.
    pushed_at = models.DateTimeField(null=True, blank=True)
    # Sum of the daily rows, brought up to date by a task: counting here would make pulls wait.
    pull_count = models.PositiveBigIntegerField(default=0)
    # Set by the sync when the registry knows nothing of it any more; the sync may clear it.
    missing_since = models.DateTimeField(null=True, blank=True)
    # Made by manage.py demo: rows alone, which the sync doesn't look for in the registry.
    is_demo = models.BooleanField(default=False, editable=False)

    # Shell patterns, one a line: tags that are written once. See immutable.py.
    immutable_tags = models.TextField(_("immutable tags"), max_length=1000, blank=True)
    # Nobody should begin to use it; pulls go on. And what to use: a path, or a whole reference.
    deprecated_at = models.DateTimeField(null=True, blank=True)
    successor = models.CharField(_("successor"), max_length=255, blank=True)
    # It was deleted, and may be wanted back. Another may have its path meanwhile.
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = RepositoryManager()
    everything = RepositoryQuerySet.as_manager()

    class Meta:
        verbose_name = _("repository")
        verbose_name_plural = _("repositories")
        constraints = [
            # Nulls count as equal, so that there is one top-level "debian", too.
            models.UniqueConstraint(
                fields=["namespace", "name"],
                condition=Q(deleted_at=None),
                nulls_distinct=False,
                name="repository_path_unique",
            ),
            models.CheckConstraint(
                condition=Q(name__regex=names.NAME_PATTERN), name="repository_name_well_formed"
            ),
            models.CheckConstraint(
                condition=Q(namespace__isnull=False) | Q(is_private=False),
                name="repository_top_level_is_public",
            ),
        ]
        indexes = [
            # Home: newest public ones, and those that are pulled most.
            models.Index(fields=["-created_at"], name="repository_newest"),
            models.Index(fields=["-pull_count"], name="repository_most_pulled"),
        ]

    def __str__(self) -> str:
        return self.path

    def get_absolute_url(self) -> str:
        return repository_url(self.path)

    @property
    def path(self) -> str:
        """``centos`` or ``alice/app``. Needs the namespace: load it with ``select_related``."""
        return f"{self.namespace.name}/{self.name}" if self.namespace else self.name

    @property
    def successor_url(self) -> str:
        """The page of what to use instead; empty if that is elsewhere."""
        path = self.successor.partition("@")[0].partition(":")[0]
        return repository_url(path) if path and names.split_path(path) else ""

    @property
    def is_top_level(self) -> bool:
        return self.namespace_id is None


def repository_url(path: str, page: str = "repository") -> str:
    """A repository's page, where Docker Hub taught everyone to look: /_/centos, /r/alice/app."""
    namespace, _slash, name = path.rpartition("/")
    if namespace:
        return reverse(f"repositories:{page}", args=[namespace, name])
    return reverse(f"repositories:top_level_{page}", args=[name])
