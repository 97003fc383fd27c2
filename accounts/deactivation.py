"""Switching an account off, so that nothing of it works a moment later; and on again."""

from allauth.usersessions.models import UserSession
from django.db import transaction
from django.http import HttpRequest

from accounts import access_tokens, audit
from accounts.models import AccessToken, AccountDeletion, RememberedPassword, User


@transaction.atomic
def deactivate(user: User, request: HttpRequest | None) -> bool:
    """End the sessions and tokens of ``user``; False if he was switched off already."""
    if not switch_off(user):
        return False
    audit.record(request, "staff.account_deactivated", user.username)
    for token in AccessToken.objects.filter(user=user, revoked_at=None):
        access_tokens.revoke(token, request)
    return True


@transaction.atomic
def activate(user: User, request: HttpRequest | None) -> bool:
    """Let ``user`` sign in again, also one who wanted his account deleted.

    Sessions and tokens that were ended stay so.
    """
    switched = User.objects.filter(pk=user.pk, is_active=False).update(is_active=True)
    if switched:
        AccountDeletion.objects.filter(user=user).delete()
        audit.record(request, "staff.account_activated", user.username)
    return bool(switched)


def switch_off(user: User) -> bool:
    """Refuse what ``user`` shows from now on; False if that is so already.

    His tokens aren't revoked: they work for active users alone.
    """
    switched = User.objects.filter(pk=user.pk, is_active=True).update(is_active=False)
    if switched:
        RememberedPassword.objects.filter(user=user).delete()
        for session in UserSession.objects.filter(user=user):
            session.end()
    return bool(switched)
