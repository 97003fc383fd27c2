"""Manifests, what they are made of, and the tags that point at them."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from accounts.names import MAX_LENGTH as MAX_USERNAME_LENGTH
from repositories import names
from repositories.models.repositories import Repository


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
            # Open pages ask again and again whether everything is read.
            models.Index(fields=["repository"], condition=Q(kind="unread"), name="manifest_unread"),
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


class TagManager(models.Manager["Tag"]):
    def get_queryset(self) -> models.QuerySet["Tag"]:
        """What was deleted is there for undo alone: see deletions.py."""
        return super().get_queryset().filter(deletion=None)


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
    # Nobody should begin to use it; pulls go on. And what to use: a tag, or a whole reference.
    deprecated_at = models.DateTimeField(null=True, blank=True)
    successor = models.CharField(max_length=255, blank=True)
    # It was deleted, and may be wanted back.
    deletion = models.ForeignKey(
        "Deletion", on_delete=models.CASCADE, null=True, blank=True, related_name="tags"
    )

    objects = TagManager()
    everything = models.Manager["Tag"]()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["repository", "name"], condition=Q(deletion=None), name="tag_once"
            )
        ]
        indexes = [
            # Lists of tags go on where a page ended, by one of these or by tag_once.
            models.Index(fields=["repository", "pushed_at", "name"], name="tag_newest"),
            models.Index(fields=["repository", "pull_count", "name"], name="tag_most_pulled"),
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
        indexes = [
            models.Index(fields=["repository", "tag", "-at"], name="tag_change_of_tag"),
            models.Index(fields=["digest"], condition=~Q(digest=""), name="tag_change_of_digest"),
        ]
