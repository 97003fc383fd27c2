"""What the registry told us, and what it is still expected to tell."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from accounts.names import MAX_LENGTH as MAX_USERNAME_LENGTH
from repositories import names
from repositories.models.repositories import Repository


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
