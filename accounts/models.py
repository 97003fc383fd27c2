"""Who: people, the namespaces that they own, and the secrets that they show."""

from typing import Any, ClassVar, Self

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.contrib.auth.models import UserManager as DjangoUserManager
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models import F, Q
from django.db.models.functions import Now
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts import names


class UserManager(DjangoUserManager["User"]):
    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(username=names.fold(username or ""))

    def with_email(self, email: str) -> "User | None":
        """Whose address this is; the first who gave it, should others claim it too."""
        return self.filter(email__iexact=email).order_by("date_joined", "pk").first()


class User(AbstractUser):
    """A person or a robot that signs in. The user name is a namespace, for good."""

    username = models.CharField(
        _("user name"),
        max_length=names.MAX_LENGTH,
        unique=True,
        error_messages={"unique": _("This name is taken.")},
    )
    first_name = None  # type: ignore[assignment]
    last_name = None  # type: ignore[assignment]
    name = models.CharField(_("name"), max_length=80, blank=True)
    bio = models.CharField(_("about you"), max_length=300, blank=True)
    # Accounts made while the index sends mail confirm their address before their first push.
    must_confirm_email = models.BooleanField(default=False)
    first_pushes_are_private = models.BooleanField(
        _("my first pushes are private"),
        default=False,
        help_text=_("A repository that a push creates is private until you make it public."),
    )

    objects: ClassVar[UserManager] = UserManager()

    class Meta:
        verbose_name = _("user")
        verbose_name_plural = _("users")
        constraints = [
            models.CheckConstraint(
                condition=Q(username__regex=names.NAMESPACE_PATTERN)
                & ~Q(username__in=sorted(names.RESERVED)),
                name="user_name_well_formed",
                violation_error_message=_("This user name is not well formed, or reserved."),
            ),
        ]

    def __str__(self) -> str:
        return self.username

    @classmethod
    def normalize_username(cls, username: str) -> str:
        """What create_user() stores: folded, so that Alice and alice are one."""
        return names.fold(username)

    def clean(self) -> None:
        super().clean()
        Namespace.check_free_for(self.username, self.pk)

    def save(self, *args: Any, **kwargs: Any) -> None:
        """A new user claims the namespace of that name in the same transaction."""
        with transaction.atomic():
            is_new = self._state.adding
            super().save(*args, **kwargs)
            if is_new:
                Namespace.objects.create(name=self.username, user=self)

    def get_absolute_url(self) -> str:
        return reverse("repositories:namespace", args=[self.username])

    @property
    def display_name(self) -> str:
        return self.name or self.username


class Namespace(models.Model):
    """The first part of ``alice/app``. Never given to somebody else after its owner has gone."""

    name = models.CharField(max_length=names.MAX_LENGTH, unique=True)
    # Null: its owner has gone, and the name is kept so that nobody inherits his pull commands.
    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="namespace",
    )
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(name__regex=names.NAMESPACE_PATTERN)
                & ~Q(name__in=sorted(names.RESERVED)),
                name="namespace_name_well_formed",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("repositories:namespace", args=[self.name])

    @classmethod
    def is_free(cls, name: str) -> bool:
        return not cls.objects.filter(name=name).exists()

    @classmethod
    def check_free_for(cls, name: str, user_id: int | None = None) -> None:
        """Raise ValidationError with what is wrong and, where it helps, a name that is free."""
        try:
            names.check(name)
            taken = cls.objects.filter(name=name).exclude(user_id=user_id or -1).exists()
            if not taken:
                return
            problem = _("“%(name)s” is taken.") % {"name": name}
        except names.BadName as error:
            problem = str(error)
        free = names.suggest(name, cls.is_free)
        if free:
            problem += " " + _("“%(name)s” is free.") % {"name": free}
        raise ValidationError(problem, code="username")


