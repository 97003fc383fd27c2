"""What: repositories, their tags and manifests, and what the registry told us about them."""

from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from accounts.models import Namespace
from accounts.names import MAX_LENGTH as MAX_USERNAME_LENGTH
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

    objects = RepositoryQuerySet.as_manager()

    class Meta:
        verbose_name = _("repository")
        verbose_name_plural = _("repositories")
        constraints = [
            # Nulls count as equal, so that there is one top-level "debian", too.
            models.UniqueConstraint(
                fields=["namespace", "name"], nulls_distinct=False, name="repository_path_unique"
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
    def is_top_level(self) -> bool:
        return self.namespace_id is None


def repository_url(path: str, page: str = "repository") -> str:
    """A repository's page, where Docker Hub taught everyone to look: /_/centos, /r/alice/app."""
    namespace, _slash, name = path.rpartition("/")
    if namespace:
        return reverse(f"repositories:{page}", args=[namespace, name])
    return reverse(f"repositories:top_level_{page}", args=[name])


class Manifest(models.Model):
    """One manifest in one repository: the bytes that a digest stands for, and what they say.

    A manifest that two repositories carry has a row in each: rights follow the repository.
    """

    class Kind(models.TextChoices):
        UNREAD = "unread", _("not read yet")
        IMAGE = "image", _("image")
        INDEX = "index", _("image index")
        ATTESTATION = "attestation", _("attestation")
        ARTIFACT = "artifact", _("artifact")
        MALFORMED = "malformed", _("malformed")

    repository = models.ForeignKey(Repository, on_delete=models.CASCADE, related_name="manifests")
    digest = models.CharField(max_length=71)
    kind = models.CharField(max_length=12, choices=Kind, default=Kind.UNREAD)
    media_type = models.CharField(max_length=255, blank=True)
    # What an artifact says that it is: its artifactType or its configuration's media type.
    artifact_type = models.CharField(max_length=255, blank=True)
    # The manifest that this one is about (a signature, an attestation): OCI 1.1, "subject".
    subject_digest = models.CharField(max_length=71, blank=True)
    annotations = models.JSONField(default=dict)
    # The bytes as they are in the registry (at most 4 MiB there), so that they outlive it.
    content = models.BinaryField(default=b"")
    # The configuration's bytes and what people ask of it: see images.ImageFacts for the keys.
    config = models.BinaryField(default=b"")
    facts = models.JSONField(default=dict)
    # Bytes to download at most: configuration and layers, compressed. Null for an image index.
    size_bytes = models.BigIntegerField(null=True)
    os = models.CharField(max_length=60, blank=True)
    architecture = models.CharField(max_length=60, blank=True)
    variant = models.CharField(max_length=60, blank=True)
    # Why it is MALFORMED, in a sentence.
    problem = models.CharField(max_length=300, blank=True)
    first_seen_at = models.DateTimeField(db_default=Now())
    missing_since = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["repository", "digest"], name="manifest_once"),
            models.CheckConstraint(
                condition=Q(digest__regex=names.DIGEST_PATTERN), name="manifest_digest_well_formed"
            ),
        ]
        indexes = [
            models.Index(fields=["digest"], name="manifest_by_digest"),
            models.Index(
                fields=["repository", "subject_digest"],
                condition=~Q(subject_digest=""),
                name="manifest_referrers",
            ),
        ]

    def __str__(self) -> str:
        return self.digest

    @property
    def platform(self) -> str:
        """``linux/arm64/v8``; empty for what has none."""
        return "/".join(part for part in [self.os, self.architecture, self.variant] if part)


class ManifestPart(models.Model):
    """What a manifest is made of: its configuration, its layers, or an image index's children."""

    class Kind(models.TextChoices):
        CONFIG = "config", _("configuration")
        LAYER = "layer", _("layer")
        CHILD = "child", _("child")

    manifest = models.ForeignKey(Manifest, on_delete=models.CASCADE, related_name="parts")
    kind = models.CharField(max_length=6, choices=Kind)
    position = models.PositiveIntegerField()
    digest = models.CharField(max_length=140)  # sha512 too: the registry lets layers have it
    media_type = models.CharField(max_length=255, blank=True)
    size_bytes = models.BigIntegerField()
    # Of a child: its platform, and whether it only speaks about another one (an attestation).
    platform = models.CharField(max_length=180, blank=True)
    is_attestation = models.BooleanField(default=False)
    annotations = models.JSONField(default=dict)
    # Of a layer: the instruction that made it, as the configuration's history has it.
    created_by = models.TextField(blank=True)

    class Meta:
        ordering = ["kind", "position"]
        constraints = [
            models.UniqueConstraint(
                fields=["manifest", "kind", "position"], name="manifest_part_once"
            )
        ]
        indexes = [models.Index(fields=["digest"], name="manifest_part_by_digest")]


