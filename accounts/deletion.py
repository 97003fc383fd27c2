"""The end of an account: asked for, for a week undone by signing in, then for good.

What becomes of its repositories is decided above: see repositories/account_deletion.py.
"""

from datetime import timedelta

from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from accounts import audit, deactivation, mails
from accounts.models import AccountDeletion, AuditEvent, LoginFailure, User

UNDO_WITHIN = timedelta(days=7)
# Between the password and the button that undoes it.
UNDO_PAGE_SECONDS = 15 * 60
UNDO_KEY = "undo_account_deletion"
# What a row of the audit log says beside who and what: addresses, e-mail and other.
PERSONAL_DETAILS = [
    "access_token.used_from_new_address",
    "email.changed",
    "email.confirmed",
    "session.revoked",
]


class LastStaff(Exception):
    """Nobody would be left who can run the index."""


@transaction.atomic
def ask_for(
    user: User, request: HttpRequest | None, *, keeps_public_images: bool
) -> AccountDeletion:
    """Switch ``user`` off, and note when he goes. Raises LastStaff."""
    list(_staff().select_for_update())  # two who leave at once wait for each other here
    if is_last_staff(user):
        raise LastStaff
    deletion, is_new = AccountDeletion.objects.get_or_create(
        user=user,
        defaults={
            "due_at": timezone.now() + UNDO_WITHIN,
            "keeps_public_images": keeps_public_images,
        },
    )
    if is_new:
        audit.record(
            request,
            "account.deletion_asked",
            user.username,
            user=user,
            keeps_public_images=keeps_public_images,
        )
        deactivation.switch_off(user)
        mails.notify("account/email/deletion_asked", user, request, {"deletion": deletion})
    return deletion


@transaction.atomic
def undo(user: User, request: HttpRequest | None) -> bool:
    """Let ``user`` go on as before, his access tokens too; False if it is too late."""
    # Whoever deletes the row decides: this, or the task that finishes it.
    deleted, _by_model = AccountDeletion.objects.filter(user=user).delete()
    if not deleted:
        return False
    User.objects.filter(pk=user.pk).update(is_active=True)
    user.is_active = True
    audit.record(request, "account.deletion_undone", user.username, user=user)
    mails.notify("account/email/deletion_undone", user, request)
    return True


def finish(deletion: AccountDeletion) -> None:
    """Remove the person. His name stays: nobody else gets it. In the caller's transaction."""
    user = deletion.user
    own = AuditEvent.objects.filter(actor_id=user.pk)
    own.filter(action__in=PERSONAL_DETAILS).update(details={})
    failed = AuditEvent.objects.filter(action="user.sign_in_failed", target=user.username)
    for events in [own, failed]:
        events.update(address=None, client="")
    LoginFailure.objects.filter(username=user.username).delete()
    email = "" if user.must_confirm_email else user.email
    username = user.username
    # Tokens, sessions, addresses, memberships: all that points at him goes with him.
    user.delete()
    audit.record(None, "account.deleted", username)
    if email:
        mails.send("account/email/account_deleted", email, {"username": username})


def is_last_staff(user: User) -> bool:
    """Whether nobody else could run the index."""
    return user.is_staff and not _staff().exclude(pk=user.pk).exists()


def _staff() -> QuerySet[User]:
    return User.objects.filter(is_staff=True, is_active=True).order_by("pk")


# --- The way back ---------------------------------------------------------------------------


def offer_undo(user: User, request: HttpRequest) -> bool:
    """Remember that ``user`` has just shown his password; False if he has nothing to undo."""
    if not AccountDeletion.objects.filter(user=user).exists():
        return False
    until = timezone.now().timestamp() + UNDO_PAGE_SECONDS
    request.session[UNDO_KEY] = [user.pk, until]
    return True


def offered(request: HttpRequest) -> AccountDeletion | None:
    """The deletion that this visitor may undo; None if there is none."""
    user_id, until = request.session.get(UNDO_KEY, [None, 0])
    if until < timezone.now().timestamp():
        return None
    return AccountDeletion.objects.filter(user_id=user_id).select_related("user").first()