class AccountDeletion(models.Model):
    """Somebody wants his account deleted. Switched off until then; signing in undoes it."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="deletion"
    )
    requested_at = models.DateTimeField(db_default=Now())
    due_at = models.DateTimeField(db_index=True)
    # Chosen when it was asked for: others go on pulling his public images, or can't any more.
    keeps_public_images = models.BooleanField()

    def __str__(self) -> str:
        return f"{self.user_id}, due {self.due_at:%Y-%m-%d}"


class AccessTokenQuerySet(models.QuerySet["AccessToken"]):
    def usable(self) -> Self:
        """Neither revoked nor expired, of somebody who may sign in."""
        return self.filter(
            Q(expires_at=None) | Q(expires_at__gt=Now()),
            Q(parent=None) | Q(parent__revoked_at=None),
            revoked_at=None,
            user__is_active=True,
        )


class AccessToken(models.Model):
    """What people and robots give to ``docker login`` and the API instead of a password.

    Only the SHA-256 is stored: the token itself is shown once, when it is made.
    """

    class Scope(models.TextChoices):
        """Each includes the ones before it."""

        READ = "read", _("Read: pull what you may pull")
        WRITE = "write", _("Write: pull and push")
        DELETE = "delete", _("Delete: pull, push and delete")

    class Kind(models.TextChoices):
        PERSONAL = "personal", _("access token")
        # The "identity token" that docker login asks for and keeps instead of the password.
        DEVICE = "device", _("docker login on a device")

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="access_tokens"
    )
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.PERSONAL)
    name = models.CharField(_("name"), max_length=80)
    scope = models.CharField(_("scope"), max_length=10, choices=Scope, default=Scope.READ)
    digest = models.CharField(max_length=64, unique=True)
    # The access token that a device logged in with, or that made this one: revoked with it.
    parent = models.ForeignKey(
        "self", on_delete=models.CASCADE, null=True, blank=True, related_name="device_tokens"
    )
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    # Written at most once a minute, by a plain UPDATE: the path is hot.
    last_used_at = models.DateTimeField(null=True, blank=True)
    last_used_from = models.GenericIPAddressField(null=True, blank=True)
    last_used_by = models.CharField(max_length=200, blank=True)

    objects = AccessTokenQuerySet.as_manager()

    class Meta:
        ordering = [F("last_used_at").desc(nulls_last=True), "-created_at"]
        indexes = [models.Index(fields=["user", "kind"], name="access_token_of_user")]
        constraints = [
            models.CheckConstraint(
                condition=Q(scope__in=["read", "write", "delete"]), name="access_token_scope"
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= timezone.now()


class RememberedPassword(models.Model):
    """A password that was checked a moment ago, so that it need not be hashed again.

    ``digest`` is keyed with a secret that isn't in the database; ``fingerprint`` ties the row
    to the password hash that was valid then, so that a changed password is forgotten at once.
    """

    digest = models.CharField(max_length=64, primary_key=True)
    fingerprint = models.CharField(max_length=64)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    expires_at = models.DateTimeField(db_index=True)


class LoginFailure(models.Model):
    """One wrong secret for one name from one address; the same one again is no new failure."""

    username = models.CharField(max_length=names.MAX_LENGTH)
    address = models.GenericIPAddressField()
    secret_digest = models.CharField(max_length=64)
    failed_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["username", "address", "secret_digest"], name="login_failure_once"
            )
        ]
        indexes = [
            models.Index(fields=["address", "failed_at"], name="login_failure_address"),
            models.Index(fields=["username", "failed_at"], name="login_failure_username"),
            models.Index(fields=["failed_at"], name="login_failure_age"),
        ]


class KnownAddress(models.Model):
    """An address from which somebody has signed in: a guesser elsewhere can't lock him out here."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    address = models.GenericIPAddressField()
    seen_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "address"], name="known_address_once")
        ]


class AuditEvent(models.Model):
    """Who did what, from where. Rows are only added.

    No foreign key points here, and none goes out: what they speak of may be gone, and the table
    can be partitioned by month.
    """

    at = models.DateTimeField(db_default=Now())
    action = models.CharField(max_length=60)
    # The user's id and name then; both empty for nobody (a visitor, or the index itself).
    actor_id = models.BigIntegerField(null=True)
    actor_name = models.CharField(max_length=names.MAX_LENGTH, blank=True)
    access_token_id = models.BigIntegerField(null=True)
    target = models.CharField(max_length=300, blank=True)
    address = models.GenericIPAddressField(null=True)
    client = models.CharField(max_length=200, blank=True)
    details = models.JSONField(default=dict)

    class Meta:
        indexes = [
            models.Index(fields=["actor_id", "-at"], name="audit_event_actor"),
            models.Index(fields=["target", "-at"], name="audit_event_target"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.target}"
