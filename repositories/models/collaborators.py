"""People whom the owner of a user repository lets in."""

from typing import Self

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from accounts.names import MAX_LENGTH
from repositories.models.repositories import Repository


class CollaboratorQuerySet(models.QuerySet["Collaborator"]):
    def accepted(self) -> Self:
        """Those who may do something. The rights end with the owner: nobody answers for the
        namespace any more.
        """
        return self.filter(accepted_at__isnull=False, repository__namespace__user__isnull=False)

    def open_invitations(self, user: User) -> Self:
        """What ``user`` may accept or decline, the newest first."""
        there = self.filter(repository__namespace__user__isnull=False, repository__deleted_at=None)
        return (
            there.filter(user=user, accepted_at=None)
            .select_related("repository__namespace")
            .order_by("-invited_at", "-pk")
        )


class Collaborator(models.Model):
    """Somebody's part in a user repository of another. An invitation, until he accepts it."""

    class Level(models.TextChoices):
        """Each includes the ones before it."""

        PULL = "pull", _("Pull: see it and pull")
        PUSH = "push", _("Push: pull and push")
        ADMIN = "admin", _("Admin: push, delete tags, change settings, invite")

    repository = models.ForeignKey(
        Repository, on_delete=models.CASCADE, related_name="collaborators"
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="collaborations"
    )
    level = models.CharField(_("level"), max_length=10, choices=Level, default=Level.PULL)
    # A name, as in the history of tags: it outlives the account.
    invited_by = models.CharField(max_length=MAX_LENGTH)
    invited_at = models.DateTimeField(db_default=Now())
    accepted_at = models.DateTimeField(null=True, blank=True)

    objects = CollaboratorQuerySet.as_manager()

    class Meta:
        verbose_name = _("collaborator")
        verbose_name_plural = _("collaborators")
        constraints = [
            models.UniqueConstraint(fields=["repository", "user"], name="collaborator_once"),
            models.CheckConstraint(
                condition=models.Q(level__in=["pull", "push", "admin"]), name="collaborator_level"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} in {self.repository_id}: {self.level}"