class Tag(models.Model):
    """A movable name for a manifest."""

    repository = models.ForeignKey(Repository, on_delete=models.CASCADE, related_name="tags")
    name = models.CharField(max_length=128)
    manifest = models.ForeignKey(Manifest, on_delete=models.PROTECT, related_name="tags")
    # When the registry took it. An older event that comes late doesn't set the tag back.
    pushed_at = models.DateTimeField()
    # Who: a user's name then. No foreign key, since people go and history stays.
    pushed_by = models.CharField(max_length=MAX_USERNAME_LENGTH, blank=True)
    pull_count = models.PositiveBigIntegerField(default=0)
    missing_since = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["repository", "name"], name="tag_once")]
        indexes = [
            models.Index(fields=["repository", "-pushed_at", "name"], name="tag_newest"),
        ]

    def __str__(self) -> str:
        return self.name


class TagChange(models.Model):
    """A tag came to point at a digest, or was removed. Rows are only added."""

    repository = models.ForeignKey(Repository, on_delete=models.CASCADE, related_name="tag_changes")
    tag = models.CharField(max_length=128)
    digest = models.CharField(max_length=71, blank=True)  # empty: the tag was removed
    at = models.DateTimeField()
    by = models.CharField(max_length=MAX_USERNAME_LENGTH, blank=True)
    access_token_id = models.BigIntegerField(null=True)

    class Meta:
        indexes = [models.Index(fields=["repository", "tag", "-at"], name="tag_change_of_tag")]


class RegistryEvent(models.Model):
    """A notification of the registry. Its id decides that it is recorded once.

    Pulls wait here to be counted (see pulls.py); nothing else is done when one arrives, so that
    pulls never wait for each other.
    """

    class Action(models.TextChoices):
        PUSH = "push"
        PULL = "pull"
        DELETE = "delete"

    id = models.UUIDField(primary_key=True)
    action = models.CharField(max_length=6, choices=Action)
    path = models.CharField(max_length=255)
    tag = models.CharField(max_length=128, blank=True)
    digest = models.CharField(max_length=71, blank=True)
    actor = models.CharField(max_length=MAX_USERNAME_LENGTH, blank=True)
    address = models.CharField(max_length=64, blank=True)
    client = models.CharField(max_length=200, blank=True)
    happened_at = models.DateTimeField()
    received_at = models.DateTimeField(db_default=Now())
    # Of a pull: null until it is looked at; then whether it counts (one pull, several events).
    counts = models.BooleanField(null=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["happened_at"],
                condition=Q(action="pull", counts__isnull=True),
                name="registry_event_uncounted",
            ),
            models.Index(fields=["received_at"], name="registry_event_age"),
            models.Index(
                fields=["path", "actor", "address", "happened_at"],
                condition=Q(action="pull"),
                name="registry_event_pulls",
            ),
        ]


class DailyPulls(models.Model):
    """How often a tag was pulled on a day (UTC). An empty tag: pulled by digest."""

    repository = models.ForeignKey(Repository, on_delete=models.CASCADE, related_name="daily_pulls")
    tag = models.CharField(max_length=128, blank=True)
    day = models.DateField()
    count = models.PositiveBigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["repository", "tag", "day"], name="daily_pulls_once")
        ]
        indexes = [models.Index(fields=["repository", "day"], name="daily_pulls_of_day")]


class PendingWrite(models.Model):
    """A manifest that the gate let through, and that nobody has seen in the registry yet.

    A notification settles it. If none comes, a job looks in the registry: no accepted push is
    lost when a process dies.
    """

    class Method(models.TextChoices):
        PUT = "PUT"
        DELETE = "DELETE"

    method = models.CharField(max_length=6, choices=Method)
    path = models.CharField(max_length=names.MAX_PATH_LENGTH)
    reference = models.CharField(max_length=128)  # a tag or a digest
    username = models.CharField(max_length=MAX_USERNAME_LENGTH)
    access_token_id = models.BigIntegerField(null=True)
    address = models.GenericIPAddressField(null=True)
    client = models.CharField(max_length=200, blank=True)
    announced_at = models.DateTimeField(db_default=Now())
    # When we last asked the registry about it; see pending_writes.LOOK_UPS for when we do.
    looked_up_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["path", "reference", "announced_at"], name="pending_write_of")
        ]
